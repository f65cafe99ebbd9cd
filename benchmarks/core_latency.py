"""How long it takes from a child's write until a reader has it, against a pipe that an event loop watches."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from shlex import quote

from benchmarks.core import NotMeasuredError, managed
from benchmarks.samples import Sample, in_random_order
from benchmarks.table import Table, microseconds, times, verdict
from vibesbox_kernel.models import EventKind
from vibesbox_kernel.sessions import SessionManager

AT_MOST_OF_ADD_READER = 2.0
AT_MOST_SECONDS = 20.0
NOT_COUNTED = 3
"""The first lines of each child: caches are cold, and the reader may only just have come."""

_WRITER = """
import os, random, time
time.sleep(0.1)
for _ in range({lines}):
    os.write(1, b"%d\\n" % time.monotonic_ns())
    time.sleep(random.uniform({shortest}, {longest}))
"""
"""One line at a time, each saying when it was written, on the clock that all processes share."""

_RELAY = """
import os, select, sys
source, file, told = (int(number) for number in sys.argv[1:])
waiting = select.epoll()
waiting.register(source, select.EPOLLIN)
while True:
    waiting.poll()
    data = os.read(source, 65536)
    if not data:
        break
    os.write(file, data)
    os.write(told, b".")
"""
"""What any broker must do that stores output before it tells of it, and nothing else."""


@dataclass(frozen=True)
class Pace:
    """How a child writes: between two lines it sleeps for a random time, in seconds."""

    lines: int
    shortest: float
    longest: float

    @property
    def command(self) -> str:
        script = _WRITER.format(lines=self.lines, shortest=self.shortest, longest=self.longest)
        return f"exec {quote(sys.executable)} -I -S -c {quote(script)}"

    def __str__(self) -> str:
        return f"{self.shortest * 1000:.0f} to {self.longest * 1000:.0f} ms apart"


PACES = (Pace(40, 0.003, 0.008), Pace(15, 0.02, 0.04))
"""The second lets the processors fall asleep in between, which each wake-up pays for."""

PLAIN, RELAY = "loop.add_reader", "bare relay: file, then a byte on a socket, add_reader"
INSIDE, OUTSIDE = "read(wait=None), engine's loop", "read(wait=None), own loop"
EVENTS_INSIDE, EVENTS = "events(), then read, engine's loop", "events(), then read, own loop"

Delays = list[float]
Reading = Callable[[], Delays]


def measure_latency(*, rounds: int) -> list[Table]:
    """Measure at two paces; each round has one child for each way of reading."""
    with managed() as manager, asyncio.Runner() as runner:
        return [_measure(manager, runner, pace, rounds) for pace in PACES]


def _measure(manager: SessionManager, runner: asyncio.Runner, pace: Pace, rounds: int) -> Table:
    samples: dict[str, Sample] = {}
    readings = _readings(manager, runner, pace)
    for name in in_random_order(tuple(readings), rounds):
        samples.setdefault(name, Sample()).seconds += readings[name]()[NOT_COUNTED:]
    plain = samples[PLAIN]
    rows = [
        (
            name,
            str(len(samples[name])),
            *map(microseconds, (samples[name].minimum, samples[name].median, samples[name].p90)),
            times(samples[name].median / plain.median),
            f"<= {times(AT_MOST_OF_ADD_READER)}" if name in (INSIDE, OUTSIDE) else "",
        )
        for name in readings
    ]
    ratios = {name: samples[name].median / plain.median for name in (INSIDE, OUTSIDE)}
    notes = [
        f"{name} / add_reader {times(ratio)} "
        f"(goal: at most {times(AT_MOST_OF_ADD_READER)}: {verdict(ratio <= AT_MOST_OF_ADD_READER)})"
        for name, ratio in ratios.items()
    ]
    hops = samples[RELAY].median / plain.median
    notes.append(f"for comparison, the bare relay alone takes {times(hops)} of add_reader")
    columns = ("the reader", "lines", "min", "median", "p90", "of add_reader", "goal")
    return Table(f"From a child's write to its reader, lines {pace} (µs)", columns, rows, notes)


def _readings(manager: SessionManager, runner: asyncio.Runner, pace: Pace) -> dict[str, Reading]:
    def inside(work: Callable[[SessionManager, str], Coroutine[object, object, Delays]]) -> Delays:
        return manager.engine.call(_limited(work(manager, pace.command), pace.lines))

    def outside(work: Callable[[SessionManager, str], Coroutine[object, object, Delays]]) -> Delays:
        return runner.run(_limited(work(manager, pace.command), pace.lines))

    return {
        PLAIN: lambda: runner.run(_limited(_by_loop(pace.command), pace.lines)),
        RELAY: lambda: runner.run(_limited(_by_relay(pace.command), pace.lines)),
        INSIDE: partial(inside, _by_read),
        OUTSIDE: partial(outside, _by_read),
        EVENTS_INSIDE: partial(inside, _by_events),
        EVENTS: partial(outside, _by_events),
    }


async def _limited(work: Coroutine[object, object, Delays], lines: int) -> Delays:
    async with asyncio.timeout(AT_MOST_SECONDS):
        delays = await work
    if len(delays) != lines:
        raise NotMeasuredError(f"{len(delays)} lines came of {lines}")
    return delays


async def _by_loop(command: str) -> Delays:
    with _popen(["/bin/sh", "-c", command], subprocess.PIPE) as child:
        assert child.stdout is not None
        descriptor = child.stdout.fileno()
        try:
            return await _watch(descriptor, lambda: os.read(descriptor, 65536) or None)
        finally:
            child.kill()


async def _by_relay(command: str) -> Delays:
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        writer = stack.enter_context(_popen(["/bin/sh", "-c", command], subprocess.PIPE))
        stack.callback(writer.kill)
        assert writer.stdout is not None
        handed = (writer.stdout.fileno(), file.fileno(), theirs.fileno())
        arguments = [sys.executable, "-I", "-S", "-c", _RELAY, *map(str, handed)]
        relay = stack.enter_context(_popen(arguments, None, handed))
        stack.callback(relay.kill)
        theirs.close()
        cursor = 0

        def take() -> bytes | None:
            nonlocal cursor
            if not ours.recv(65536):
                return None
            data = os.pread(file.fileno(), 65536, cursor)  # nothing, if it came along with the line before
            cursor += len(data)
            return data

        return await _watch(ours.fileno(), take)


def _popen(command: Sequence[str], stdout: int | None, handed: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, pass_fds=handed)


async def _watch(descriptor: int, take: Callable[[], bytes | None]) -> Delays:
    """What ``take`` gives whenever the descriptor is readable, until it gives None."""
    loop = asyncio.get_running_loop()
    delays: Delays = []
    ended: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        data = take()
        if data is None:
            loop.remove_reader(descriptor)
            ended.set_result(None)
        else:
            delays.extend(_delays(data))

    loop.add_reader(descriptor, ready)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
    return delays


async def _by_read(manager: SessionManager, command: str) -> Delays:
    session = await manager.submit_session(command, stdin=False)
    delays: Delays = []
    cursor = 0
    while not (chunk := await manager.read(session, cursor, wait=None)).eof:
        delays += _delays(chunk.data)
        cursor = chunk.next_cursor
    return delays


async def _by_events(manager: SessionManager, command: str) -> Delays:
    delays: Delays = []
    cursor = 0
    async with manager.events() as events:
        session = await manager.submit_session(command, stdin=False)
        async for event in events:
            if event.session_id == session and event.kind in (EventKind.OUTPUT, EventKind.DRAINED):
                chunk = await manager.read(session, cursor)
                delays += _delays(chunk.data)
                cursor = chunk.next_cursor
            if event.session_id == session and event.kind is EventKind.DRAINED:
                break
    return delays


def _delays(data: bytes) -> Delays:
    now = time.monotonic_ns()
    return [(now - int(line)) / 1e9 for line in data.splitlines()]
