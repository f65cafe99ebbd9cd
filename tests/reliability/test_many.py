"""Tests 1, 2 and 17: ten thousand short sessions and a million reads leave nothing behind and lose nothing."""

from __future__ import annotations

import os
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from tests.reliability.observer import open_descriptors, resident_bytes
from tests.reliability.scale import scaled
from tests.sessions.program import broker_of

pytestmark = pytest.mark.anyio

AT_A_TIME = 32
KEPT_BY_BROKER = 1000
SESSION_BYTES = 3 << 10
GROWTH_BYTES = 2 << 20


@dataclass
class ZombieWatch:
    """Looks again and again at a process's children, and remembers how long each was seen as a zombie."""

    parent: int
    longest: float = 0.0
    _since: dict[tuple[str, str], float] = field(default_factory=dict)

    def look(self) -> int:
        """Look once; returns how many zombies there are."""
        now, seen = time.monotonic(), {}
        for pid in Path(f"/proc/{self.parent}/task/{self.parent}/children").read_text().split():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z":
                seen[pid, fields[19]] = self._since.get((pid, fields[19]), now)
        self._since = seen
        self.longest = max([self.longest, *(now - since for since in seen.values())])
        return len(seen)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await anyio.sleep(0.02)


def _random_session(dice: random.Random) -> tuple[str, int | None, int | None, int]:
    """A command, and the exit code, the signal and the number of bytes that it must give."""
    size = dice.choice((0, 1, 4095, 4096, 65_537, 200_000))
    flood = f"head -c {size} /dev/zero; "
    left = dice.choice(("", "(setsid sleep 0.05 &); ", "(env -i /bin/sleep 0.02 &); "))
    if dice.random() < 0.3:
        number = dice.choice((1, 6, 9, 11, 14, 15))
        return f"{flood}{left}kill -{number} $$", None, number, size
    code = dice.randrange(256)
    return f"{flood}{left}exit {code}", code, None, size


@scaled("count", short=300, soak=10_000)
async def test_ten_thousand_short_sessions_leave_nothing(manager, observer, figure, count):
    """Ours: every status and every byte is right, and nothing of it stays with the broker."""
    await manager.run("true")
    broker, dice = broker_of(os.getpid()), random.Random(count)
    before = open_descriptors(broker)
    watch, limiter, wrong = ZombieWatch(broker), anyio.CapacityLimiter(AT_A_TIME), []

    async def one(number: int) -> None:
        command, code, signal, size = _random_session(dice)
        async with limiter:
            result = await manager.run(command)
        if (result.exit_code, result.signal, len(result.output), result.dropped_bytes) != (code, signal, size, 0):
            wrong.append((command, result.exit_status, result.output_bytes))

    async def many(numbers: range) -> None:
        async with anyio.create_task_group() as group:
            for number in numbers:
                group.start_soon(one, number)

    warm = min(2 * KEPT_BY_BROKER, count // 3)
    began = time.monotonic()
    async with anyio.create_task_group() as group:
        group.start_soon(watch.run)
        await many(range(warm))
        resident = resident_bytes(broker)
        await many(range(warm, count))
        group.cancel_scope.cancel()
    per_second = count / (time.monotonic() - began)
    with anyio.fail_after(5):
        while watch.look():
            await anyio.sleep(0.01)
    growth = resident_bytes(broker) - resident
    assert wrong == []
    assert open_descriptors(broker) == before
    observer.wait_gone()
    assert growth < GROWTH_BYTES + max(0, KEPT_BY_BROKER - warm) * SESSION_BYTES
    scale = f"{count} sessions, {AT_A_TIME} at a time"
    figure(1, "longest life of a zombie", watch.longest * 1000, "ms", target="< 100 ms", scale=scale)
    figure(1, "the broker's growth after eviction", growth / 1024, "KiB", target="< 2 MiB", scale=scale)
    figure(1, "sessions a second", per_second, "/s", scale=scale)


@scaled("seconds", short=5, soak=60 * float(os.environ.get("SOAK_MINUTES", "20")))
async def test_reading_for_long_takes_no_memory(manager, observer, figure, seconds):
    """Ours: readers cost the broker nothing, and no read keeps anything."""
    talks = await manager.start_session("while :; do echo some words; sleep 0.01; done")
    flood = await manager.start_session("seq 1 200000; sleep 600")
    broker, dice, reads = broker_of(os.getpid()), random.Random(1), 0
    samples: list[tuple[float, int]] = []
    deadline = time.monotonic() + seconds
    descriptors: list[int] = []
    while (now := time.monotonic()) < deadline:
        for _ in range(100):
            await manager.read(flood, dice.randrange(1_200_000), max_bytes=dice.choice((10, 1000, 65536)))
            await manager.read(talks, manager.output_end(talks), wait=0)
        await manager.read(talks, manager.output_end(talks), wait=1)
        await manager.read_output(talks)
        await manager.tail(flood, 3)
        reads += 203
        if now > deadline - seconds * 0.8:  # the first fifth warms up
            descriptors.append(open_descriptors(broker) + open_descriptors(os.getpid()))
            samples.append((now, resident_bytes(broker)))
    slope = statistics.linear_regression(*zip(*samples, strict=True)).slope * 60 / 1024
    third = len(descriptors) // 3  # one may be open for a moment at any look
    assert max(descriptors[-third:]) <= max(descriptors[:third])
    assert samples[-1][1] - samples[0][1] < max(256 << 10, seconds / 60 * 1024)
    await manager.cleanup_all()
    observer.wait_gone()
    scale = f"{reads:,} reads in {seconds / 60:.3g} min"
    figure(2, "the broker's growth while it is read", slope, "KiB/min", target="< 1 KiB/min in 20 min", scale=scale)


@scaled("count", short=200, soak=10_000)
async def test_what_is_put_out_right_before_the_end_is_there(manager, observer, figure, count):
    """Ours: exited is not drained; nobody who knows the status lacks the output."""
    limiter, incomplete = anyio.CapacityLimiter(AT_A_TIME), []

    async def one(number: int) -> None:
        code, io = number % 256, "pty" if number % 4 == 0 else "pipe"
        async with limiter:
            result = await manager.run(f"printf x; exit {code}", io=io)
        if (result.output, result.exit_code) != ("x", code):
            incomplete.append((number, result))

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(one, number)
    assert incomplete == []
    figure(17, "output right before the exit lost", len(incomplete), "sessions", target="0", scale=f"{count} sessions")
