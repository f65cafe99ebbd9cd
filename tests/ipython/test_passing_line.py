"""How long a quiet session runs already, in a terminal and in a Python notebook."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tests.gate import Gate
from tests.ipython.terminal import Terminal
from tests.kernel.driver import Driver
from vibesbox_kernel.frontends import terminal_screen
from vibesbox_kernel.frontends.terminal_screen import TerminalScreen

SECONDS = 30.0


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Tty:
    one = Tty()
    monkeypatch.setattr(terminal_screen, "sys", SimpleNamespace(stdout=one, stderr=one))
    monkeypatch.setenv("COLUMNS", "40")
    return one


def test_it_is_erased_where_it_stood_before_anything_else_is_written(tty: Tty) -> None:
    screen = TerminalScreen()
    screen.text("one\n")
    screen.passing("[quiet 10 s]")
    screen.passing("[quiet 15 s]")
    screen.text("two\n")
    assert tty.getvalue() == "one\n[quiet 10 s]\r\x1b[K[quiet 15 s]\r\x1b[Ktwo\n"


def test_a_line_that_is_not_ended_goes_on_where_it_was(tty: Tty) -> None:
    """xterm: cursor up, then to a column, which counts from 1."""
    screen = TerminalScreen()
    screen.text("one\n\x1b[31mtw")
    screen.text("o日")
    screen.passing("[quiet]")
    screen.passing("")
    screen.text("!\n")
    assert tty.getvalue() == "one\n\x1b[31mtwo日\n[quiet]\r\x1b[K\x1b[A\x1b[6G!\n"


def test_it_never_wraps_and_none_is_shown_below_a_line_that_does(tty: Tty) -> None:
    screen = TerminalScreen()
    screen.passing("x" * 100)
    screen.text("y" * 41)
    screen.passing("x" * 100)
    assert tty.getvalue() == "x" * 39 + "\r\x1b[K" + "y" * 41


def test_what_is_no_terminal_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(terminal_screen, "sys", SimpleNamespace(stdout=out, stderr=out))
    TerminalScreen().passing("[quiet]")
    assert out.getvalue() == ""


def test_in_a_terminal_a_session_and_a_wait_say_it(terminal: Terminal, gate: Gate) -> None:
    terminal.run("%vibesbox config quiet_after=0.3")
    terminal.child.sendline(f"%session echo early; read line <{gate}; echo done")
    terminal.child.expect(r"\[vibesbox: running for [^\]]*\]", timeout=SECONDS)
    gate.open()
    assert terminal.result().strip().endswith("done")
    terminal.run(f"%session --bg --name job read line <{gate}")
    terminal.child.sendline("%wait job")
    terminal.child.expect(r"\[vibesbox: waiting for job \(pid \d+\): running for [^\]]*\]", timeout=SECONDS)
    gate.open()
    assert "exited (exit 0)" in terminal.result()


def test_in_a_python_notebook_it_is_shown_in_a_display_that_is_emptied(
    new_notebook: Callable[[], Driver], gate: Gate
) -> None:
    kernel = new_notebook()
    kernel.run("%load_ext vibesbox", timeout=SECONDS)
    kernel.run("%vibesbox config quiet_after=0.3", timeout=SECONDS)
    request = kernel.start(f"%%session\necho early; read go <{gate}; echo late", allow_stdin=True)

    def displays() -> list[object]:
        return [one["content"]["data"] for one in kernel.seen(request) if "display_data" in one["msg_type"]]

    kernel.wait_until(lambda: "[vibesbox: running for " in str(displays()), timeout=SECONDS)
    gate.open()
    assert kernel.finish(request, timeout=SECONDS).text == "early\nlate\n"
    assert displays()[-1] == {}
    blind = kernel.run("%%session\nsleep 2; echo over", timeout=SECONDS, allow_stdin=False)
    assert "display_data" not in blind.kinds
