"""How long a kernel takes until it answers, and until its first cell is done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

from benchmarks.cells import CELLS
from benchmarks.kernels import running
from benchmarks.samples import Sample, in_random_order
from benchmarks.surroundings import PYTHON
from benchmarks.table import Table, milliseconds, times


def measure_startup(specs: KernelSpecManager, names: Sequence[str], directory: Path, *, rounds: int) -> Table:
    """Start kernels in turns, each alone."""
    answered = {name: Sample() for name in names}
    executed = {name: Sample() for name in names}
    for name in in_random_order(names, rounds):
        with running(specs, name, directory) as kernel:
            answered[name].seconds.append(kernel.wait_ready())
            kernel.run(CELLS[name][0])
            executed[name].seconds.append(time.perf_counter() - kernel.started_at)
    rows = [
        (
            name,
            str(rounds),
            milliseconds(answered[name].minimum),
            milliseconds(answered[name].median),
            times(answered[name].median / answered[PYTHON].median),
            milliseconds(executed[name].minimum),
            milliseconds(executed[name].median),
            times(executed[name].median / executed[PYTHON].median),
        )
        for name in names
    ]
    to_answer, to_cell = ("answers: min", "median", "of ipykernel"), ("first cell done: min", "median", "of ipykernel")
    columns = ("kernel", "runs", *to_answer, *to_cell)
    return Table("A kernel's start (ms, from the launch to its first kernel_info reply and cell)", columns, rows)
