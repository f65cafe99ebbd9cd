"""How long a press of the tab key takes, from the request to the reply."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.kernels import Kernel, KernelFailedError
from benchmarks.samples import Measure, Sample, interleave
from benchmarks.table import Table, milliseconds, verdict

MEDIAN_SECONDS = 0.020
BEGINNINGS: Mapping[str, str] = {
    "echo $HO": "HOME",
    "cd /us": "/usr",
    "if tru": "true",
    "echo hi | gre": "grep",
    "my_fun": "my_function",
}
"""What is begun, and what must be among the matches."""


def measure_completion(kernel: Kernel, *, rounds: int) -> Table:
    """Complete each beginning in turns, warm: the first answer of each does not count."""
    kernel.run("my_function() { :; }")
    measures: dict[str, Measure] = {code: partial(_complete, kernel, code) for code in BEGINNINGS}
    samples = interleave(measures, rounds=rounds, warm_up=1)
    rows = [
        (repr(code), str(len(sample)), *map(milliseconds, (sample.minimum, sample.median, sample.p90)))
        for code, sample in samples.items()
    ]
    together = Sample([took for sample in samples.values() for took in sample.seconds])
    met = verdict(together.median < MEDIAN_SECONDS)
    note = f"median of all {milliseconds(together.median)} ms (goal: under {MEDIAN_SECONDS * 1000:.0f} ms: {met})"
    return Table("Completion (ms, request to reply)", ("begun", "runs", "min", "median", "p90"), rows, (note,))


def _complete(kernel: Kernel, code: str) -> float:
    took, matches = kernel.complete(code)
    if not any(match.strip("/$ ").startswith(BEGINNINGS[code].strip("/")) for match in matches):
        raise KernelFailedError(f"{kernel.name}: {code!r} is completed with {matches[:5]}")
    return took
