"""No orphan: whoever dies, and however, takes every process of its sessions along (promise 2)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.lifeline import Lifeline
from tests.sessions.program import Program, broker_of, running
from vibesbox_kernel.errors import BrokerError
from vibesbox_kernel.models import EndReason, EventKind, SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

# Each holds the lifeline from a different kind of descendant; {me} says that it is up and sleeps.
TREES = {
    "leader": "exec {me}",
    "plain": "{me} & wait",
    "setsid": "setsid {me} & wait",
    "nohup": "nohup {me} >/dev/null 2>&1 & exit 0",
    "double fork": "( ( setsid {me} & ) & ); sleep 600",
    "environment scrubbed": "( env -i setsid {me} & ) ; exit 0",
    "marker and tag erased": "( env -i setsid bash -c 'ulimit -R 1000000; {me}' & ) ; sleep 600",
    "signals ignored": "trap '' INT TERM HUP; {me} & while :; do sleep 600; done",
}


def _kill_both(program: Program) -> None:
    os.kill(program.broker, signal.SIGKILL)
    program.kill()


DEATHS: dict[str, Callable[[Program], None]] = {
    "program by SIGKILL": lambda program: program.kill(),
    "program by SIGTERM": lambda program: program.kill(signal.SIGTERM),
    "program by SIGINT": lambda program: program.kill(signal.SIGINT),
    "broker by SIGKILL": lambda program: os.kill(program.broker, signal.SIGKILL),
    "broker by SIGTERM": lambda program: os.kill(program.broker, signal.SIGTERM),
    "both by SIGKILL": _kill_both,
}


@pytest.fixture
def trees(new_lifeline: Callable[[], Lifeline], tmp_path: Path) -> tuple[list[Lifeline], list[tuple[str, str]]]:
    """A lifeline for each kind of tree, and the command that builds it."""
    lifelines, commands = [], []
    for number, script in enumerate(TREES.values()):
        lifelines.append(new_lifeline())
        me = tmp_path / f"me{number}"
        me.write_text(f"#!/bin/bash\nexec 9>{lifelines[-1].path}; echo up >&9; exec sleep 600\n")
        me.chmod(0o700)
        commands.append((script.format(me=me), "/bin/bash"))
    return lifelines, commands


@pytest.mark.parametrize("death", DEATHS)
async def test_no_process_outlives_its_owner_or_its_broker(trees, death):
    lifelines, commands = trees
    with running(commands) as program:
        with anyio.fail_after(20):
            for one in lifelines:
                await one.held()
            DEATHS[death](program)
            for one in lifelines:
                await one.released()
            while Path(f"/proc/{program.guardian}").exists() and death.startswith("program"):
                await anyio.sleep(0.01)  # with nothing to own, guardian and broker leave too


async def test_a_forked_child_of_the_program_does_not_keep_its_sessions_alive(lifeline, tmp_path):
    """Ours: multiprocessing forks copies of every descriptor, the lease included."""
    script = tmp_path / "forks.py"
    script.write_text(
        "import os, time\n"
        "from vibesbox_kernel.sessions import BlockingSessionManager\n"
        "manager = BlockingSessionManager()\n"
        f"manager.start_session('exec 9>{lifeline.path}; echo up >&9; sleep 600')\n"
        "child = os.fork()\n"
        "if child:\n"
        "    print(child, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-W", "ignore", str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            with anyio.fail_after(20):
                await lifeline.held()
                process.kill()
                await lifeline.released()
            os.kill(child, 0)  # it lived through all this
        finally:
            process.kill()
            os.kill(child, signal.SIGKILL)


async def test_sessions_are_lost_with_their_broker_and_the_next_one_starts_anew():
    async with SessionManager() as manager:
        pid = await manager.start_session("echo before; sleep 600")
        await manager.read(pid, 0, wait=None)
        broker = broker_of(os.getpid())
        async with manager.events() as stream:
            os.kill(broker, signal.SIGKILL)
            with anyio.fail_after(10):
                async for event in stream:
                    if event.kind is EventKind.LOST:
                        break
        info = manager.info(pid)
        assert (info.status, info.end_reason, info.exit_code) == (SessionStatus.LOST, EndReason.LOST, None)
        assert await manager.read_output(pid) == "before\n"
        with pytest.raises(BrokerError, match="lost"):
            await manager.wait_exited(pid)
        assert await manager.terminate_session(pid) is False
        assert (await manager.run("echo after")).output == "after\n"


async def test_a_program_of_the_same_instance_finds_no_remains(lifeline):
    """Ours: as when a kernel is restarted, its broker is taken over or waited for."""
    command = f"exec 9>{lifeline.path}; echo up >&9; trap '' INT TERM; sleep 600"
    with running([(command, "/bin/sh")], instance="kernel-one") as program:
        with anyio.fail_after(20):
            await lifeline.held()
            program.kill()
            async with SessionManager(instance="kernel-one") as manager:
                assert list(manager.workspace.path.iterdir()) == []
                assert (await manager.run("echo mine")).output == "mine\n"
                await lifeline.released()
                assert [info.command for info in manager.list_sessions()] == ["echo mine"]


async def test_the_next_program_takes_away_the_runtime_directory_of_one_that_was_cut_off(isolation):
    """Ours: it is in memory where there is no XDG_RUNTIME_DIR, and would be there until the next boot."""
    runtime = isolation / "run/vibesbox"
    with running([("sleep 600", "/bin/sh")]) as program:
        (left,) = runtime.iterdir()
        for pid in (program.broker, program.guardian):
            os.kill(pid, signal.SIGSTOP)  # neither cleans up after the other
        for pid in (program.broker, program.guardian):
            os.kill(pid, signal.SIGKILL)
        program.kill()
    async with SessionManager() as manager:
        await manager.run("true")
        with anyio.fail_after(10):
            while left.exists():
                await anyio.sleep(0.01)
        assert list(runtime.iterdir()) == [manager.workspace.path.parent]


async def test_what_a_shell_wrote_for_its_program_goes_with_the_program(isolation, tmp_path):
    """Ours: the state of a shell may hold secrets, and is kept only as long as somebody carries it on."""
    script = tmp_path / "writes.py"
    script.write_text(
        "import time\n"
        "from vibesbox_kernel.sessions import BlockingSessionManager\n"
        "manager = BlockingSessionManager()\n"
        "manager.run('true')\n"
        "print(manager._manager.workspace.write('secret', b'x'), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        secret = Path(process.stdout.readline().strip())
        assert (secret.stat().st_mode & 0o777, secret.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        process.kill()
        with anyio.fail_after(10):
            while secret.parent.exists():
                await anyio.sleep(0.01)
