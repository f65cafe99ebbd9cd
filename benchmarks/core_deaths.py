"""Many deaths at once: how soon all are reaped and told of, and how soon ``cleanup_all`` has ended them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.core import Gate, Roll, directory, managed, start_many, wait_reaped
from benchmarks.samples import Measure, Sample, interleave
from benchmarks.table import Table, milliseconds, times, verdict
from vibesbox_kernel.sessions import SessionManager

GRACE_SECONDS = 1.0
AT_MOST_BEYOND_GRACE = 2.0
AT_MOST_SECONDS = 60.0

SESSIONS, ASYNCIO, PLAIN = "sessions", "asyncio.create_subprocess_exec", "subprocess.Popen"


def measure_deaths(*, count: int, rounds: int) -> Table:
    """Let processes wait for one FIFO and end it: as sessions, as asyncio's and as plain subprocesses.

    Args:
        count: How many die at once.
    """
    told: list[float] = []
    measures: dict[str, Measure] = {
        SESSIONS: lambda: _of_sessions(count, told),
        ASYNCIO: lambda: asyncio.run(_of_asyncio(count)),
        PLAIN: lambda: _of_plain(count),
    }
    samples = interleave(measures, rounds=rounds)
    samples = {f"{SESSIONS}: no process left": samples.pop(SESSIONS), f"{SESSIONS}: all told": Sample(told), **samples}
    plain = samples[PLAIN]
    rows = [
        (
            name,
            str(len(sample)),
            *map(milliseconds, (sample.minimum, sample.median, sample.p90)),
            f"{sample.median / count * 1e6:,.0f}",
            times(sample.median / plain.median),
        )
        for name, sample in samples.items()
    ]
    columns = ("", "runs", "min", "median", "p90", "µs for each", "of Popen")
    return Table(f"{count:,} processes end at the same moment, until all are reaped (ms)", columns, rows)


def _of_sessions(count: int, told: list[float]) -> float:
    with managed(remembered=count) as manager, _fifos() as (gate, roll):
        started = manager.engine.call(_start(manager, _waiting(gate, roll), count))
        roll.called(count, at_most=AT_MOST_SECONDS)
        return manager.engine.call(_end(manager, gate, started, told))


async def _start(manager: SessionManager, command: str, count: int) -> list[int]:
    pids: list[int] = []

    async def start() -> None:
        pids.append(await manager.start_session(command, stdin=False))

    await start_many(start, count)
    return pids


async def _end(manager: SessionManager, gate: Gate, pids: list[int], told: list[float]) -> float:
    async with asyncio.timeout(AT_MOST_SECONDS):
        all_over = asyncio.gather(*(manager.wait(pid) for pid in pids))
        await asyncio.sleep(0)
        started = time.perf_counter()
        gate.open()
        reaped = asyncio.get_running_loop().run_in_executor(None, _when_reaped, pids)
        await all_over
        told.append(time.perf_counter() - started)
        return await reaped - started


def _when_reaped(pids: list[int]) -> float:
    wait_reaped(pids, at_most=AT_MOST_SECONDS)
    return time.perf_counter()


async def _of_asyncio(count: int) -> float:
    with _fifos() as (gate, roll):
        command = ("/bin/sh", "-c", _waiting(gate, roll))
        children = [await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE) for _ in range(count)]
        try:
            await asyncio.to_thread(roll.called, count, at_most=AT_MOST_SECONDS)
            started = time.perf_counter()
            gate.open()
            await asyncio.gather(*(child.wait() for child in children))
            return time.perf_counter() - started
        finally:
            for child in children:
                if child.returncode is None:
                    child.kill()


def _of_plain(count: int) -> float:
    with _fifos() as (gate, roll), _popen(_waiting(gate, roll), count) as children:
        roll.called(count, at_most=AT_MOST_SECONDS)
        started = time.perf_counter()
        gate.open()
        for child in children:
            child.wait()
        return time.perf_counter() - started


@contextmanager
def _fifos() -> Iterator[tuple[Gate, Roll]]:
    with directory() as place, Gate(place / "gate") as gate, Roll(place / "roll") as roll:
        yield gate, roll


@contextmanager
def _popen(command: str, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    children: list[subprocess.Popen[bytes]] = []
    try:
        while len(children) < count:
            children.append(subprocess.Popen(["/bin/sh", "-c", command]))
        yield children
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()


def _waiting(gate: Gate, roll: Roll) -> str:
    """Wait for the gate, which is open for reading before it is said so."""
    return f"exec 8<{gate.path}; echo up >{roll.path}; read -r _ <&8"


def measure_cleanup(*, count: int, rounds: int) -> Table:
    """End sessions that ignore SIGINT, against the same two signals to as many plain subprocesses.

    Args:
        count: How many are ended at once.
    """
    ours, plain = "cleanup_all", "SIGINT, grace, SIGKILL, wait"
    samples = interleave({ours: lambda: _by_cleanup(count), plain: lambda: _by_signals(count)}, rounds=rounds)
    worst = max(samples[ours].seconds)
    met = verdict(worst <= GRACE_SECONDS + AT_MOST_BEYOND_GRACE)
    goal = f"<= {milliseconds(GRACE_SECONDS + AT_MOST_BEYOND_GRACE)}"
    rows = [
        (
            name,
            str(len(sample)),
            *map(milliseconds, (sample.minimum, sample.median, sample.p90)),
            milliseconds(sample.median - GRACE_SECONDS),
            times(sample.median / samples[plain].median),
            goal if name == ours else "",
        )
        for name, sample in samples.items()
    ]
    notes = (
        f"at most {milliseconds(worst - GRACE_SECONDS)} ms beyond the grace of {milliseconds(GRACE_SECONDS)} ms "
        f"(goal: {milliseconds(AT_MOST_BEYOND_GRACE)}: {met})",
    )
    columns = ("", "runs", "min", "median", "p90", "beyond the grace", "of signals", "goal")
    return Table(f"The end of {count:,} sessions that ignore SIGINT, until all are reaped (ms)", columns, rows, notes)


def _stubborn(roll: Roll) -> str:
    """Ignored by the shell, so by what it becomes."""
    return f"trap '' INT; exec 9>{roll.path}; echo up >&9; exec sleep 600"


def _by_cleanup(count: int) -> float:
    with managed(remembered=count) as manager, directory() as place, Roll(place / "roll") as roll:
        pids = manager.engine.call(_start(manager, _stubborn(roll), count))
        roll.called(count, at_most=AT_MOST_SECONDS)
        started = time.perf_counter()
        manager.engine.call(manager.cleanup_all())
        took = time.perf_counter() - started
        roll.gone(at_most=0.1)
        wait_reaped(pids, at_most=0.1)
        return took


def _by_signals(count: int) -> float:
    with directory() as place, Roll(place / "roll") as roll, _popen(_stubborn(roll), count) as children:
        roll.called(count, at_most=AT_MOST_SECONDS)
        started = time.perf_counter()
        for child in children:
            os.kill(child.pid, signal.SIGINT)
        time.sleep(GRACE_SECONDS)
        for child in children:
            child.kill()
        for child in children:
            child.wait()
        took = time.perf_counter() - started
        roll.gone(at_most=0.1)
        return took
