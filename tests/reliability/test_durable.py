"""Tests 5, 23, 24: what is durable outlives every death of its owner whole, and what nobody owns any more is found."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from functools import partial

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.reliability.observer import Deathwatch
from tests.reliability.scale import scaled
from tests.reliability.test_owners import PROCESSES, TREE
from tests.reliability.trees import python
from tests.sessions.program import running
from vibesbox_kernel.errors import SessionOwnedError
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

LINES = 60_000
WRITER = """
import os, time
for first in range(0, LINES, 50):
    data = b"".join(b"line %d\\n" % number for number in range(first, first + 50))
    while data: data = data[os.write(1, data):]
    if first % 5000 == 0: time.sleep(PAUSE)
os._exit(37)
"""
WRITTEN = hashlib.sha256(b"".join(b"line %d\n" % number for number in range(LINES))).hexdigest()


async def _digest(manager: SessionManager, ref: str) -> str:
    digest, cursor = hashlib.sha256(), 0
    while not (chunk := await manager.read(ref, cursor, max_bytes=1 << 20, wait=None)).eof:
        assert chunk.dropped == 0
        digest.update(chunk.data)
        cursor = chunk.next_cursor
    return digest.hexdigest()


@pytest.mark.parametrize("io", ["pipe", "pty"])
@scaled("deaths", short=8, soak=100)
async def test_output_and_status_outlive_an_owner_killed_at_any_moment(observer, figure, deaths, io):
    """Ours: promise 3: every byte, and the true status, wherever between the first byte and the last the owner dies."""
    dice, attached = random.Random(23), []
    for number in range(deaths):
        command = [(f"exec {python(WRITER, LINES=LINES, PAUSE=0.01)}", "/bin/sh")]
        with running(command, durable=True, io=io, name=f"writer{number}") as program:
            await anyio.sleep(dice.random() * 0.12)  # the point at which it dies is the experiment
            program.kill()
            async with SessionManager() as manager:
                with anyio.fail_after(30):
                    began = time.monotonic()
                    await manager.adopt_session(f"writer{number}")
                    attached.append(time.monotonic() - began)
                    assert await _digest(manager, f"writer{number}") == WRITTEN
                    assert (await manager.wait(f"writer{number}")).exit_code == 37
    await run_sync(observer.wait_gone)
    figure(23, f"durable output or status lost ({io})", 0, "", target="0", scale=f"{deaths} deaths")
    figure(23, f"slowest to be owned again ({io})", max(attached), "s", scale=f"{deaths} deaths")


async def test_one_that_ends_while_it_is_adopted_is_adopted_all_the_same():
    """Ours: that a session is over is no reason not to have it: its record and its output are on disk."""
    for number in range(25):
        with running([("read x; exit 5", "/bin/sh")], durable=True, name=f"brief{number}", stdin=False) as program:
            program.kill()
            async with SessionManager() as manager:
                with anyio.fail_after(20):
                    await manager.adopt_session(f"brief{number}")
                    assert (await manager.wait(f"brief{number}")).status.value == "completed"


@scaled("rounds", short=3, soak=50)
async def test_of_five_that_adopt_at_once_one_owns_and_all_read(observer, figure, rounds):
    """Ours: exactly one owner, whoever comes first; the others read to the end."""
    for number in range(rounds):
        with running([("echo all; read x; exit 8", "/bin/sh")], durable=True, name=f"one{number}") as program:
            program.kill()
            managers = [SessionManager() for _ in range(5)]
            owners: list[SessionManager] = []

            async def adopt(manager: SessionManager, ref: str = f"one{number}", owners=owners) -> None:
                try:
                    await manager.adopt_session(ref)
                    owners.append(manager)
                except SessionOwnedError:
                    await manager.attach_session(ref)

            try:
                with anyio.fail_after(30):
                    async with anyio.create_task_group() as group:
                        for manager in managers:
                            group.start_soon(adopt, manager)
                    assert len(owners) == 1
                    for manager in managers:
                        assert (await manager.read(f"one{number}", 0, wait=None)).data == b"all\n"
                    await owners[0].send_input(f"one{number}", "\n")
                    for manager in managers:
                        assert (await manager.wait(f"one{number}")).exit_code == 8
            finally:
                for manager in managers:
                    await manager.aclose()
    await run_sync(observer.wait_gone)
    figure(24, "adoptions without exactly one owner", 0, "", target="0", scale=f"{rounds} × 5 managers")


@scaled("sessions", short=30, soak=500)
@pytest.mark.parametrize("durable", [False, True])
async def test_after_the_death_of_all_three_the_next_start_of_any_finds_everything(observer, figure, sessions, durable):
    """Ours: nobody is left to clean up; the next manager of this user is told apart from nothing but the tag."""
    with running([(TREE, "/bin/sh")] * sessions, durable=durable) as program:
        seen = await run_sync(partial(observer.wait_for, "sleep", sessions * PROCESSES, timeout=60))
        with Deathwatch(one.pid for one in seen) as deaths:
            guardian, broker = program.guardian, program.broker
            for pid in (guardian, broker, program.process.pid):
                os.kill(pid, signal.SIGSTOP)  # nobody sees another die
            for pid in (guardian, broker, program.process.pid):
                os.kill(pid, signal.SIGKILL)
            began = time.monotonic()
            async with SessionManager() as manager:
                assert (await manager.run("echo mine")).output == "mine\n"
                await run_sync(deaths.wait)
                seconds = time.monotonic() - began
    await run_sync(observer.wait_gone)
    scale = f"{sessions} sessions × {PROCESSES}"
    kind = "durable sessions" if durable else "sessions"
    figure(5, f"{kind} of three dead gone after the next start", seconds, "s", target="< 3 s", scale=scale)
