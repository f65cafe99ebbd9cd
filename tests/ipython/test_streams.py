"""Two streams, rich output and rewritten lines of a session, as the extension shows them."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.ipython.conftest import Shell
from tests.kernel.driver import Driver
from tests.pictures import png
from vibesbox_kernel.frontends.terminal_screen import TerminalScreen


def test_stderr_of_a_split_session_is_pythons_stderr(shell: Shell) -> None:
    shell.ok("%%session --io split\necho to stdout\necho to stderr >&2")
    assert (shell.out, shell.err) == ("to stdout\n", "to stderr\n")


def test_a_terminal_shows_what_of_a_display_is_text(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(png())
    text = shell.ok(f"%%session\necho before\nvibesbox-show {tmp_path}/plot.png\necho after")
    assert text.splitlines() == ["before", f"[image/png, {len(png())} bytes: {tmp_path}/plot.png]", "after"]


def test_a_notebook_shows_a_picture_where_it_stands(notebook: Driver, tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(png())
    result = notebook.run(f"%%session\necho before\nvibesbox-show {tmp_path}/plot.png\necho after", timeout=20)
    kinds = [kind for kind in result.kinds if kind in ("stream", "display_data")]
    assert kinds == ["stream", "display_data", "stream"]
    assert "image/png" in result.of_kind("display_data")[0]["data"]


def test_a_background_session_shows_in_the_cell_that_started_it(notebook: Driver, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<b>x</b>")
    request = notebook.start(f"%%session --bg\nsleep 0.3; vibesbox-show {tmp_path}/page.html; echo behind")
    notebook.reply(request)
    notebook.wait_text(request, "behind")
    shown = [one["content"]["data"] for one in notebook.seen(request) if one["msg_type"] == "display_data"]
    assert [data["text/html"] for data in shown] == ["<b>x</b>"]


def test_rewritten_lines_are_one_block_in_a_notebook(notebook: Driver) -> None:
    result = notebook.run(r"""%%session
printf 'a 0\nb 0\n'; for n in 1 2; do sleep 0.05; printf '\033[2A\033[Ka %s\n\033[Kb %s\n' $n $n; done""")
    shown = [*result.of_kind("display_data"), *result.of_kind("update_display_data")]
    assert shown[-1]["data"]["text/plain"] == "a 2\nb 2"


def test_rewritten_lines_are_written_once_where_nothing_can_be_rewritten(shell: Shell) -> None:
    text = shell.ok(
        r"""%%session
printf 'a 0\nb 0\n\033[2A'
for n in 1 2; do sleep 0.3; printf '\033[Ka %s\n\033[Kb %s\n\033[2A' $n $n; done
printf '\n\n'; seq 40 42"""
    )
    assert text.split("\n")[:2] == ["a 2", "b 2"]
    assert text.rstrip().endswith("42")


def test_a_terminal_rewrites_a_block_in_place(capsys, monkeypatch) -> None:
    """ECMA-48: up to the block's first row, and erase what is below."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    screen = TerminalScreen()
    screen.display({"text/plain": "one\ntwo"}, display_id="block")
    screen.display({"text/plain": "ONE\nTWO"}, display_id="block", update=True)
    screen.text("after\n")
    assert capsys.readouterr().out == "one\ntwo\r\x1b[1A\x1b[JONE\nTWO\nafter\n"
