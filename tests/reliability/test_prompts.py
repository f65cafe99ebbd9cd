"""31. Programs that wait for input are found, those that do not are left alone, and it is seen at once.

Each program runs on a terminal of its own. What is not installed is skipped by its name.
"""

from __future__ import annotations

import os
import statistics
import sys
from contextlib import suppress
from datetime import datetime

import anyio
import pytest

from tests.reliability.prompting import NOT_WAITING, WAITING, Program
from vibesbox_kernel.errors import SessionEndedError
from vibesbox_kernel.models import EventKind, InputKind
from vibesbox_kernel.sessions import SessionManager

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process is blocked in"),
]

SECONDS = 10
"""Some take seconds to get to their question."""
QUIET_SECONDS = 1.5
AT_A_TIME = 6


def _try_here(program: Program) -> bool:
    return not program.missing() and (not program.root or os.getuid() == 0)


class Bench:
    """Runs programs, some at a time, and notes what is said of them."""

    def __init__(self, manager: SessionManager, directory) -> None:
        self._manager = manager
        self._directory = directory
        self._limit = anyio.CapacityLimiter(AT_A_TIME)
        self.kinds: dict[str, InputKind | None] = {}
        self.reactions: list[float] = []

    async def run(self, program: Program, seconds: float) -> None:
        async with self._limit:
            cwd = self._directory / f"p{len(self.kinds)}"
            self.kinds[program.name] = None
            cwd.mkdir()
            async with self._manager.events() as events:
                env = {**os.environ, "HOME": str(cwd), "TERM": "xterm", "PYTHON_HISTORY": "/dev/null"}
                pid = await self._manager.start_session(program.command, "/bin/bash", io="pty", cwd=cwd, env=env)
                with suppress(SessionEndedError):  # what is over already waits for nothing
                    await self._manager.attend_input(pid)
                with anyio.move_on_after(seconds):
                    await self._watch(program, pid, events)
            await self._manager.terminate_session(pid, force=True)

    async def _watch(self, program: Program, pid: int, events) -> None:
        last: datetime | None = None
        async for event in events:
            if event.info.pid != pid:
                continue
            if event.kind is EventKind.OUTPUT:
                last = event.at
            if event.kind is EventKind.WAITING_FOR_INPUT:
                self.kinds[program.name] = event.info.input_kind
                if last is not None:
                    self.reactions.append((event.at - last).total_seconds())
                if event.info.input_kind is program.kind:
                    return


async def _all(manager: SessionManager, directory, programs, seconds: float) -> Bench:
    bench = Bench(manager, directory)
    async with anyio.create_task_group() as tasks:
        for program in programs:
            tasks.start_soon(bench.run, program, seconds)
    return bench


@pytest.mark.timeout(300)
async def test_programs_that_wait_for_input_are_found(manager, tmp_path, figure, subtests):
    """Ours: at least fifty of the fifty-four of the list that are installed, each for what it waits for."""
    programs = [program for program in WAITING if _try_here(program)]
    assert len(programs) >= 25
    bench = await _all(manager, tmp_path, programs, SECONDS)
    for program in WAITING:
        with subtests.test(msg=program.name):
            if not _try_here(program):
                pytest.skip(f"{program.name}: {program.missing() or 'only as root'}")
            assert bench.kinds[program.name] is program.kind
    found = sum(bench.kinds[program.name] is program.kind for program in programs)
    figure(31, "programs that wait, found", found, f"of {len(programs)}", target="> 92 %")
    figure(
        31, "found after their last output, median", statistics.median(bench.reactions) * 1000, "ms", target="< 100 ms"
    )


@pytest.mark.timeout(300)
async def test_programs_that_do_something_else_are_left_alone(manager, tmp_path, figure, subtests):
    """Ours: no false alarm."""
    programs = [program for program in NOT_WAITING if _try_here(program)]
    bench = await _all(manager, tmp_path, programs, QUIET_SECONDS)
    for program in NOT_WAITING:
        with subtests.test(msg=program.name):
            if not _try_here(program):
                pytest.skip(f"{program.name}: {program.missing() or 'only as root'}")
            assert bench.kinds[program.name] is None
    alarms = sum(bench.kinds[program.name] is not None for program in programs)
    figure(31, "false alarms", alarms, f"of {len(programs)}", target="0")
