"""What many idle sessions cost: memory, descriptors, listings, events, and the next session beside them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil

from benchmarks.core import AT_ONCE, Gate, NotMeasuredError, Roll, broker_of, directory, managed, start_many
from benchmarks.samples import Sample
from benchmarks.table import Table, microseconds, milliseconds, times, verdict
from vibesbox_kernel.models import EventKind, SessionEvent
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.subscription import Subscription

AT_MOST_BYTES = 3 * 1024
AT_MOST_DESCRIPTORS = 2.0
AT_MOST_LISTING_SECONDS = 0.005
AT_MOST_SECONDS = 60.0
RUNS = 20

IDLE_SECONDS = 3.0
"""Before that a session is not idle: its figures are not yet taken, and its last output is just written."""

IDLE = "exec sleep 600"
KINDS: dict[str, dict[str, Any]] = {
    "fresh": {"command": IDLE},
    "fresh, no stdin": {"command": IDLE, "stdin": False},
    "has put out a line": {"command": f"echo hi; {IDLE}"},
    "terminal": {"command": f"echo hi; {IDLE}", "io": "pty"},
}

_WITH_ASYNCIO = """
import asyncio, json, resource, psutil
async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    pipe, me = asyncio.subprocess.PIPE, psutil.Process()
    async def start():
        return await asyncio.create_subprocess_exec("/bin/sleep", "600", stdin=pipe, stdout=pipe)
    children = [await start() for _ in range(5)]
    before = me.memory_full_info().uss, me.num_fds()
    try:
        while len(children) < 5 + {count}:
            children.append(await start())
        after = me.memory_full_info().uss, me.num_fds()
    finally:
        for child in children:
            child.kill()
        for child in children:
            await child.wait()
    print(json.dumps([(after[i] - before[i]) / {count} for i in (0, 1)]))
asyncio.run(main())
"""
"""The peer, in a process of its own so that its memory can be told from ours."""

Cost = tuple[float, float]
"""Bytes that a process has to itself, and descriptors, for each session."""


def measure_idle(*, count: int) -> Table:
    """Measure what sessions of each kind, and as many asyncio subprocesses, take from whom holds them.

    Args:
        count: How many of each kind.
    """
    costs = {kind: _cost(options, count) for kind, options in KINDS.items()}
    asyncio_bytes, asyncio_descriptors = _with_asyncio(count)
    rows = [
        (
            f"session, {kind}",
            f"{broker[0]:,.0f}",
            f"{broker[1]:.2f}",
            f"{client[0]:,.0f}",
            f"{client[1]:.2f}",
            times(broker[0] / asyncio_bytes),
            f"<= {AT_MOST_BYTES:,}, {AT_MOST_DESCRIPTORS:.0f}",
        )
        for kind, (broker, client) in costs.items()
    ]
    rows.append(
        (
            "asyncio.create_subprocess_exec",
            "",
            "",
            f"{asyncio_bytes:,.0f}",
            f"{asyncio_descriptors:.2f}",
            times(1.0),
            "",
        )
    )
    worst = max(broker[0] for broker, _ in costs.values()), max(broker[1] for broker, _ in costs.values())
    met = worst[0] <= AT_MOST_BYTES and worst[1] <= AT_MOST_DESCRIPTORS
    notes = (
        f"in the broker at most {worst[0]:,.0f} bytes and {worst[1]:.2f} descriptors for a session "
        f"(goal: {AT_MOST_BYTES:,} and {AT_MOST_DESCRIPTORS:.0f}: {verdict(met)})",
    )
    columns = ("each of", "broker: bytes", "descriptors", "client: bytes", "descriptors", "of asyncio's", "goal")
    return Table(f"{count:,} idle sessions: what each takes", columns, rows, notes)


def _cost(options: dict[str, Any], count: int) -> tuple[Cost, Cost]:
    with managed() as manager:
        manager.engine.call(_start(manager, AT_ONCE, options))  # what is there once for all is there now
        broker, client = broker_of(psutil.Process().pid), psutil.Process()
        time.sleep(IDLE_SECONDS)
        before = _held(broker), _held(client)
        manager.engine.call(_start(manager, count, options))
        time.sleep(IDLE_SECONDS)
        after = _held(broker), _held(client)
    of_broker, of_client = (
        ((later[0] - earlier[0]) / count, (later[1] - earlier[1]) / count)
        for earlier, later in zip(before, after, strict=True)
    )
    return of_broker, of_client


def _held(process: psutil.Process) -> tuple[int, int]:
    return process.memory_full_info().uss, process.num_fds()


async def _start(manager: SessionManager, count: int, options: dict[str, Any]) -> None:
    """Start so many, and wait until each has put out what it will."""

    async def start() -> None:
        pid = await manager.start_session(**options)
        if "echo" in options["command"]:
            await manager.read(pid, 0, wait=AT_MOST_SECONDS)

    await start_many(start, count)


def _with_asyncio(count: int) -> Cost:
    source = _WITH_ASYNCIO.replace("{count}", str(count))
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=AT_MOST_SECONDS)
    used, descriptors = json.loads(done.stdout)
    return used, descriptors


def measure_many(*, count: int) -> Table:
    """Measure what is done with many sessions: a listing, a look-up, events of all, and one more session.

    Args:
        count: How many sessions there are.
    """
    with managed() as manager, directory() as place, Gate(place / "gate") as gate, Roll(place / "roll") as roll:
        engine = manager.engine
        alone = engine.call(_runs(manager))
        # The reader of the gate is open before the line is said; its end is what `read` waits for.
        script = f"exec 8<{gate.path}; echo up >{roll.path}; read -r _ <&8; echo hi; {IDLE}"
        engine.call(start_many(lambda: manager.start_session(script, stdin=False), count))
        roll.called(count, at_most=AT_MOST_SECONDS)
        session = manager.list_sessions()[count // 2]
        samples = {
            f"list_sessions() of {count:,}": _repeat(manager.list_sessions),
            "info(pid)": _repeat(partial(manager.info, session.pid or 0)),
            "info(id)": _repeat(partial(manager.info, session.session_id)),
            "refresh_usage()": _repeat(lambda: engine.call(manager.refresh_usage())),
            "run('true'), no other session": alone,
            f"run('true') beside {count:,}": engine.call(_runs(manager)),
        }
        told, of_client, of_broker = engine.call(_events(manager, gate, count))
    rows = [
        (name, str(len(sample)), *(_exactly(seconds) for seconds in (sample.minimum, sample.median, sample.p90)), goal)
        for (name, sample), goal in zip(
            samples.items(), (f"<= {milliseconds(AT_MOST_LISTING_SECONDS)}", *[""] * (len(samples) - 1)), strict=True
        )
    ]
    listing = samples[f"list_sessions() of {count:,}"].median
    goal = verdict(listing <= AT_MOST_LISTING_SECONDS)
    notes = (
        f"list_sessions() {milliseconds(listing)} ms (goal: at most {milliseconds(AT_MOST_LISTING_SECONDS)}: {goal}), "
        f"{microseconds(listing / count)} µs for each",
        f"{count:,} sessions put out a line at once: the last event after {milliseconds(told)} ms; processor time "
        f"for each event {microseconds(of_client / count)} µs in the client, {microseconds(of_broker / count)} µs in "
        f"the broker",
    )
    return Table(f"With {count:,} sessions (ms)", ("", "runs", "min", "median", "p90", "goal"), rows, notes)


def _exactly(seconds: float) -> str:
    return f"{seconds * 1000:.3f}"


def _repeat(work: Callable[[], object]) -> Sample:
    work()
    return Sample([_timed(work) for _ in range(RUNS)])


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


async def _runs(manager: SessionManager) -> Sample:
    sample = Sample()
    for number in range(RUNS + 2):
        started = time.perf_counter()
        result = await manager.run("true")
        if number >= 2:
            sample.seconds.append(time.perf_counter() - started)
        if result.exit_status is None:
            raise NotMeasuredError("a session was lost")
    return sample


async def _events(manager: SessionManager, gate: Gate, count: int) -> tuple[float, float, float]:
    """Let all put out a line; returns seconds until the last event, and processor seconds of client and broker."""
    client, broker = psutil.Process(), broker_of(psutil.Process().pid)
    async with manager.events() as events:
        before = _processor_seconds(client), _processor_seconds(broker)
        started = time.perf_counter()
        gate.open()
        async with asyncio.timeout(AT_MOST_SECONDS):
            await _all_of(events, count)
        took = time.perf_counter() - started
        after = _processor_seconds(client), _processor_seconds(broker)
    return took, after[0] - before[0], after[1] - before[1]


async def _all_of(events: Subscription, count: int) -> None:
    seen: set[str] = set()
    async for event in events:
        if _is_output(event):
            seen.add(event.session_id)
        if len(seen) == count:
            return


def _is_output(event: SessionEvent) -> bool:
    return event.kind is EventKind.OUTPUT and event.end_cursor == len("hi\n")


def _processor_seconds(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
