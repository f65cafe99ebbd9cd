"""No zombie, no descriptor and no thread is left, also while the program's main thread is blocked."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path

import anyio
import pytest

from tests.sessions.program import broker_of, running
from vibesbox_kernel.errors import BrokerError
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.engine import Engine

pytestmark = pytest.mark.anyio


def zombies_below(pid: int) -> list[int]:
    """Zombies among the descendants of a process."""
    found, stack = [], [pid]
    while stack:
        one = stack.pop()
        try:
            state = Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2][0]
            threads = os.listdir(f"/proc/{one}/task")
            stack += [
                int(child) for t in threads for child in Path(f"/proc/{one}/task/{t}/children").read_text().split()
            ]
        except OSError:
            continue
        if state == "Z":
            found.append(one)
    return found


async def test_nothing_is_a_zombie_for_long_while_the_main_thread_is_blocked():
    commands = [("exit 0", "/bin/sh"), ("(setsid sleep 0.2 &) ; exit 0", "/bin/sh")] * 10
    with running(commands, block=True) as program:
        with anyio.fail_after(10):
            while any(Path(f"/proc/{pid}").exists() for pid in program.pids):
                await anyio.sleep(0.02)
            while zombies_below(program.process.pid):
                await anyio.sleep(0.02)


@pytest.mark.parametrize("count", [50, 1000])
async def test_many_short_sessions_leave_nothing(manager, count):
    await manager.run("true")
    broker = broker_of(os.getpid())

    def open_descriptors() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{broker}/fd"))

    before = open_descriptors()
    codes: list[tuple[int, int | None]] = []
    limiter = anyio.CapacityLimiter(32)

    async def one(number: int) -> None:
        async with limiter:
            result = await manager.run(f"exit {number % 256}")
            codes.append((number, result.exit_code))

    with anyio.fail_after(100):
        async with anyio.create_task_group() as group:
            for number in range(count):
                group.start_soon(one, number)
    assert sorted(codes) == [(number, number % 256) for number in range(count)]
    assert zombies_below(os.getpid()) == []
    assert Path(f"/proc/{broker}/task/{broker}/children").read_text() == ""
    assert open_descriptors() == before
    assert len(manager.completed) == min(count + 1, 100)


async def test_no_link_is_opened_while_the_engine_closes():
    """asyncio: a connection that nobody closes is a ResourceWarning, which fails this test."""
    engine = Engine()
    manager = SessionManager(engine=engine)
    await manager.run("true")
    refused: list[BrokerError] = []

    async def start_late() -> None:
        await asyncio.sleep(0)  # by now the lease has ended
        try:
            await manager.start_session("sleep 600")
        except BrokerError as error:
            refused.append(error)

    engine.before_close(start_late)
    await anyio.to_thread.run_sync(engine.close)
    gc.collect()
    assert len(refused) == 1
