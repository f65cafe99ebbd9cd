"""How long a session takes from its start to its end, against a plain subprocess."""

from __future__ import annotations

import subprocess
import time

from benchmarks.samples import Measure, interleave
from benchmarks.table import Table, milliseconds, times
from vibesbox_kernel.sessions import SessionManager

COMMAND = "echo hi"
AT_MOST_SECONDS = 10.0


def measure_sessions(*, rounds: int) -> Table:
    """Measure ``SessionManager.run`` and ``subprocess.run`` in turns."""
    manager = SessionManager(owner="benchmark")
    try:
        samples = interleave(_measures(manager), rounds=rounds, warm_up=5)
    finally:
        manager.engine.call(manager.aclose())
        manager.engine.close()
    plain = samples["subprocess.run"]
    rows = [
        (
            f"{name}, {COMMAND!r}",
            str(len(sample)),
            *map(milliseconds, (sample.minimum, sample.median, sample.p90)),
            times(sample.median / plain.median),
        )
        for name, sample in samples.items()
    ]
    columns = ("start to exit, with its output", "runs", "min", "median", "p90", "of subprocess")
    return Table("A session without a kernel (ms)", columns, rows)


def _measures(manager: SessionManager) -> dict[str, Measure]:
    async def timed() -> float:
        started = time.perf_counter()
        result = await manager.run(COMMAND, timeout=AT_MOST_SECONDS)
        took = time.perf_counter() - started
        if result.output != "hi\n":
            raise RuntimeError(f"the session put out {result.output!r}")
        return took

    def session() -> float:
        return manager.engine.call(timed())

    def plain() -> float:
        started = time.perf_counter()
        subprocess.run(["/bin/sh", "-c", COMMAND], capture_output=True, check=True, timeout=AT_MOST_SECONDS)
        return time.perf_counter() - started

    return {"SessionManager.run": session, "subprocess.run": plain}
