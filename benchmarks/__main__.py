"""``make bench``, or ``python -m benchmarks [--quick] [PART ...]``."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from jupyter_client.kernelspec import KernelSpecManager

from benchmarks.cells import measure_cells
from benchmarks.completion import measure_completion
from benchmarks.core import NotMeasuredError
from benchmarks.core_deaths import measure_cleanup, measure_deaths
from benchmarks.core_idle import measure_idle, measure_many
from benchmarks.core_kills import measure_kills
from benchmarks.core_latency import measure_latency
from benchmarks.core_output import measure_output
from benchmarks.floods import measure_floods
from benchmarks.kernels import KernelFailedError, running
from benchmarks.lag import measure_lag
from benchmarks.machine import describe_machine
from benchmarks.page import measure_page
from benchmarks.scripts import measure_scripts
from benchmarks.sessions import measure_sessions
from benchmarks.startup import measure_startup
from benchmarks.states import measure_states
from benchmarks.surroundings import BASH, OURS, PYTHON, SpecMissingError, install_specs, own_home
from benchmarks.table import Table
from tests.browser.chromium import chromium

IN_KERNELS = ("cells", "scripts", "lag", "completion", "floods")
KERNEL_PARTS = (*IN_KERNELS, "states", "startup")
CORE_PARTS = ("sessions", "output", "latency", "idle", "many", "deaths", "cleanup", "kills")
PAGE = "page"
PARTS = (*KERNEL_PARTS, *CORE_PARTS, PAGE)
LIMIT_SECONDS = 480
"""It is never longer than that; what was not measured by then is not."""


@dataclass(frozen=True)
class Rounds:
    """How often things are measured."""

    cells: int
    scripts: int
    lines: int
    small_flood: int
    large_flood: int
    states: int
    startup: int
    sessions: int
    output: int
    latency: int
    at_once: int
    """How many sessions there are where there are many; half as many trees are killed."""
    deaths: int


THOROUGH = Rounds(
    cells=40,
    scripts=8,
    lines=40,
    small_flood=8,
    large_flood=4,
    states=6,
    startup=4,
    sessions=60,
    output=5,
    latency=6,
    at_once=1000,
    deaths=2,
)
QUICK = Rounds(
    cells=10,
    scripts=3,
    lines=10,
    small_flood=3,
    large_flood=1,
    states=3,
    startup=1,
    sessions=15,
    output=1,
    latency=2,
    at_once=200,
    deaths=1,
)


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
    except (KernelFailedError, NotMeasuredError, SpecMissingError, TimeoutError) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    except StoppedError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 130
    print(f"measured in {time.monotonic() - started:.0f} s")
    return 0


def _measure(home: Path, rounds: Rounds, parts: Sequence[str]) -> Iterator[Table]:
    if any(part in parts for part in KERNEL_PARTS):
        specs = install_specs(home)
        if any(part in parts for part in IN_KERNELS):
            yield from _measure_in_kernels(specs, home, rounds, parts)
        if "states" in parts:
            yield measure_states(specs, home, rounds=rounds.states)
        if "startup" in parts:
            yield measure_startup(specs, (OURS, PYTHON), home, rounds=rounds.startup)
    for part in CORE_PARTS:
        if part in parts:
            yield from _measure_core(part, rounds)
    if PAGE in parts:
        if chromium() is None:
            print("no page was measured: there is no Chromium here (make browser)\n")
        else:
            yield measure_page()


def _measure_core(part: str, rounds: Rounds) -> Sequence[Table]:
    many = rounds.at_once
    measures: Mapping[str, Callable[[], Sequence[Table]]] = {
        "sessions": lambda: [measure_sessions(rounds=rounds.sessions)],
        "output": lambda: measure_output(rounds=rounds.output),
        "latency": lambda: measure_latency(rounds=rounds.latency),
        "idle": lambda: [measure_idle(count=many)],
        "many": lambda: [measure_many(count=many)],
        "deaths": lambda: [measure_deaths(count=many, rounds=rounds.deaths)],
        "cleanup": lambda: [measure_cleanup(count=many, rounds=rounds.deaths)],
        "kills": lambda: [measure_kills(count=many // 2, rounds=rounds.deaths)],
    }
    return measures[part]()


def _measure_in_kernels(specs: KernelSpecManager, home: Path, rounds: Rounds, parts: Sequence[str]) -> Iterator[Table]:
    compared = "cells" in parts or "lag" in parts
    names = (OURS, BASH, PYTHON) if compared else (OURS,)
    with ExitStack() as stack:
        kernels = {name: stack.enter_context(running(specs, name, home)) for name in names}
        for kernel in kernels.values():
            kernel.wait_ready()
        if "cells" in parts:
            yield from measure_cells(kernels, rounds=rounds.cells)
        if "scripts" in parts:
            yield from measure_scripts(kernels[OURS], home, rounds=rounds.scripts)
        if "lag" in parts:
            yield measure_lag({name: kernels[name] for name in (OURS, BASH)}, lines=rounds.lines)
        if "completion" in parts:
            yield measure_completion(kernels[OURS], rounds=rounds.cells)
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
        prog="python -m benchmarks", description="Measure Vibesbox side by side with what else there is."
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
