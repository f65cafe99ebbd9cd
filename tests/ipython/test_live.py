"""``%ps -f`` as a terminal and a notebook show it."""

from __future__ import annotations

import os
import re
from io import StringIO
from pathlib import Path
from unittest.mock import ANY

import pytest

from tests.ipython.terminal import COLUMNS, Terminal
from tests.kernel.driver import Driver
from vibesbox_kernel.frontends.ipython_live import HINT, LiveScreen
from vibesbox_kernel.shell.grid import Grid


def on_screen(written: str) -> str:
    """What a terminal shows that was sent this."""
    grid = Grid()
    grid.feed(written.replace("\r\n", "\n").replace("\n", "\r\n").replace("\x1b[?25l", "").replace("\x1b[?25h", ""))
    return grid.text


@pytest.fixture
def gate(isolation: Path) -> Path:
    """A FIFO that a session waits at."""
    path = isolation / "gate"
    os.mkfifo(path)
    return path


def test_each_text_is_drawn_over_the_one_before(capsys, monkeypatch):
    """Ours: also in a terminal that is too small for it, or has become narrower."""
    size = [20, 5]
    monkeypatch.setattr("shutil.get_terminal_size", lambda: tuple(size))
    screen = LiveScreen()
    screen.draw("one\ntwo\n\x1b[1mthree\x1b[0m\n")
    screen.draw("1\n2\n")
    assert on_screen(capsys.readouterr().out).split() == ["1", "2"]
    screen.draw("a\nb\nc\nd\ne\nf\n")  # one line is the cursor's
    assert on_screen(capsys.readouterr().out).split() == ["a", "b", "c", "d"]
    size[0] = 1
    screen.draw("x\n")
    written = capsys.readouterr().out
    assert written.startswith("\r\x1b[4A")
    screen.close()
    assert capsys.readouterr().out == "\x1b[?25h"


def test_in_a_terminal_it_changes_in_place_until_ctrl_c(terminal: Terminal, gate: Path):
    """Ours: within the terminal's width; the sessions go on."""
    terminal.run(f"%session --bg --name first read line <{gate}; true")
    terminal.run(f"%session --bg --name second {'sleep 600; ' * 20}")
    terminal.child.logfile_read = written = StringIO()
    terminal.child.sendline("%ps -f")
    terminal.child.expect("2 running")
    terminal.child.expect(HINT)
    with gate.open("w"):
        pass
    terminal.child.expect("1 running, 1 ended")
    terminal.child.expect(HINT)
    terminal.child.sendintr()
    assert "%ps was interrupted; the sessions go on" in terminal.result()
    shown = on_screen(written.getvalue())
    assert shown.count(HINT) == 1
    assert re.findall(r"^(?:first|second) .*?(?:running|exited)", shown, re.MULTILINE) == [ANY, ANY]
    assert max(map(len, shown.partition(HINT)[0].splitlines())) <= COLUMNS
    assert "running" in terminal.run("%ps")
    terminal.run("%kill --all -9")


def test_where_it_can_not_be_drawn_over_it_is_shown_once(shell):
    """Ours: in a file or a capture the listing stands as it is now."""
    shell.ok("%session --bg --name job sleep 600")
    assert shell.ok("%ps -f").splitlines()[0] == "1 running"


def test_in_a_notebook_one_display_changes_until_the_interrupt(notebook: Driver, gate: Path):
    """Jupyter: update_display_data; and the next cell runs as ever."""
    notebook.run(f"%session --bg --name waiter read line <{gate}; true")
    request = notebook.start("%ps -f")
    notebook.wait_shown(request, r"waiter +\d+ +running")
    with gate.open("w"):
        pass
    notebook.wait_shown(request, r"waiter +\d+ +exited")
    notebook.manager.interrupt_kernel()
    result = notebook.finish(request)
    assert "the sessions go on" in result.content["evalue"]
    (shown,) = result.of_kind("display_data")
    updates = result.of_kind("update_display_data")
    assert {one["transient"]["display_id"] for one in updates} == {shown["transient"]["display_id"]}
    assert "<table" in updates[-1]["data"]["text/html"]
    assert notebook.run("print('still here')").text == "still here\n"
