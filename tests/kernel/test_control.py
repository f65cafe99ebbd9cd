"""Acting on cells while they run: from a subshell, over a comm, from other cells."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.driver import Driver, Result, hold
from tests.lifeline import BlockingLifeline


@pytest.fixture
def gate(isolation: Path) -> Path:
    """A FIFO that a cell can read; ``gate.write_text`` lets it go on."""
    os.mkfifo(isolation / "gate")
    return isolation / "gate"


@pytest.fixture(scope="module")
def subshell(kernel: Driver) -> str:
    """A subshell of the module's kernel."""
    return kernel.new_subshell()


def result_of(kernel: Driver, request: str) -> Result:
    """What a request has got on iopub so far."""
    return Result(messages=kernel.seen(request))


def closing_lines(result: Result) -> list[str]:
    return [line for line in result.text.splitlines() if line.startswith("[vibesbox: ") and " after " in line]


def test_a_magic_in_a_subshell_sends_the_running_cell_to_the_background(
    kernel: Driver, subshell: str, gate: Path
) -> None:
    """Ours: as *New Subshell Console for Notebook* does in JupyterLab."""
    request = kernel.start(f"%%session --name moved\nkept=no; echo before; read word <{gate}; echo got $word; exit 3")
    kernel.wait_text(request, "before")
    moved = kernel.finish(kernel.start_in(subshell, "%bg"))
    result = kernel.finish(request)
    pid = result.metadata["pid"]
    assert (moved.status, moved.text) == ("ok", f"moved (pid {pid}) goes on in the background\n")
    assert (result.status, result.metadata["exit_code"]) == ("ok", None)
    assert "goes on in the background" in result.text
    assert "is not kept" in result.text
    other = kernel.run(f"echo ${{kept-unset}}; echo it >{gate}")
    assert other.text == "unset\n"
    kernel.wait_text(request, "exited (exit 3) after")
    lines = result_of(kernel, request).text.splitlines()
    assert lines[-2:] == ["got it", closing_lines(result_of(kernel, request))[0]]
    assert len(closing_lines(result_of(kernel, request))) == 1


def _sessions(kernel: Driver) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(kernel.run("%ps -a --json").text)}


def test_cells_run_in_a_subshell_while_another_runs(
    kernel: Driver, subshell: str, blocking_lifeline: BlockingLifeline
) -> None:
    request = kernel.start(hold(blocking_lifeline))
    blocking_lifeline.held()
    beside = kernel.finish(kernel.start_in(subshell, "echo beside; false"))
    assert (beside.text, beside.content["evalue"]) == ("beside\n", "exit status 1")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request).content["ename"] == "Interrupted"


def test_a_comm_sends_the_running_cell_to_the_background(kernel: Driver, blocking_lifeline: BlockingLifeline) -> None:
    request = kernel.start(f"%%session --name by-comm\n{hold(blocking_lifeline)}")
    blocking_lifeline.held()
    comm = kernel.open_comm("vibesbox.control")
    answer = ask(kernel, comm, {"id": 1, "action": "background", "session_id": "by-comm"})
    assert (answer["ok"], answer["name"]) == (True, "by-comm")
    assert kernel.finish(request).status == "ok"
    assert kernel.run("%kill by-comm").status == "ok"
    kernel.wait_text(request, "killed (SIG")
    refused = ask(kernel, comm, {"id": 2, "action": "background"})
    assert (refused["ok"], refused["error"].split(";")[0]) == (False, "no cell runs in the foreground")


def test_a_comm_interrupts_one_session(kernel: Driver, blocking_lifeline: BlockingLifeline) -> None:
    request = kernel.start(hold(blocking_lifeline))
    blocking_lifeline.held()
    comm = kernel.open_comm("vibesbox.control")
    assert ask(kernel, comm, {"id": 1, "action": "interrupt"})["ok"]
    assert kernel.finish(request).content["ename"] == "Interrupted"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"action": "dance"}, "no action 'dance'; there is: background, interrupt"),
        ({"action": "background", "session_id": "nobody"}, "session nobody not found"),
        ({"action": "interrupt", "session_id": ["a", "list"]}, "no cell runs in the foreground"),
        ("no object", "no action 'None'"),
    ],
)
def test_a_comm_is_told_what_is_wrong(kernel: Driver, message: Any, error: str) -> None:
    comm = kernel.open_comm("vibesbox.control")
    answer = ask(kernel, comm, message)
    assert not answer["ok"]
    assert answer["error"].startswith(error)


def ask(kernel: Driver, comm: str, message: Any) -> dict[str, Any]:
    """Send a message over a comm and wait for its answer."""
    kernel.send("comm_msg", {"comm_id": comm, "data": message})
    before = len(kernel.comm_data(comm))
    kernel.wait_until(lambda: len(kernel.comm_data(comm)) > before)
    answer: dict[str, Any] = kernel.comm_data(comm)[-1]["data"]
    return answer


def test_a_session_is_followed_in_the_foreground(kernel: Driver, gate: Path) -> None:
    kernel.run(f"%%session --bg --name worker\necho working; read word <{gate}; echo got $word; exit 4")
    request = kernel.start("%fg worker")
    kernel.wait_text(request, "working")
    gate.write_text("it\n")
    result = kernel.finish(request)
    assert result.text == "working\ngot it\n"
    assert (result.status, result.content["evalue"]) == ("error", "exit status 4")
    assert result.metadata["exit_code"] == 4


def test_an_interrupt_is_for_what_is_followed(kernel: Driver, blocking_lifeline: BlockingLifeline) -> None:
    kernel.run(f"%%session --bg --name worker\n{hold(blocking_lifeline)}")
    blocking_lifeline.held()
    request = kernel.start("%fg worker")
    kernel.wait_iopub(request, lambda seen: seen[-1]["msg_type"] == "execute_input")
    kernel.manager.interrupt_kernel()
    result = kernel.finish(request)
    assert result.content["ename"] == "Interrupted"
    assert "SIGINT to the shell (pid " in result.text
    blocking_lifeline.released()


def test_a_command_is_run_again(kernel: Driver) -> None:
    kernel.run("%%session --name job --cwd /usr --timeout 1h\npwd; echo $((runs = runs + 1)); exit 2")
    result = kernel.run("%rerun job")
    assert result.text.splitlines()[1:] == ["/usr", "2"]
    assert result.content["evalue"] == "exit status 2"
    assert _sessions(kernel)["job"]["policy"]["timeout"] == 3600
    assert "again" in kernel.run("%rerun job").text


def test_new_magics_say_what_is_wrong(kernel: Driver) -> None:
    for line, name in (
        ("%bg", "NotInForegroundError"),
        ("%bg nobody", "SessionNotFoundError"),
        ("%fg", "MagicError"),
        ("%fg nobody", "SessionNotFoundError"),
        ("%rerun nobody", "SessionNotFoundError"),
    ):
        assert kernel.run(line).content["ename"] == name
        assert "REF" in kernel.run(f"{line.split()[0]}?").text


def test_eight_cells_in_the_background_never_mix_their_output(kernel: Driver) -> None:
    script = "for i in 1 2 3 4 5 6; do echo {0} $i; sleep 0.02; done"
    requests = [kernel.start(f"%%session --bg --name chatty-{number}\n{script.format(number)}") for number in range(8)]
    for number, request in enumerate(requests):
        assert kernel.finish(request).status == "ok"
        kernel.wait_text(request, f"chatty-{number} (pid", timeout=20)
    for number, request in enumerate(requests):
        lines = result_of(kernel, request).text.splitlines()
        assert lines[:-1] == [f"{number} {i}" for i in range(1, 7)]
        assert len(closing_lines(result_of(kernel, request))) == 1


def test_a_cell_that_is_run_again_has_its_own_interpreter_and_variables(kernel: Driver) -> None:
    kernel.run("%%session --name again --shell python3 --env k=v\nimport os; print(os.environ['k'])")
    result = kernel.run("%rerun again")
    assert result.status == "ok"
    assert result.text.endswith("\nv\n")
