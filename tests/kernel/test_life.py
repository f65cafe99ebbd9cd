"""The end of a kernel: however it ends, no process of its sessions is left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.kernel.driver import SECONDS, Driver, is_alive, wait_gone
from tests.lifeline import BlockingLifeline

NewKernel: TypeAlias = Callable[[], Driver]

# Each holds the lifeline by a process that a plain kill of the cell's process group does not reach.
ESCAPES = {
    "plain": "sleep 600 & echo $!; wait",
    "setsid": "setsid sh -c 'echo $$; exec sleep 600'",
    "nohup": "nohup sh -c 'echo $$; trap \"\" HUP INT TERM; sleep 600; :'",
    "double-fork": "(setsid sh -c 'echo $$; exec sleep 600' &) ; sleep 600",
    "scrubbed": "env -i setsid sh -c 'echo $$; exec sleep 600'",
}


def _start(kernel: Driver, lifeline: BlockingLifeline) -> None:
    """One background session for each way to escape, all holding the lifeline; and a cell that runs."""
    for name, command in ESCAPES.items():
        result = kernel.run(f"%%session --bg --name {name}\nexec 9>{lifeline.path}; {{ {command}; }} >&9 2>/dev/null")
        assert result.status == "ok", result.content
    lifeline.lines(len(ESCAPES))
    kernel.start("sleep 600")


def _shut_down(kernel: Driver) -> None:
    kernel.manager.shutdown_kernel()


def _terminate(kernel: Driver) -> None:
    os.kill(kernel.pid, signal.SIGTERM)


def _kill(kernel: Driver) -> None:
    os.kill(kernel.pid, signal.SIGKILL)


@pytest.mark.parametrize("end", [_shut_down, _terminate, _kill, Driver.restart])
def test_however_a_kernel_ends_nothing_of_its_sessions_is_left(
    new_kernel: NewKernel, blocking_lifeline: BlockingLifeline, end: Callable[[Driver], None]
) -> None:
    kernel = new_kernel()
    pid = kernel.pid
    _start(kernel, blocking_lifeline)
    end(kernel)
    blocking_lifeline.released()
    wait_gone(pid)


@pytest.mark.parametrize("end", [_shut_down, _terminate, _kill])
@pytest.mark.parametrize("sessions", ["idle", "deaf"])
def test_however_a_kernel_ends_its_runtime_directory_goes(
    new_kernel: NewKernel,
    blocking_lifeline: BlockingLifeline,
    isolation: Path,
    sessions: str,
    end: Callable[[Driver], None],
) -> None:
    """Ours: the state of a shell, which may hold secrets, is in there; a deaf session outlives the shutdown's reply."""
    kernel = new_kernel()
    pid = kernel.pid
    kernel.run("x=5")
    if sessions == "deaf":
        kernel.run(f"%%session --bg\ntrap '' INT; exec 9>{blocking_lifeline.path}; echo on >&9; sleep 600; :")
        blocking_lifeline.held()
    (directory,) = (isolation / "run/vibesbox").iterdir()
    end(kernel)
    wait_gone(pid)
    deadline = time.monotonic() + SECONDS
    while directory.exists():
        assert time.monotonic() < deadline, f"{directory} is left with {list(directory.iterdir())}"
        time.sleep(0.01)


def test_a_restarted_kernel_starts_afresh(new_kernel: NewKernel) -> None:
    kernel = new_kernel()
    kernel.run("x=5; cd /usr")
    before = kernel.pid
    kernel.restart()
    assert not is_alive(before)
    result = kernel.run("echo [$x]")
    assert result.status == "ok", result.content
    assert (result.text, result.content["execution_count"]) == ("[]\n", 1)


def test_shutdown_is_answered_at_once_though_sessions_resist(
    new_kernel: NewKernel, blocking_lifeline: BlockingLifeline
) -> None:
    kernel = new_kernel()
    kernel.run(
        f"%%session --bg\nexec 9>{blocking_lifeline.path}; trap '' INT TERM HUP; echo on >&9; while :; do sleep 1; done"
    )
    blocking_lifeline.held()
    message = kernel.client.session.msg("shutdown_request", {"restart": False})
    kernel.client.control_channel.send(message)
    before = time.monotonic()
    reply = kernel.client.get_control_msg(timeout=SECONDS)
    assert (reply["msg_type"], reply["content"]["status"]) == ("shutdown_reply", "ok")
    assert time.monotonic() - before < 2.5, "jupyter_client would have ended the kernel by force"
    blocking_lifeline.released()


def test_a_cell_may_run_as_soon_as_the_kernel_is_asked(new_kernel: NewKernel) -> None:
    assert new_kernel().run("echo $0 ${#BASH_VERSION}", timeout=20).status == "ok"


@pytest.mark.parametrize("end", [_shut_down, _kill])
def test_however_a_kernel_ends_nobody_is_left_who_answers_its_questions(
    new_kernel: NewKernel, blocking_lifeline: BlockingLifeline, end: Callable[[Driver], None]
) -> None:
    kernel = new_kernel()
    # The completion function opens the lifeline in the bash that answers, and leaves it open there.
    kernel.run(f"load() {{ exec 9>{blocking_lifeline.path}; echo on >&9; return 124; }}; complete -D -F load")
    question = kernel.client.complete("anything ")
    blocking_lifeline.held()
    kernel.ask(question)
    end(kernel)
    blocking_lifeline.released()
