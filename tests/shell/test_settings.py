"""The settings: what they can be, whose word counts, and how they are shown and changed by magic."""

from __future__ import annotations

import pytest

from vibesbox_kernel.errors import InvalidOptionError, MagicError, UnknownSettingError
from vibesbox_kernel.shell.config_verbs import tend_settings
from vibesbox_kernel.shell.magic_args import ConfigArgs
from vibesbox_kernel.shell.magics import parse_magic
from vibesbox_kernel.shell.settings import SETTINGS, Settings, Source, Values


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rows", "40", 40),
        ("rows", 40.0, 40),
        ("head_bytes", "100_000", 100_000),
        ("interrupt_grace", "2.5", 2.5),
        ("interrupt_grace", 3, 3.0),
        ("rc_files", "no", False),
        ("errexit", "TRUE", True),
        ("errexit", True, True),
        ("io", "split", "split"),
        ("default_shell", " zsh ", "zsh"),
    ],
)
def test_a_setting_is_read_as_a_person_writes_it(name: str, text: object, value: object) -> None:
    settings = Settings()
    settings.set(name, text)
    assert (settings.value(name), type(settings.value(name))) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("rows", "0", "a whole number, 1 to 1000"),
        ("rows", "4.5", "a whole number"),
        ("rows", True, "a whole number"),
        ("rows", "nan", "a whole number"),
        ("interrupt_grace", "-1", "a number, 0 to 3600"),
        ("interrupt_grace", "inf", "a number"),
        ("interrupt_grace", "soon", "a number"),
        ("errexit", "perhaps", "true or false"),
        ("io", "ptty", "pipe or pty or split"),
        ("default_shell", "", "a name or a path"),
        ("default_shell", None, "a name or a path"),
        ("default_shell", "zsh\0", "a name or a path"),
    ],
)
def test_a_value_that_can_not_be_is_refused_with_what_can(name: str, value: object, wanted: str) -> None:
    settings = Settings()
    with pytest.raises(InvalidOptionError, match=rf"{name} is .*; it must be {wanted}"):
        settings.set(name, value)
    assert settings.now == Values()


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(UnknownSettingError, match=r"no setting 'row'; did you mean rows\?"):
        Settings().set("row", 1)
    with pytest.raises(UnknownSettingError, match="there is: default_shell, io, "):
        Settings().set("xyz", 1)


def test_the_magic_is_heard_before_the_notebook_and_that_before_the_configuration() -> None:
    settings = Settings(rows=10)
    assert (settings.now.rows, settings.source("rows")) == (10, Source.CONFIGURATION)
    settings.set("rows", 30)
    settings.set("rows", 20, source=Source.NOTEBOOK)
    assert (settings.now.rows, settings.source("rows")) == (30, Source.MAGIC)
    settings.reset(["rows"])
    assert (settings.now.rows, settings.source("rows")) == (20, Source.NOTEBOOK)
    assert settings.source("columns") is Source.DEFAULT


def test_a_notebook_can_not_choose_which_file_is_run() -> None:
    """Ours: nobody has read its metadata who opens it."""
    settings = Settings()
    settings.set("default_shell", "zsh", source=Source.NOTEBOOK)
    with pytest.raises(InvalidOptionError, match="a plain name"):
        settings.set("default_shell", "./evil", source=Source.NOTEBOOK)
    assert settings.now.default_shell == "zsh"


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("%vibesbox config", ConfigArgs()),
        ("%vibesbox config rows io", ConfigArgs(("rows", "io"))),
        ("%vibesbox config rows=40 io=pipe", ConfigArgs((), (("rows", "40"), ("io", "pipe")))),
        ("%vibesbox config 'default_shell=/a b'", ConfigArgs((), (("default_shell", "/a b"),))),
        ("%vibesbox config reset", ConfigArgs(reset=True)),
        ("%vibesbox config reset rows", ConfigArgs(("rows",), reset=True)),
    ],
)
def test_what_the_magic_takes(line: str, args: ConfigArgs) -> None:
    assert parse_magic(line).args == args


def test_reset_takes_no_values() -> None:
    with pytest.raises(MagicError, match="give names only, not rows=3"):
        parse_magic("%vibesbox config reset rows=3")


def test_every_setting_is_shown_with_value_source_and_meaning() -> None:
    settings = Settings(rows=10)
    settings.set("io", "split")
    result = tend_settings(settings, ConfigArgs())
    for name, setting in SETTINGS.items():
        assert f"{name}=" in result.text
        assert setting.meaning in result.text
    assert "configuration; default 24" in result.text
    assert "%vibesbox config; default pty" in result.text
    assert "<td" in (result.html or "")
    assert isinstance(result.data, dict)
    assert result.data["rows"] == 10


def test_changes_are_all_checked_before_any_is_made() -> None:
    settings = Settings()
    with pytest.raises(UnknownSettingError):
        tend_settings(settings, ConfigArgs(changes=(("rows", "40"), ("rws", "1"))))
    assert settings.now == Values()
    result = tend_settings(settings, ConfigArgs(changes=(("rows", "40"),)))
    assert result.text.startswith("rows=40")
    tend_settings(settings, ConfigArgs(("rows",), reset=True))
    assert settings.now == Values()


def test_what_is_looked_at_only_when_the_shell_starts_can_not_be_changed_later() -> None:
    with pytest.raises(MagicError, match="set it in the notebook's metadata"):
        tend_settings(Settings(), ConfigArgs(changes=(("errexit", "yes"),)))
