"""How fast output gets through the broker to a reader, against a pipe into a file."""

from __future__ import annotations

import asyncio
import subprocess
import time
from functools import partial
from pathlib import Path

from benchmarks.core import NotMeasuredError, directory, managed
from benchmarks.samples import Measure, interleave
from benchmarks.table import Table, milliseconds, times, verdict
from vibesbox_kernel.sessions import SessionManager

SIZE_BYTES = 200_000_000
"""Less than a session keeps, so that a slow reader loses nothing."""

AT_LEAST_OF_CAT = 0.4
AT_MOST_SECONDS = 60.0
READ_BYTES = 1 << 18

SMALL_WRITES = f"head -c {SIZE_BYTES} /dev/zero"
LARGE_WRITES = f"dd if=/dev/zero bs=64k count={SIZE_BYTES} iflag=count_bytes status=none"


def measure_output(*, rounds: int) -> list[Table]:
    """Measure both for a program with small writes, and for one with large ones."""
    with managed(remembered=1) as manager, asyncio.Runner() as runner, directory() as place:
        return [
            _measure(manager, runner, place, "writes of a few KiB", SMALL_WRITES, rounds),
            _measure(manager, runner, place, "writes of 64 KiB", LARGE_WRITES, rounds),
        ]


def _measure(
    manager: SessionManager, runner: asyncio.Runner, place: Path, kind: str, writer: str, rounds: int
) -> Table:
    ours, cat = "a session, read by read()", "writer | cat > file"
    measures: dict[str, Measure] = {
        ours: lambda: runner.run(_through_broker(manager, writer)),
        cat: partial(_into_file, writer, place / "output"),
    }
    samples = interleave(measures, rounds=rounds, warm_up=1)
    ratio = samples[cat].median / samples[ours].median
    rows = [
        (
            name,
            str(len(sample)),
            *map(milliseconds, (sample.minimum, sample.median, sample.p90)),
            f"{SIZE_BYTES / sample.median / 1e6:,.0f}",
            times(samples[cat].median / sample.median),
            f">= {times(AT_LEAST_OF_CAT)}" if name == ours else "",
        )
        for name, sample in samples.items()
    ]
    columns = ("", "runs", "min", "median", "p90", "MB/s", "speed of | cat", "goal")
    goal = f"goal: at least {times(AT_LEAST_OF_CAT)}: {verdict(ratio >= AT_LEAST_OF_CAT)}"
    return Table(
        f"Output of {SIZE_BYTES // 1_000_000} MB to its last byte, {kind} (ms)",
        columns,
        rows,
        (f"speed of the session / of | cat > file {times(ratio)} ({goal})",),
    )


async def _through_broker(manager: SessionManager, writer: str) -> float:
    started = time.perf_counter()
    session = await manager.submit_session(writer, stdin=False)
    cursor = 0
    async with asyncio.timeout(AT_MOST_SECONDS):
        while not (chunk := await manager.read(session, cursor, max_bytes=READ_BYTES, wait=None)).eof:
            cursor = chunk.next_cursor
    took = time.perf_counter() - started
    if cursor != SIZE_BYTES or manager.info(session).dropped_bytes:
        raise NotMeasuredError(f"{cursor} bytes came of {SIZE_BYTES}")
    await manager.wait(session)
    await manager.run("true")  # its end makes the manager forget the large one
    return took


def _into_file(writer: str, file: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["/bin/sh", "-c", f"{writer} | cat > {file}"], check=True, timeout=AT_MOST_SECONDS)
    took = time.perf_counter() - started
    if file.stat().st_size != SIZE_BYTES:
        raise NotMeasuredError(f"{file.stat().st_size} bytes came of {SIZE_BYTES}")
    file.unlink()
    return took
