"""What Python code gets of a session: handles, lines, and a view that stays up to date."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.ipython.terminal import Terminal
from tests.kernel.driver import Driver, Result
from vibesbox_kernel.frontends.session_handle import Session


@pytest.fixture
def gate(isolation: Path) -> Path:
    """A FIFO that a session waits at."""
    path = isolation / "gate"
    os.mkfifo(path)
    return path


def test_a_session_that_was_shown_is_still_the_value_of_its_cell(shell):
    """IPython: ``_`` and ``Out``."""
    shell.ok("%session --name first echo said")
    assert shell.ok("print(_.name, repr(_.output))") == "first 'said\\n'\n"
    shell.ok("%%session --bg --name second\nsleep 600")
    assert shell.ok("s = _; print(s.name, s.is_running)") == "second True\n"
    count = shell.ip.execution_count
    shell.ok("%session true")
    assert isinstance(shell.ip.user_ns["Out"][count], Session)
    assert shell.ok("s.kill(force=True)") != ""
    shell.ok("%session --name third true")
    assert "third" in shell.ok("_")


def test_the_lines_of_a_session_are_there_as_they_come(shell, gate):
    """Ours: ``for`` waits for the next, and ends with the session."""
    shell.ok(f"s = %session --bg echo one; read line <{gate}; echo two")
    go_on = f"    if line == 'one': open({str(gate)!r}, 'w').close()"
    shell.ok(f"seen = []\nfor line in s.lines():\n    seen.append(line)\n{go_on}")
    assert shell["seen"] == ["one", "two"]
    shell.ok("again = [line async for line in s.lines()]\ninfo = await s")
    assert shell["again"] == ["one", "two"]
    assert shell.ok("print(info.exit_code)") == "0\n"


def test_a_handle_feeds_interrupts_and_ends_its_session(shell):
    """Ours: what the magics do, Python code can do."""
    shell.ok("s = %session --bg --name job read line; echo got $line; exec sleep 600")
    shell.ok("s.send('it\\n')\nfor line in s.lines():\n    if 'got' in line: break")
    assert shell.ok("print(s.tail(1))").strip() == "got it"
    assert shell.ok("print(len(s.usage()) > 0)") == "True\n"
    shell.ok("s.interrupt()\ninfo = s.wait(30)")
    assert shell.ok("print(info.signal, s.kill())") == "2 False\n"
    assert re.fullmatch(r"<Session job \(pid \d+\): signalled \(SIGINT\): .*>", shell.ok("print(s)").strip())


def test_ctrl_c_ends_the_loop_and_not_the_session(terminal: Terminal):
    """Ours: to stop looking is not to stop the session."""
    terminal.run("s = %session --bg --name job echo begun; sleep 600")
    terminal.child.sendline("for line in s.lines(): print('saw', line, flush=True)")
    terminal.child.sendline("")
    terminal.child.expect("saw begun\r\n")
    terminal.child.sendintr()
    assert "KeyboardInterrupt" in terminal.result()
    assert "True" in terminal.run("s.is_running")
    assert "<Session job (pid" in terminal.run("s")
    terminal.run("s.kill(force=True)")


def test_in_a_notebook_a_session_is_shown_live_until_it_has_ended(notebook: Driver, gate: Path):
    """Jupyter: update_display_data, also while another cell runs; HTML that needs no script."""
    notebook.run(f"s = %session --bg --name '<b>' echo '<i>one</i>'; read line <{gate}; echo two; (exit 3)")
    notebook.run("for line in s.lines(): break")
    request = notebook.start("s")
    notebook.finish(request)
    notebook.wait_shown(request, "running.*\n<i>one</i>")
    busy = notebook.start(f"open({str(gate)!r}, 'w').close(); ended = s.wait()")
    notebook.wait_shown(request, r"exited \(exit 3\).*\ntwo")
    assert notebook.finish(busy).status == "ok"
    messages = [one for one in notebook.seen(request) if "data" in one["content"]]
    assert [one["msg_type"] for one in messages[:1]] == ["display_data"]
    assert {one["msg_type"] for one in messages[1:]} == {"update_display_data"}
    assert len({one["content"]["transient"]["display_id"] for one in messages}) == 1
    html = messages[-1]["content"]["data"]["text/html"]
    assert "&lt;b&gt;" in html
    assert "<b>&lt;b&gt;" in html
    assert "<i>" not in html + messages[0]["content"]["data"]["text/html"]


def test_very_many_views_do_not_flood_the_page(notebook: Driver):
    """Ours: only so many stay up to date; each shows at least how things stood."""
    notebook.run("s = %session --bg --name seen sleep 600")
    request = notebook.start("for number in range(30): display(s)")
    result = notebook.finish(request)
    assert len(result.of_kind("display_data")) == 30

    def shown_again() -> set[str]:
        updates = [one for one in notebook.seen(request) if one["msg_type"] == "update_display_data"]
        return {one["content"]["transient"]["display_id"] for one in updates}

    notebook.run("s.kill(force=True)")
    notebook.wait_until(lambda: len(shown_again()) >= 20)
    notebook.run("%session true")
    assert len(shown_again()) == 20


def test_python_code_shows_the_live_table(notebook: Driver):
    """Ours: of the extension where that is loaded, and of any manager."""
    notebook.run("%session --bg --name seen sleep 600")
    shown = notebook.run("import vibesbox\nvibesbox.table()")
    assert _table_has(shown, "seen")
    own = notebook.run(
        "manager = vibesbox.BlockingSessionManager()\n_ = manager.start_session('sleep 600', name='other')\n"
        "vibesbox.table(manager)"
    )
    assert _table_has(own, "other")
    assert not _table_has(own, "seen")
    notebook.run("manager.close()\n%kill --all -9")


def _table_has(result: Result, name: str) -> bool:
    data = {kind: text for one in result.of_kind("display_data") for kind, text in one["data"].items()}
    return "application/vnd.jupyter.widget-view+json" in data and name in data["text/html"]


def test_what_a_script_runs_is_the_extensions_session(shell):
    """Ours: it is listed with the others."""
    shell.ok("import vibesbox\nresult = vibesbox.run('echo listed', name='called')")
    assert "called" in shell.ok("%ps")
