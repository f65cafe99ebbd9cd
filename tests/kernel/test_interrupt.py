"""Interrupts, as front-ends send them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.kernel.driver import SECONDS, Driver, hold, is_alive
from tests.lifeline import BlockingLifeline


def test_an_interrupt_request_ends_the_cell_and_keeps_the_state(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    request = kernel.start(f"before=kept; cd /usr; {hold(blocking_lifeline)}; echo never")
    blocking_lifeline.held()
    kernel.manager.interrupt_kernel()
    result = kernel.finish(request)
    assert (result.status, result.content["ename"]) == ("error", "Interrupted")
    assert "never" not in result.text
    assert kernel.run("echo $before $PWD").text == "kept /usr\n"


def test_sigint_is_an_interrupt_for_clients_that_know_no_message(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    request = kernel.start(hold(blocking_lifeline))
    blocking_lifeline.held()
    os.kill(kernel.pid, signal.SIGINT)
    assert kernel.finish(request).content["ename"] == "Interrupted"
    assert kernel.run("echo alive").text == "alive\n"


def test_an_interrupt_when_nothing_runs_does_no_harm(kernel: Driver) -> None:
    kernel.client.control_channel.send(kernel.client.session.msg("interrupt_request", {}))
    assert kernel.client.get_control_msg(timeout=SECONDS)["content"]["status"] == "ok"
    os.kill(kernel.pid, signal.SIGINT)
    kernel.ask(kernel.client.kernel_info())  # the loop that answers has taken the signal before
    assert kernel.run("echo alive").text == "alive\n"


def test_interrupted_cells_stop_the_queue(kernel: Driver, blocking_lifeline: BlockingLifeline) -> None:
    first = kernel.start(hold(blocking_lifeline))
    second = kernel.start("echo never")
    blocking_lifeline.held()
    kernel.manager.interrupt_kernel()
    assert kernel.finish(first).status == "error"
    assert kernel.ask(second)["status"] == "aborted"


def test_a_wait_can_be_interrupted(kernel: Driver) -> None:
    kernel.run("%%session --bg --name awaited\nsleep 600")
    request = kernel.start("%wait awaited")
    kernel.wait_iopub(request, lambda seen: seen[-1]["msg_type"] == "execute_input")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request).content["ename"] == "Interrupted"
    assert kernel.run("%kill awaited").status == "ok"


UP = "sh -c 'echo up >{fifo}; exec sleep 100'"
"""A program that says that it runs, and then runs for long."""

WILLING = {
    "a program": UP,
    "a pipeline": f"{UP} | cat | cat",
    "a subshell": f"( {UP}; : )",
    "a nested shell": f'bash -c "{UP}; :"',
    "a program that has another input": f"{UP} </dev/null",
    "a program in a session of its own": f"setsid -w {UP}",
    "a loop": f"while :; do {UP}; done",
    "a command substitution": f"x=$({UP})",
    "a wait for a job": f"{UP} & sleep 0.2; wait",
    "python": 'python3 -c \'import os, time; os.write(os.open("{fifo}", 1), b"up"); time.sleep(100)\'',
    "python that runs a program": (
        'python3 -c \'import subprocess; subprocess.run(["sh", "-c", "echo up >{fifo}; exec sleep 100"])\''
    ),
    "a trap that ends the cell": f"trap 'exit 7' INT; {UP}",
    "nothing but the shell itself": "echo up >{fifo}; while :; do :; done",
    "a stopped program": "bash -c 'echo up >{fifo}; kill -STOP $$; sleep 100'",
}


def by_message(kernel: Driver) -> None:
    """As JupyterLab does: interrupt_request on the control channel."""
    kernel.client.control_channel.send(kernel.client.session.msg("interrupt_request", {}))


def by_signal(kernel: Driver) -> None:
    """As clients do that know no message, and Ctrl-C in the terminal of a kernel."""
    os.kill(kernel.pid, signal.SIGINT)


@pytest.mark.parametrize("interrupt", [by_message, by_signal])
@pytest.mark.parametrize("kind", WILLING)
def test_a_willing_cell_ends_with_an_error_that_aborts_what_comes_after_it_and_keeps_its_state(
    kernel: Driver, blocking_lifeline: BlockingLifeline, kind: str, interrupt: Callable[[Driver], None]
) -> None:
    """Jupyter: *Run all* stops at an error reply."""
    script = WILLING[kind].format(fifo=blocking_lifeline.path)
    job = "sleep 1000 & until [[ $(</proc/$!/comm) == sleep ]]; do :; done"
    request = kernel.start(f"kept='{kind}'; cd /usr; {job}\n{script}; echo never")
    queued = kernel.start("echo never")
    blocking_lifeline.held(timeout=20)  # Python may be long in starting
    interrupt(kernel)
    result = kernel.finish(request)
    assert (result.status, result.content["ename"]) == ("error", "Interrupted")
    assert "never" not in result.text
    assert "[vibesbox: interrupted: SIGINT to the shell (pid " in result.text
    assert "left running in the background: sleep 1000 (pid " in result.text
    assert kernel.ask(queued)["status"] == "aborted"
    after = kernel.run("trap - INT; echo $kept $PWD")  # traps are carried on as well
    assert after.text == f"{kind} /usr\n"
    pid = result.metadata["pid"]
    assert kernel.run(f"%kill -9 {pid}").status == "ok"  # the job was left alone, and is all that runs


UNWILLING = {
    "a program that ignores it": "trap '' INT; {up}",
    "a program that ignores SIGTERM too": "trap '' INT TERM; {up}",
    "one in a session of its own": "trap '' INT TERM; setsid -w {up}",
    "python that catches it": (
        'python3 -c \'import os, signal, time; signal.signal(2, lambda *_: None); os.write(os.open("{fifo}", 1), b"up")'
        "\nwhile True: time.sleep(1)'"
    ),
    "a handler that goes on": "trap : INT; echo up >{fifo}; while :; do sleep 0.05; done",
}


@pytest.mark.parametrize("kind", UNWILLING)
def test_an_unwilling_cell_is_ended_by_the_second_interrupt_which_names_what_it_ends(
    kernel: Driver, blocking_lifeline: BlockingLifeline, kind: str
) -> None:
    """Ours: SIGTERM, and a second later SIGKILL, to all that the cell has started."""
    kernel.run("kept=before")
    script = UNWILLING[kind].format(up=UP.format(fifo=blocking_lifeline.path), fifo=blocking_lifeline.path)
    request = kernel.start(f"sleep 1000 & echo $!\n{script}")
    blocking_lifeline.held()
    by_message(kernel)
    kernel.wait_text(request, "interrupted: SIGINT to")
    by_message(kernel)
    result = kernel.finish(request)
    assert (result.status, result.content["ename"]) == ("error", "Interrupted")
    assert "interrupted again: SIGTERM to the shell (pid " in result.text
    job = int(next(line for line in result.text.splitlines() if line.isdigit()))
    assert f"sleep 1000 (pid {job})" in result.text.partition("SIGTERM")[2]
    assert not is_alive(job)
    blocking_lifeline.released()
    assert kernel.run("trap - INT TERM; echo $kept").text == "before\n"


def test_what_does_not_heed_an_interrupt_in_time_is_ended_without_a_second(
    new_kernel: Callable[..., Driver], blocking_lifeline: BlockingLifeline
) -> None:
    kernel = new_kernel(extra_arguments=["--VibesboxKernel.interrupt_grace=0.3"])
    request = kernel.start(f"trap '' INT; {UP.format(fifo=blocking_lifeline.path)}")
    blocking_lifeline.held()
    by_message(kernel)
    result = kernel.finish(request)
    assert "still running 0.3 s after the interrupt: SIGTERM to" in result.text
    assert result.content["ename"] == "Interrupted"


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08])
def test_an_interrupt_at_any_moment_after_the_request_ends_the_cell(kernel: Driver, delay: float) -> None:
    """Ours: before it has begun, between a fork and its exec, while it begins to wait."""
    for _ in range(3):
        request = kernel.start("for i in 1 2 3 4 5 6 7 8 9; do sleep 5; done")
        kernel.wait_iopub(request, lambda seen: seen[-1]["content"].get("execution_state") == "busy")
        time.sleep(delay)  # nothing tells the moments that are meant: they lie between two events
        by_message(kernel)
        assert kernel.finish(request).content["ename"] == "Interrupted"
        kernel.ask(kernel.client.kernel_info())  # by then nothing more is aborted
    assert kernel.run("echo alive").text == "alive\n"
