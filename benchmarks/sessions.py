"""How long a session takes from its start to its end, against plain subprocesses."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks.core import NotMeasuredError, managed
from benchmarks.samples import Measure, Sample, interleave
from benchmarks.table import Table, milliseconds, times, verdict
from vibesbox_kernel.sessions import SessionManager

COMMAND = "echo hi"
AT_MOST_SECONDS = 10.0
AT_MOST_OF_SUBPROCESS = 2.5

RUN, RUN_INSIDE, EXIT = "SessionManager.run", "the same, on the engine's loop", "start_session, wait_exited"
SUBPROCESS, ASYNCIO = "subprocess.run", "asyncio.create_subprocess_exec"

_HOW: dict[str, str] = {
    RUN: "tree gone, output read",
    RUN_INSIDE: "tree gone, output read",
    EXIT: "leader reaped",
    ASYNCIO: "leader reaped, output read",
    SUBPROCESS: "leader reaped, output read",
}


def measure_sessions(*, rounds: int) -> Table:
    """Measure sessions and subprocesses in turns."""
    with managed() as manager, asyncio.Runner() as runner:
        samples = interleave(_measures(manager, runner), rounds=rounds, warm_up=5)
    return _table(samples)


def _table(samples: dict[str, Sample]) -> Table:
    plain = samples[SUBPROCESS]
    ratio = samples[RUN].median / plain.median
    rows = [
        (
            f"{name}: {_HOW[name]}",
            str(len(sample)),
            *map(milliseconds, (sample.minimum, sample.median, sample.p90)),
            times(sample.median / plain.median),
            times(sample.median / samples[ASYNCIO].median),
            f"<= {times(AT_MOST_OF_SUBPROCESS)}" if name == RUN else "",
        )
        for name, sample in samples.items()
    ]
    columns = ("", "runs", "min", "median", "p90", "of subprocess.run", "of asyncio's", "goal")
    notes = (
        f"run / subprocess.run {times(ratio)} "
        f"(goal: at most {times(AT_MOST_OF_SUBPROCESS)}: {verdict(ratio <= AT_MOST_OF_SUBPROCESS)})",
    )
    return Table(f"Start to exit of {COMMAND!r}, without a kernel (ms)", columns, rows, notes)


def _measures(manager: SessionManager, runner: asyncio.Runner) -> dict[str, Measure]:
    def outside(work: Callable[[], Awaitable[object]]) -> float:
        return runner.run(_timed(work))

    return {
        RUN: partial(outside, partial(_run, manager)),
        RUN_INSIDE: lambda: manager.engine.call(_timed(partial(_run, manager))),
        EXIT: partial(outside, partial(_start_and_wait, manager)),
        ASYNCIO: partial(outside, _with_asyncio),
        SUBPROCESS: _with_subprocess,
    }


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def _run(manager: SessionManager) -> None:
    result = await manager.run(COMMAND, timeout=AT_MOST_SECONDS)
    if result.output != "hi\n":
        raise NotMeasuredError(f"the session put out {result.output!r}")


async def _start_and_wait(manager: SessionManager) -> None:
    if await manager.wait_exited(await manager.start_session(COMMAND, stdin=False)) != 0:
        raise NotMeasuredError("the session failed")


async def _with_asyncio() -> None:
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if output != b"hi\n":
        raise NotMeasuredError(f"the subprocess put out {output!r}")


def _with_subprocess() -> float:
    started = time.perf_counter()
    command = ["/bin/sh", "-c", COMMAND]
    # Without a timeout: with one it looks for the end at intervals of a millisecond and more.
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return time.perf_counter() - started
