"""The settings in IPython: by its own configuration, and by the magic of every front door."""

from __future__ import annotations


def test_the_magic_sets_what_the_next_session_is_like(shell):
    shell.ok("%vibesbox config rows=33 columns=44")
    assert shell.ok("%session stty size") == "33 44\n"
    assert "rows=33" in shell.ok("%vibesbox config rows")
    shell.ok("%vibesbox config reset")
    assert shell.ok("%session stty size") == "24 100\n"


def test_ipythons_own_configuration_knows_the_settings(shell):
    """IPython: ``%config Class.trait = value``."""
    assert "Vibesbox.rows=" in shell.ok("%config Vibesbox")
    shell.ok("%config Vibesbox.rows = 20")
    assert shell.ok("%session stty size") == "20 100\n"
    assert "configuration; default 24" in shell.ok("%vibesbox config rows")
    shell.ok("%config Vibesbox.rows = 24")


def test_a_wrong_value_is_refused_by_ipythons_configuration_too(shell, caplog):
    """IPython: it logs what it can not set."""
    shell.run("%config Vibesbox.rows = 'many'")
    assert "rows is 'many'; it must be a whole number, 1 to 1000" in caplog.text
    assert shell.ok("%session stty size") == "24 100\n"


def test_a_configuration_file_sets_them_before_the_extension_is_loaded(bare_shell):
    """IPython: ``c.Vibesbox.rows = 50``."""
    bare_shell.ip.config.Vibesbox.rows = 50
    bare_shell.ok("%load_ext vibesbox")
    assert bare_shell.ok("%session stty size") == "50 100\n"
    bare_shell.ip.config.pop("Vibesbox")


def test_an_extension_that_is_unloaded_leaves_no_settings(shell):
    shell.ok("%unload_ext vibesbox")
    assert all(type(one).__name__ != "Vibesbox" for one in shell.ip.configurables)
