"""How long a small cell takes, from its request to its idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.kernels import Kernel, KernelFailedError
from benchmarks.samples import Measure, Sample, interleave
from benchmarks.surroundings import BASH, OURS, PYTHON
from benchmarks.table import Table, milliseconds, times, verdict

AT_MOST_OF_IPYKERNEL = 1.3
TIMES_FASTER_THAN_BASH_KERNEL = 8.0
PAUSE_SECONDS = 0.15
RUN_ALL_CELLS = 10
BLOCK_CELLS = 5

CELLS: Mapping[str, tuple[str, str]] = {
    OURS: ("echo hi", "hi\n"),
    BASH: ("echo hi", "hi\n"),
    PYTHON: ("pass", ""),
}
"""What each kernel runs, and what that must show."""

_NAMES = {OURS: "vibesbox", BASH: "bash_kernel", PYTHON: "ipykernel"}


def measure_cells(kernels: Mapping[str, Kernel], *, rounds: int) -> list[Table]:
    """Measure cells after a pause, one right after the other, and all sent at once.

    Args:
        rounds: How often a pause is made, for each kernel.
    """
    blocks = max(2, rounds // BLOCK_CELLS)
    after_pause = interleave(_of_each(kernels, _after_pause), rounds=rounds, warm_up=3)
    one_after_other = _interleave_blocks(kernels, blocks)
    run_all = interleave(_of_each(kernels, _run_all), rounds=max(2, blocks // 2), warm_up=1)
    return [
        _table(f"A cell, {PAUSE_SECONDS * 1000:.0f} ms after the one before (ms, request to idle)", after_pause),
        _table("A cell, right after the one before (ms, request to idle)", one_after_other),
        _table(f"Run all: {RUN_ALL_CELLS} cells sent at once (ms for each cell)", run_all),
    ]


def _of_each(kernels: Mapping[str, Kernel], measure: Callable[[Kernel], float]) -> dict[str, Measure]:
    return {name: partial(measure, kernel) for name, kernel in kernels.items()}


def _after_pause(kernel: Kernel) -> float:
    time.sleep(PAUSE_SECONDS)
    return _one(kernel)


def _one(kernel: Kernel) -> float:
    code, expected = CELLS[kernel.name]
    ran = kernel.run(code)
    _check(kernel, ran.text, expected)
    return ran.seconds


def _run_all(kernel: Kernel) -> float:
    time.sleep(PAUSE_SECONDS)
    code, expected = CELLS[kernel.name]
    all_of_them = kernel.run_queued([code] * RUN_ALL_CELLS)
    for ran in all_of_them:
        _check(kernel, ran.text, expected)
    return all_of_them[-1].seconds / RUN_ALL_CELLS


def _interleave_blocks(kernels: Mapping[str, Kernel], blocks: int) -> dict[str, Sample]:
    """Several cells of one kernel in a row, so that each but the first follows on one of its own."""
    samples = {name: Sample() for name in kernels}

    def block(name: str) -> float:
        time.sleep(PAUSE_SECONDS)
        _one(kernels[name])
        samples[name].seconds += [_one(kernels[name]) for _ in range(BLOCK_CELLS)]
        return 0.0

    interleave({name: partial(block, name) for name in kernels}, rounds=blocks)
    return samples


def _check(kernel: Kernel, shown: str, expected: str) -> None:
    if shown.replace("\r\n", "\n") != expected:
        raise KernelFailedError(f"{kernel.name}: the cell showed {shown!r} before its idle, not {expected!r}")


def _table(title: str, samples: Mapping[str, Sample]) -> Table:
    ours, bash, python = samples[OURS], samples[BASH], samples[PYTHON]
    rows = [
        (
            f"{_NAMES[name]}, {CELLS[name][0]!r}",
            str(len(sample)),
            *map(milliseconds, (sample.minimum, sample.median, sample.p90)),
            times(sample.median / python.median),
            times(sample.minimum / python.minimum),
        )
        for name, sample in samples.items()
    ]
    slower, faster = ours.median / python.median, bash.median / ours.median
    notes = (
        f"vibesbox / ipykernel {times(slower)} (goal: at most {times(AT_MOST_OF_IPYKERNEL)}: "
        f"{verdict(slower <= AT_MOST_OF_IPYKERNEL)}); bash_kernel / vibesbox {times(faster)} "
        f"(goal: at least {times(TIMES_FASTER_THAN_BASH_KERNEL)}: {verdict(faster >= TIMES_FASTER_THAN_BASH_KERNEL)})",
    )
    columns = ("kernel, cell", "runs", "min", "median", "p90", "of ipykernel: median", "min")
    return Table(title, columns, rows, notes)
