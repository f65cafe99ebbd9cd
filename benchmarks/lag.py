"""How long a line is on its way: from the moment a cell writes it to the message that brings it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from benchmarks.kernels import Kernel, KernelFailedError, Ran
from benchmarks.samples import Sample
from benchmarks.table import Table, milliseconds, verdict

LINES_PER_SECOND = 2
MEDIAN_SECONDS, P99_SECONDS = 0.005, 0.050


def measure_lag(kernels: Mapping[str, Kernel], *, lines: int) -> Table:
    """Have each kernel's cell print the time, again and again, and see when it comes.

    Args:
        kernels: Those whose cells are bash's.
        lines: How many lines of each.
    """
    pause = 1 / LINES_PER_SECOND
    code = f"for ((i = 0; i < {lines}; i++)); do sleep {pause}; echo $EPOCHREALTIME; done"
    samples = {name: _lags(kernel.run(code, at_most=lines * pause + 20), lines) for name, kernel in kernels.items()}
    rows = [
        (name, str(len(sample)), *map(milliseconds, (sample.minimum, sample.median, _p99(sample))))
        for name, sample in samples.items()
    ]
    ours = next(iter(samples.values()))
    met = ours.median < MEDIAN_SECONDS and _p99(ours) < P99_SECONDS
    goal = f"goal: median under {MEDIAN_SECONDS * 1000:.0f} ms, p99 under {P99_SECONDS * 1000:.0f} ms: {verdict(met)}"
    title = f"A line's way to the front-end, {LINES_PER_SECOND} lines a second (ms)"
    return Table(title, ("kernel", "lines", "min", "median", "p99"), rows, (goal,))


def _lags(ran: Ran, lines: int) -> Sample:
    offset = time.time() - time.perf_counter()
    sample = Sample()
    for message in ran.messages:
        arrived = message.at + offset
        sample.seconds += [arrived - float(word) for word in message.text.split()]
    if len(sample) != lines:
        raise KernelFailedError(f"{len(sample)} of {lines} lines have come")
    return sample


def _p99(sample: Sample) -> float:
    ordered = sorted(sample.seconds)
    return ordered[math.ceil(0.99 * len(ordered)) - 1]
