"""SIGKILL for who owns sessions, for their broker, and for both: how soon the whole trees are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import psutil

from benchmarks.core import NotMeasuredError, Roll, directory, guardian_of
from benchmarks.samples import Measure, interleave
from benchmarks.table import Table, milliseconds, times, verdict

AT_MOST_GONE = 1.0
AT_MOST_SECONDS = 60.0
IN_A_TREE = 3

TREE = "setsid {me} & (env -i setsid {me} &) ; exec {me}"
"""A leader, a child in a session of its own, and a daemon: forked twice, and without our variables."""

_OWNER = """
import asyncio, sys, time
from benchmarks.core import start_many
from vibesbox_kernel.sessions import SessionManager

async def main():
    manager = SessionManager(owner="benchmark")
    await start_many(lambda: manager.start_session(sys.argv[1], stdin=False), int(sys.argv[2]))
    print("up", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""

Victims = Callable[[subprocess.Popen[str], psutil.Process], None]


def measure_kills(*, count: int, rounds: int) -> Table:
    """Measure each death, against SIGKILL for as many processes whose pids are known.

    Args:
        count: How many sessions there are, of three processes each.
    """
    deaths: dict[str, Victims] = {
        "the owner is killed": lambda owner, _: owner.kill(),
        "the broker is killed": lambda _, broker: broker.kill(),
        "both are killed": _kill_both,
    }
    plain = f"{count * IN_A_TREE:,} known pids are killed"
    measures: dict[str, Measure] = {name: partial(_of_owner, kill, count) for name, kill in deaths.items()}
    samples = interleave({**measures, plain: partial(_of_known, count * IN_A_TREE)}, rounds=rounds)
    worst = max(max(samples[name].seconds) for name in deaths)
    rows = [
        (
            name,
            str(len(sample)),
            *map(milliseconds, (sample.minimum, sample.median, sample.p90)),
            times(sample.median / samples[plain].median),
            f"<= {milliseconds(AT_MOST_GONE)}" if name in deaths else "",
        )
        for name, sample in samples.items()
    ]
    notes = (
        f"at most {milliseconds(worst)} ms (goal: {milliseconds(AT_MOST_GONE)}: {verdict(worst <= AT_MOST_GONE)})",
    )
    columns = ("", "runs", "min", "median", "p90", "of known pids", "goal")
    title = f"{count:,} sessions of a leader, a setsid child and a scrubbed daemon, until the last is gone (ms)"
    return Table(title, columns, rows, notes)


def _kill_both(owner: subprocess.Popen[str], broker: psutil.Process) -> None:
    broker.kill()
    owner.kill()


def _of_owner(kill: Victims, count: int) -> float:
    with directory() as place, Roll(place / "roll") as roll:
        me = place / "me"
        me.write_text(f"#!/bin/sh\nexec 9>{roll.path}\necho up >&9\nexec sleep 600\n", "utf-8")
        me.chmod(0o700)
        with _owner(TREE.format(me=me), count) as owner:
            roll.called(count * IN_A_TREE, at_most=AT_MOST_SECONDS)
            guardian = guardian_of(owner.pid)
            broker = min(guardian.children(), key=psutil.Process.create_time)
            started = time.perf_counter()
            kill(owner, broker)
            roll.gone(at_most=AT_MOST_SECONDS)
            took = time.perf_counter() - started
        _left(guardian)
        return took


@contextmanager
def _owner(command: str, count: int) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", _OWNER, command, str(count)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as owner:
        try:
            assert owner.stdout is not None
            if owner.stdout.readline() != "up\n":
                raise NotMeasuredError("the sessions could not be started")
            yield owner
        finally:
            owner.kill()


def _left(guardian: psutil.Process) -> None:
    """Wait until nothing of the broker is left either."""
    try:
        guardian.wait(AT_MOST_SECONDS)
    except psutil.TimeoutExpired:
        raise NotMeasuredError("the guardian did not leave") from None


def _of_known(count: int) -> float:
    with directory() as place, Roll(place / "roll") as roll:
        command = ["/bin/sh", "-c", f"exec 9>{roll.path}; echo up >&9; exec sleep 600"]
        children: list[subprocess.Popen[bytes]] = []
        try:
            while len(children) < count:
                children.append(subprocess.Popen(command))
            roll.called(count, at_most=AT_MOST_SECONDS)
            started = time.perf_counter()
            for child in children:
                os.kill(child.pid, signal.SIGKILL)
            roll.gone(at_most=AT_MOST_SECONDS)
            return time.perf_counter() - started
        finally:
            for child in children:
                child.kill()
            for child in children:
                child.wait()
