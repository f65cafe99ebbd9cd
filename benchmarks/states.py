"""What a shell's state costs each cell of a *Run all*: two thousand functions beside next to nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

from benchmarks.kernels import Kernel, KernelFailedError, running
from benchmarks.samples import Measure, Sample, interleave
from benchmarks.surroundings import OURS
from benchmarks.table import Table, milliseconds, times, verdict

AT_MOST_OF_SMALL = 10.0
FUNCTIONS = 2_000
RUN_ALL_CELLS = 10
PAUSE_SECONDS = 0.3
_SMALL, _LARGE = "no functions", f"{FUNCTIONS:,} functions, 1 MB"
_LINES = (
    '    local v{n}="$1 value {n}"',
    "    if [[ -n $v{n} ]]; then",
    '        echo "text {n} of a function" | grep -c x',
    "    fi\n",
)
_BODY = "".join("\n".join(_LINES).format(n=n) for n in range(4))


def measure_states(specs: KernelSpecManager, directory: Path, *, rounds: int) -> Table:
    """Measure cells sent at once in two kernels of ours, in turns."""
    library = directory / "functions.sh"
    library.write_text("".join(f"func_{n}() {{\n{_BODY}    return {n % 2}\n}}\n" for n in range(FUNCTIONS)))
    with running(specs, OURS, directory) as small, running(specs, OURS, directory) as large:
        for kernel in (small, large):
            kernel.wait_ready()
        large.run(f". {library}")
        measures: dict[str, Measure] = {_SMALL: partial(_run_all, small), _LARGE: partial(_run_all, large)}
        return _table(interleave(measures, rounds=rounds, warm_up=1))


def _run_all(kernel: Kernel) -> float:
    time.sleep(PAUSE_SECONDS)
    all_of_them = kernel.run_queued(["echo hi"] * RUN_ALL_CELLS)
    for ran in all_of_them:
        if ran.text != "hi\n":
            raise KernelFailedError(f"{kernel.name}: the cell showed {ran.text!r}")
    return all_of_them[-1].seconds / RUN_ALL_CELLS


def _table(samples: Mapping[str, Sample]) -> Table:
    small, large = samples[_SMALL], samples[_LARGE]
    rows = [
        (name, str(len(sample)), *map(milliseconds, (sample.minimum, sample.median, sample.p90)))
        for name, sample in samples.items()
    ]
    ratio = large.median / small.median
    notes = (
        f"large / small {times(ratio)}, minima {times(large.minimum / small.minimum)} "
        f"(goal: at most {times(AT_MOST_OF_SMALL)}: {verdict(ratio <= AT_MOST_OF_SMALL)})",
    )
    title = f"Run all by the size of the state: {RUN_ALL_CELLS} cells sent at once (ms for each cell)"
    return Table(title, ("state", "runs", "min", "median", "p90"), rows, notes)
