"""Tab in IPython, in lines of our magics and in scripts below them."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter

from tests.ipython.conftest import Shell
from tests.kernel.driver import Driver


def matches(shell: Shell, code: str) -> set[str]:
    """What the code can become where the cursor stands behind it, its last line only."""
    with provisionalcompleter():
        found = list(shell.ip.Completer.completions(code, len(code)))
    return {(code[: one.start] + one.text).rpartition("\n")[2] for one in found}


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("%%session\nmkdi", "mkdir"),
        ("%%session --bg\nfor x in 1; do mkdi", "for x in 1; do mkdir"),
        ("%%session\necho $tab_", "echo $tab_variable"),
        ("%%lint\nmkdi", "mkdir"),
        ("%session mkdi", "%session mkdir"),
        ("%session --bg mkdi", "%session --bg mkdir"),
        ("s = %session mkdi", "s = %session mkdir"),
        ("%%session --dur", "%%session --durable"),
        ("%tail tab-", "%tail tab-session"),
        ("x = 1\n%tail --fol", "%tail --follow"),
    ],
)
def test_what_is_ours_completes_as_in_the_kernel(shell: Shell, code: str, match: str) -> None:
    """Ours: scripts as bash, with its state; magics with their options and sessions."""
    shell.ok("%session --name tab-session export tab_variable=1")
    assert match in matches(shell, code)


def test_python_is_left_to_ipython(shell: Shell) -> None:
    """IPython: its own completion is as it was."""
    shell.ok("tabular = {}")
    assert "tabular" in matches(shell, "tabul")
    assert "mkdir" not in matches(shell, "mkdi")
    assert "%timeit" in matches(shell, "%timei")
    shell.ok("%unload_ext vibesbox")
    assert "mkdir" not in matches(shell, "%%session\nmkdi")


def test_a_python_notebook_completes_scripts(notebook: Driver) -> None:
    """Jupyter: cursor_start and cursor_end are where bash's word is."""
    content = notebook.ask(notebook.client.complete("%%session\ncat /etc/hostn"), timeout=10)
    assert content["matches"] == ["/etc/hostname"]
    assert content["cursor_start"] == len("%%session\ncat ")
