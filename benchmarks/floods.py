"""How long a flood of output takes in a cell, and what of it reaches the front-end."""

from __future__ import annotations

import os
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.kernels import Kernel, KernelFailedError, Ran
from benchmarks.samples import Measure, busiest_second, interleave
from benchmarks.table import Table, milliseconds, times, verdict

AT_MOST_OF_CAT = 3.0
MESSAGES_IN_A_SECOND = 10
"""Five at once, then one each 0.2 s."""
BYTES_IN_A_SECOND = 300_000
KEPT_BYTES = 1_000_000
AT_MOST_SECONDS = 40.0


@dataclass(frozen=True)
class Flood:
    """The numbers from 1 to ``last``, one a line."""

    last: int
    size: str
    has_goal: bool

    @property
    def command(self) -> str:
        return f"seq 1 {self.last}"


SMALL = Flood(200_000, "1.3 MB", has_goal=False)
LARGE = Flood(20_000_000, "169 MB", has_goal=True)

CELL, PIPE_CELL, CAT, TERMINAL = "cell", "cell, --io pipe", "| cat", "bare terminal"


def measure_floods(kernel: Kernel, *, small_rounds: int, large_rounds: int) -> list[Table]:
    """Measure both floods in cells, the same through a pipe, and into a terminal that is only read."""
    return [_measure(kernel, SMALL, small_rounds), _measure(kernel, LARGE, large_rounds)]


def _measure(kernel: Kernel, flood: Flood, rounds: int) -> Table:
    cells: dict[str, list[Ran]] = {CELL: [], PIPE_CELL: []}
    samples = interleave(_measures(kernel, flood, cells), rounds=rounds, warm_up=1)
    cat, terminal = samples[CAT], samples[TERMINAL]
    # The worst of all the cells, the warm-up among them.
    worst = {name: [max(figures) for figures in zip(*map(_figures, ran), strict=True)] for name, ran in cells.items()}
    rows = [
        (
            name,
            str(len(sample)),
            milliseconds(sample.minimum),
            milliseconds(sample.median),
            times(sample.median / cat.median),
            times(sample.median / terminal.median),
            *(f"{figure:,}" for figure in worst.get(name, ())),
            *([] if name in worst else ["-"] * len(_FIGURES)),
        )
        for name, sample in samples.items()
    ]
    columns = ("", "runs", "min", "median", "of | cat", "of bare terminal", *_FIGURES)
    title = f"A flood of {flood.size}, {flood.command!r} (ms; a cell: request to idle; the worst cell's messages)"
    return Table(title, columns, rows, _notes(flood, samples[CELL].median / cat.median, worst))


_FIGURES = ("messages", "bytes sent", "msgs/s", "bytes/s", "bytes kept")


def _notes(flood: Flood, ratio: float, worst: Mapping[str, Sequence[int]]) -> list[str]:
    most, largest, kept = (max(figures[index] for figures in worst.values()) for index in (2, 3, 4))
    bounded = most <= MESSAGES_IN_A_SECOND and largest <= BYTES_IN_A_SECOND and kept <= KEPT_BYTES
    notes = [
        f"in any second at most {MESSAGES_IN_A_SECOND} messages and {BYTES_IN_A_SECOND:,} bytes, "
        f"at most {KEPT_BYTES:,} bytes kept in the cell: {verdict(bounded)}"
    ]
    if flood.has_goal:
        met = verdict(ratio <= AT_MOST_OF_CAT)
        notes.insert(0, f"cell / cat {times(ratio)} (goal: at most {times(AT_MOST_OF_CAT)}: {met})")
    return notes


def _measures(kernel: Kernel, flood: Flood, cells: Mapping[str, list[Ran]]) -> dict[str, Measure]:
    def in_a_cell(name: str, code: str) -> float:
        time.sleep(0.2)  # a spare shell gets ready
        ran = kernel.run(code, at_most=AT_MOST_SECONDS)
        kernel.take_late(ran)
        if not _shows(ran, str(flood.last)):
            raise KernelFailedError(f"{kernel.name}: {flood.command} did not show its last line")
        cells[name].append(ran)
        return ran.seconds

    return {
        CELL: partial(in_a_cell, CELL, flood.command),
        PIPE_CELL: partial(in_a_cell, PIPE_CELL, f"%%session --io pipe\n{flood.command}"),
        CAT: partial(_through_cat, flood),
        TERMINAL: partial(_into_terminal, flood),
    }


def _through_cat(flood: Flood) -> float:
    started = time.perf_counter()
    command = ["bash", "-c", f"{flood.command} | cat"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=AT_MOST_SECONDS)
    return time.perf_counter() - started


def _into_terminal(flood: Flood) -> float:
    """What the terminal itself takes: nothing is done with what is read."""
    started = time.perf_counter()
    master, slave = os.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    with subprocess.Popen(["bash", "-c", flood.command], stdout=slave, stdin=subprocess.DEVNULL):
        os.close(slave)
        while _read(master):
            pass
    os.close(master)
    return time.perf_counter() - started


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # nobody has it open any more
        return b""


def _shows(ran: Ran, line: str) -> bool:
    return any(message.text.rstrip().endswith(f"\n{line}") for message in ran.messages)


def _figures(ran: Ran) -> tuple[int, int, int, int, int]:
    """Messages and bytes sent, the most of each in a second, and what the cell keeps."""
    sent = [(message.at, message.size) for message in ran.messages]
    return len(sent), sum(size for _, size in sent), *busiest_second(sent), _kept_bytes(ran)


def _kept_bytes(ran: Ran) -> int:
    """The text that stays: streams add up, displays take the place of each other."""
    displays: dict[str, str] = {}
    streamed = 0
    for message in ran.messages:
        if message.kind == "stream":
            streamed += len(message.text.encode())
        else:
            displays[str(message.content.get("transient", {}).get("display_id"))] = message.text
    return streamed + sum(len(text.encode()) for text in displays.values())
