"""How long a large cell takes, beside the same text given to bash as a script."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.kernels import Kernel, KernelFailedError
from benchmarks.samples import Measure, interleave
from benchmarks.table import Table, milliseconds, times, verdict

AT_MOST_OF_BASH = 2.0
AT_MOST_SECONDS = 40.0


@dataclass(frozen=True)
class Script:
    """So many lines that each compute and print something.

    Attributes:
        program_each: After so many lines one runs a program; 0 for none.
    """

    name: str
    lines: int
    line: str = 'echo "line $((i += 1))"'
    program_each: int = 0

    @property
    def text(self) -> str:
        lines = [self.line] * (self.lines - 1)
        if self.program_each:
            lines[:: self.program_each] = [f"{self.line}; /bin/true"] * len(lines[:: self.program_each])
        return "\n".join(["i=0", *lines, ""])

    @property
    def last(self) -> str:
        return f"line {self.lines - 1}\n"


THOUSAND = Script("1,000 lines, of which every 20th runs a program", 1_000, program_each=20)
BUILTINS = Script("1,000 lines that run no program", 1_000)
MEGABYTE = Script("1 MB", 10_000, line=f'echo "line $((i += 1))"  # {"." * 80}')


def measure_scripts(kernel: Kernel, directory: Path, *, rounds: int) -> list[Table]:
    """Measure each as a cell and as a script whose output is read."""
    return [_measure(kernel, directory, script, rounds) for script in (THOUSAND, BUILTINS, MEGABYTE)]


def _measure(kernel: Kernel, directory: Path, script: Script, rounds: int) -> Table:
    file = directory / "script.sh"
    file.write_text(script.text)
    measures: dict[str, Measure] = {
        "cell": partial(_in_a_cell, kernel, script),
        "bash script": partial(_as_a_script, file, script),
    }
    samples = interleave(measures, rounds=rounds, warm_up=1)
    script_took = samples["bash script"]
    rows = [
        (
            name,
            str(len(sample)),
            *map(milliseconds, (sample.minimum, sample.median)),
            times(sample.median / script_took.median),
        )
        for name, sample in samples.items()
    ]
    ratio = samples["cell"].median / script_took.median
    goal = f"goal: at most {times(AT_MOST_OF_BASH)}: {verdict(ratio <= AT_MOST_OF_BASH)}"
    title = f"A cell of {script.name} (ms; a cell: request to idle)"
    return Table(
        title, ("", "runs", "min", "median", "of bash script"), rows, (f"cell / bash script {times(ratio)} ({goal})",)
    )


def _in_a_cell(kernel: Kernel, script: Script) -> float:
    time.sleep(0.2)  # a spare shell gets ready
    ran = kernel.run(script.text, at_most=AT_MOST_SECONDS)
    kernel.take_late(ran)
    if not any(message.text.endswith(script.last) for message in ran.messages):
        raise KernelFailedError(f"{kernel.name}: the cell did not show its last line")
    return ran.seconds


def _as_a_script(file: Path, script: Script) -> float:
    started = time.perf_counter()
    done = subprocess.run(["bash", str(file)], capture_output=True, check=True, timeout=AT_MOST_SECONDS)
    took = time.perf_counter() - started
    if not done.stdout.endswith(script.last.encode()):
        raise KernelFailedError("bash did not show the last line")
    return took
