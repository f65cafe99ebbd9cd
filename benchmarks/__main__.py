"""``make bench``, or ``python -m benchmarks [--quick] [PART ...]``."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from jupyter_client.kernelspec import KernelSpecManager

from benchmarks.cells import measure_cells
from benchmarks.floods import measure_floods
from benchmarks.kernels import KernelFailedError, running
from benchmarks.machine import describe_machine
from benchmarks.sessions import measure_sessions
from benchmarks.startup import measure_startup
from benchmarks.surroundings import BASH, OURS, PYTHON, SpecMissingError, install_specs, own_home
from benchmarks.table import Table

PARTS = ("cells", "floods", "sessions", "startup")
LIMIT_SECONDS = 170
"""It is never longer than that; what was not measured by then is not."""


@dataclass(frozen=True)
class Rounds:
    """How often things are measured."""

    cells: int
    small_flood: int
    large_flood: int
    sessions: int
    startup: int


THOROUGH = Rounds(cells=40, small_flood=8, large_flood=4, sessions=60, startup=4)
QUICK = Rounds(cells=10, small_flood=3, large_flood=1, sessions=15, startup=1)


class StoppedError(BaseException):
    """The time is up, or somebody wants us to end: everything that was started must end too."""


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit status whether all of it could be measured."""
    options = _parse(arguments)
    rounds = QUICK if options.quick else THOROUGH
    started = time.monotonic()
    print(describe_machine())
    try:
        with _stoppable(), own_home() as home:
            for table in _measure(home, rounds, options.parts or PARTS):
                print(table, flush=True)
    except (KernelFailedError, SpecMissingError) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    except StoppedError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 130
    print(f"measured in {time.monotonic() - started:.0f} s")
    return 0


def _measure(home: Path, rounds: Rounds, parts: Sequence[str]) -> Iterator[Table]:
    specs = install_specs(home)
    if "cells" in parts or "floods" in parts:
        yield from _measure_in_kernels(specs, home, rounds, parts)
    if "sessions" in parts:
        yield measure_sessions(rounds=rounds.sessions)
    if "startup" in parts:
        yield measure_startup(specs, (OURS, PYTHON), home, rounds=rounds.startup)


def _measure_in_kernels(specs: KernelSpecManager, home: Path, rounds: Rounds, parts: Sequence[str]) -> Iterator[Table]:
    names = (OURS, BASH, PYTHON) if "cells" in parts else (OURS,)
    with ExitStack() as stack:
        kernels = {name: stack.enter_context(running(specs, name, home)) for name in names}
        for kernel in kernels.values():
            kernel.wait_ready()
        if "cells" in parts:
            yield from measure_cells(kernels, rounds=rounds.cells)
        if "floods" in parts:
            yield from measure_floods(kernels[OURS], small_rounds=rounds.small_flood, large_rounds=rounds.large_flood)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and the end of the time into exceptions, once: the cleaning-up itself is not disturbed."""

    def stop(number: int, _: FrameType | None) -> None:
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(other, signal.SIG_IGN)
        late = number == signal.SIGALRM
        raise StoppedError(f"it took longer than {LIMIT_SECONDS} s" if late else signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    signal.alarm(LIMIT_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure Vibesbox side by side with bash_kernel and ipykernel."
    )
    parser.add_argument("--quick", action="store_true", help="fewer runs: a look, not a result")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these: {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
