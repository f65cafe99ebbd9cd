"""The extension in a Python notebook's kernel, as a front-end sees it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.driver import SECONDS, START_SECONDS, Driver, Message, is_alive, wait_gone
from tests.lifeline import BlockingLifeline
from tests.widgets.replay import replay_comm

Kernels = Callable[[], Driver]


def _printed_pid(notebook: Driver, code: str) -> int:
    """The one number that a cell prints; a session may write beside it."""
    (pid,) = re.findall(r"^\d+$", notebook.run(code).text, re.MULTILINE)
    return int(pid)


class Gate:
    """A FIFO that a session or a cell waits at, until the test opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    def open(self) -> None:
        """Let who waits here go on; waits until somebody does."""
        with self.path.open("w"):
            self.path.unlink()


@pytest.fixture
def gate(isolation: Path) -> Gate:
    """Holds a cell."""
    return Gate(isolation / "gate")


@pytest.fixture
def hold(isolation: Path) -> Gate:
    """Holds a session."""
    return Gate(isolation / "hold")


def _blocked(notebook: Driver, gate: Gate, busy: str) -> str:
    """Run a cell that keeps the main thread until ``_release``; returns its request when it has begun."""
    path = str(gate.path)
    ways = {
        "in a system call": f"print('begun', flush=True)\n_ = open({path!r}).read()",
        "in a busy loop": f"import os\nprint('begun', flush=True)\nwhile os.path.exists({path!r}):\n    pass",
    }
    request = notebook.start(ways[busy])
    notebook.wait_text(request, "begun")
    return request


def _release(gate: Gate, busy: str = "in a system call") -> None:
    if busy == "in a system call":
        gate.open()
    else:
        gate.path.unlink()


def _is_over(notebook: Driver, request: str) -> bool:
    return any(one["content"].get("execution_state") == "idle" for one in notebook.seen(request))


def _wait_reaped(pid: int) -> None:
    """Wait until a process is not even a zombie any more."""
    wait_gone(pid)
    deadline = time.monotonic() + SECONDS
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} is a zombie"
        os.sched_yield()


@pytest.mark.parametrize("busy", ["in a system call", "in a busy loop"])
def test_a_session_ends_and_is_reaped_while_python_blocks_the_main_thread(notebook, gate, hold, busy):
    """Ours: no zombie, whatever the main thread does."""
    pid = _printed_pid(notebook, f"b = %session --bg read line <{hold.path}; (exit 5)\nprint(b.pid)")
    request = _blocked(notebook, gate, busy)
    hold.open()
    _wait_reaped(pid)
    assert not _is_over(notebook, request)
    _release(gate, busy)
    assert notebook.finish(request).status == "ok"
    assert notebook.run("print(b.wait().status, b.exit_status)").text == "completed exit 5\n"


def _row(notebook: Driver, comm_id: str, name: str) -> dict[str, Any]:
    """A session's row as a page has it now; empty when there is none."""
    return next((row for row in replay_comm(notebook.comm_data(comm_id)) if row["name"] == name), {})


def _word(notebook: Driver, comm_id: str, name: str) -> str | None:
    """How a session stands by the table."""
    return _row(notebook, comm_id, name).get("word")


def _show_table(notebook: Driver) -> str:
    shown = notebook.run("%ps -w").of_kind("display_data")
    (comm_id,) = [
        one["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
        for one in shown
        if "application/vnd.jupyter.widget-view+json" in one["data"]
    ]
    return str(comm_id)


@pytest.mark.parametrize("busy", ["in a system call", "in a busy loop"])
def test_the_table_changes_by_itself_while_python_blocks_the_main_thread(notebook, gate, hold, busy):
    """Ours: rows appear and end in the output of the cell that showed the table."""
    name = f"job-{busy.replace(' ', '-')}"
    comm_id = _show_table(notebook)
    notebook.run(f"%session --bg --name {name} read line <{hold.path}")
    notebook.wait_until(lambda: _word(notebook, comm_id, name) == "running")
    request = _blocked(notebook, gate, busy)
    hold.open()
    notebook.wait_until(lambda: _word(notebook, comm_id, name) == "exited")
    assert not _is_over(notebook, request)
    assert not [one for one in notebook.seen(request) if one["msg_type"] == "comm_msg"]
    _release(gate, busy)
    notebook.finish(request)


def _new_subshell(notebook: Driver) -> str:
    message = notebook.client.session.msg("create_subshell_request", {})
    notebook.client.control_channel.send(message)
    while True:
        reply: Message = notebook.client.get_control_msg(timeout=5)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            return str(reply["content"]["subshell_id"])


def test_the_kill_button_works_while_python_blocks_the_main_thread(notebook, gate):
    """Ours: JupyterLab sends clicks to a subshell; they must not be moved behind the cell that runs."""
    comm_id = _show_table(notebook)
    pid = _printed_pid(notebook, "b = %session --bg --name victim sleep 600\nprint(b.pid)")
    notebook.wait_until(lambda: _word(notebook, comm_id, "victim") == "running")
    session_id = _row(notebook, comm_id, "victim")["id"]
    subshell = _new_subshell(notebook)
    request = _blocked(notebook, gate, "in a system call")
    do = {"op": "do", "call": "1", "action": "terminate", "id": session_id}
    click = {"comm_id": comm_id, "data": {"method": "custom", "content": do}}
    message = notebook.client.session.msg("comm_msg", click)
    message["header"]["subshell_id"] = subshell
    notebook.client.shell_channel.send(message)
    wait_gone(pid)
    notebook.wait_until(lambda: _word(notebook, comm_id, "victim") == "killed")
    assert not _is_over(notebook, request)
    _release(gate)
    notebook.finish(request)


def test_the_table_has_a_static_twin_for_front_ends_without_widgets(notebook):
    """Ours: nbconvert and GitHub show the picture."""
    notebook.run("%session --name pictured true")
    twin = notebook.run("%ps -w").of_kind("display_data")[-1]["data"]
    assert "pictured" in twin["text/html"]
    assert "pictured" in twin["text/plain"]


def test_a_log_has_the_last_lines_for_front_ends_without_widgets(notebook):
    """Ours: nbconvert and GitHub show the picture."""
    notebook.run("%session --name counted seq 30")
    live, twin = (one["data"] for one in notebook.run("%tail -w -n 2 counted").of_kind("display_data"))
    assert "application/vnd.jupyter.widget-view+json" in live
    assert "<pre>29\n30</pre>" in twin["text/html"]
    assert twin["text/plain"].endswith("\n29\n30\n")


def test_output_of_a_background_session_comes_to_its_own_cell(notebook, blocking_lifeline):
    """Ours: whatever runs now."""
    request = notebook.start("%%session --bg --name late\nread line; echo late output")
    notebook.finish(request)
    other = notebook.run("%send late go\n%wait late")
    notebook.wait_text(request, "late output")
    assert "late output" not in other.text


def test_output_is_live_in_the_cell_that_runs(notebook, gate):
    """Ours: a line is seen when it is written, not when the session ends."""
    request = notebook.start(f"%session echo early; read line <{gate.path}; echo done")
    notebook.wait_text(request, "early")
    assert not _is_over(notebook, request)
    _release(gate)
    assert notebook.finish(request).text == "early\ndone\n"


def test_the_process_list_is_html_and_text(notebook):
    """Jupyter: a MIME bundle, for every kind of front-end."""
    notebook.run("%session --name listed true")
    (shown,) = notebook.run("%ps").of_kind("display_data")
    assert "<table" in shown["data"]["text/html"]
    assert "listed" in shown["data"]["text/plain"]


def test_a_failed_session_is_an_error_reply_in_one_line_and_stops_what_is_queued(notebook):
    """Jupyter: an error reply aborts the requests behind it; so Run all stops."""
    first = notebook.start("%%session --name tests\necho testing\nexit 2")
    second = notebook.start("print('never')")
    failed = notebook.finish(first)
    assert failed.content["ename"] == "SessionFailedError"
    (error,) = failed.of_kind("error")
    (line,) = error["traceback"]
    assert "tests (pid " in line
    assert "exit status 2" in line
    assert notebook.reply(second)["content"]["status"] == "aborted"


def test_a_users_mistake_is_an_error_reply_too(notebook):
    """Jupyter: so Run all stops there."""
    failed = notebook.run("%kill nobody-of-this-name")
    assert failed.content["ename"] == "UsageError"
    assert "not found" in failed.text
    assert failed.of_kind("error") == []


def test_the_interrupt_button_ends_the_session_and_keeps_the_state(notebook):
    """Ours: Interrupt is the session's Ctrl-C."""
    # The program itself says that it runs: a signal between two commands of bash is lost on the second.
    request = notebook.start("%%session\nkept=here\nsh -c 'echo begun; exec sleep 600'")
    notebook.wait_text(request, "begun")
    notebook.manager.interrupt_kernel()
    ended = notebook.finish(request)
    assert ended.content["ename"] == "KeyboardInterrupt"
    assert "interrupted" in ended.content["evalue"]
    assert notebook.run("%session echo $kept").text == "here\n"


def test_interrupting_a_follower_leaves_the_session_alone(notebook):
    """Ours: to stop looking is not to stop the session."""
    pid = _printed_pid(notebook, "b = %session --bg --name followed echo first; sleep 600\nprint(b.pid)")
    request = notebook.start("%tail -f followed")
    notebook.wait_text(request, "first")
    notebook.manager.interrupt_kernel()
    assert "the session goes on" in notebook.finish(request).content["evalue"]
    assert is_alive(pid)
    assert notebook.run("%kill -9 followed").status == "ok"


def test_a_flood_is_bounded_messages(notebook):
    """Ours: what a front-end can bear; the rest is one %tail away."""
    result = notebook.run("%session --name flood seq 1 300000", timeout=30)
    assert result.text.startswith("1\n2\n3\n")
    assert len(result.messages) < 30
    shown = "".join(one["data"]["text/plain"] for one in result.of_kind("display_data"))
    assert "are left out here" in shown or "only its last lines are shown" in shown
    last = [*result.of_kind("display_data"), *result.of_kind("update_display_data")]
    assert any(one["data"]["text/plain"].endswith("300000\n") for one in last)


def test_the_broker_is_the_kernels_own(notebook):
    """Ours: found again by the connection file's stem."""
    stem = Path(notebook.manager.connection_file).stem
    known = notebook.run(
        "from vibesbox_kernel.frontends import ipython\n"
        "print([one.manager.hub.instance for one in ipython._extensions.values()])"
    )
    assert known.text == f"['{stem}']\n"


def test_unloading_ends_the_sessions_and_loading_again_works(new_notebook):
    """IPython: clean either way; the table that was shown goes with its sessions."""
    notebook = new_notebook()
    comm_id = _show_table(notebook)
    pid = _printed_pid(notebook, "b = %session --bg sleep 600\nprint(b.pid)")
    notebook.wait_until(lambda: bool(replay_comm(notebook.comm_data(comm_id))))
    assert notebook.run("%unload_ext vibesbox").status == "ok"
    assert not is_alive(pid)
    assert notebook.run("%ps").status == "error"
    assert notebook.run("%load_ext vibesbox", timeout=START_SECONDS).status == "ok"
    assert notebook.run("%session echo again").text == "again\n"


def _leaves_behind(notebook: Driver, lifeline: BlockingLifeline) -> None:
    """Start what outlives a careless kernel."""
    notebook.run(f"%session --bg setsid sh -c 'trap \"\" HUP TERM INT; exec 9>{lifeline.path}; echo x >&9; sleep 600'")
    lifeline.held()


@pytest.mark.parametrize("way", ["shutdown", "restart", "SIGTERM", "SIGKILL"])
def test_no_session_outlives_the_kernel(new_notebook, blocking_lifeline, way):
    """Ours: no orphan."""
    notebook = new_notebook()
    _leaves_behind(notebook, blocking_lifeline)
    if way == "shutdown":
        notebook.manager.shutdown_kernel()
    elif way == "restart":
        notebook.restart()
    else:
        os.kill(notebook.pid, signal.Signals[way])
    blocking_lifeline.released()


def test_a_durable_session_is_found_again_by_the_restarted_kernel(
    new_notebook: Kernels, blocking_lifeline: BlockingLifeline
) -> None:
    """Ours: restarted by force, with its whole output and its exit status."""
    notebook = new_notebook()
    script = f"exec 9>{blocking_lifeline.path}; echo begun; echo up >&9; read line; exit $line"
    notebook.run(f"%session --bg --durable --name job {script}", timeout=START_SECONDS)
    blocking_lifeline.held()
    notebook.manager.restart_kernel(now=True)
    notebook.client.wait_for_ready(timeout=START_SECONDS)
    notebook.run("%load_ext vibesbox", timeout=START_SECONDS)
    (shown,) = notebook.run("%ps", timeout=START_SECONDS).of_kind("display_data")
    assert re.search("(running|waits for input), durable", shown["data"]["text/plain"])
    assert notebook.run("%tail job").text == "begun\n"
    notebook.run("%send job 7")
    assert "exited (exit 7)" in notebook.run("%wait job", timeout=START_SECONDS).text
    blocking_lifeline.released()
