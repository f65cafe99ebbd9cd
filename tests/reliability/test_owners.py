"""Tests 3 and 4: whoever of owner, broker and guardian dies, nothing of five hundred trees is left."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from tests.reliability.observer import Deathwatch
from tests.reliability.scale import scaled
from tests.sessions.program import Program, guardian_of, running
from vibesbox_kernel.models import SessionStatus
from vibesbox_kernel.sessions import SessionManager

# Leader, a child in a session of its own, and a daemon that has nothing but its inherited limits.
TREE = "(env -i /usr/bin/setsid /bin/sleep 600 &); setsid sleep 600 & exec sleep 600"
PROCESSES = 3


def _kill_owner(program: Program) -> None:
    program.kill()


def _kill_broker(program: Program) -> None:
    os.kill(program.broker, signal.SIGKILL)


def _kill_both(program: Program) -> None:
    os.kill(program.broker, signal.SIGKILL)
    program.kill()


DEATHS = {"the owner": (3, _kill_owner), "the broker": (4, _kill_broker), "owner and broker": (4, _kill_both)}


@scaled("sessions", short=40, soak=500)
@pytest.mark.parametrize("dies", DEATHS)
def test_nothing_outlives_whoever_dies(sessions, dies, observer, figure):
    """Ours: promise 2, with a daemon that has left its process group, its POSIX session and its environment."""
    number, kill = DEATHS[dies]
    with running([(TREE, "/bin/sh")] * sessions) as program:
        seen = observer.wait_for("sleep", sessions * PROCESSES, timeout=60)
        with Deathwatch(one.pid for one in seen) as deaths:
            kill(program)
            seconds = deaths.wait(timeout=20)
        program.kill()  # where it lives still: it has our mark too
        observer.wait_gone()
    scale = f"{sessions} sessions × {PROCESSES}"
    figure(number, f"all gone after SIGKILL of {dies}", seconds, "s", target="< 1 s idle, < 3 s loaded", scale=scale)


@pytest.mark.anyio
async def test_sessions_go_on_without_their_guardian(observer):
    """Ours: the guardian only watches; its loss makes nobody's work be lost."""
    ticks = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; echo $i; done; exit 7"
    async with SessionManager() as manager:
        await manager.run("true")
        with Deathwatch([guardian := guardian_of(os.getpid())]) as death, anyio.fail_after(20):
            pid = await manager.start_session(ticks)
            os.kill(guardian, signal.SIGKILL)
            death.wait()
            info = await manager.wait(pid)
            assert (info.status, info.exit_code) == (SessionStatus.COMPLETED, 7)
            assert (await manager.read_output(pid)).split() == list(map(str, range(1, 11)))
            assert (await manager.run("echo new")).output == "new\n"
    observer.wait_gone()
