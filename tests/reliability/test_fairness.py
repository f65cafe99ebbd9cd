"""Test 30: a small voice beside ten floods, what an idle session costs, and terminals that behave as terminals."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.reliability.observer import open_descriptors, resident_bytes
from tests.reliability.scale import scaled
from tests.reliability.trees import python
from tests.sessions.program import broker_of

pytestmark = pytest.mark.anyio

TICKER = """
import os, time
for number in range(TICKS):
    os.write(1, b"%d\\n" % time.monotonic_ns())
    time.sleep(0.005)
"""
ALLOCATOR_BYTES = 256 << 10
"""What the allocator may take in advance, in one step, however few sessions there are."""

FIRE_HOSE = "exec nice -n 5 cat /dev/zero"


@pytest.fixture
def spool_in_memory(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ten floods would fill a disk's queue, and every other test's with it."""
    if Path("/dev/shm").is_dir():
        root = Path("/dev/shm") / f"reliability-{os.getpid()}"
        root.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_STATE_HOME", str(root))
        yield
        shutil.rmtree(root)
    else:
        yield


@pytest.mark.usefixtures("spool_in_memory")
@scaled("ticks", short=300, soak=6000)
async def test_a_small_voice_is_heard_beside_ten_floods(manager, observer, figure, ticks):
    """Ours: every session gets its turn; a flood delays the others by no more than its own turn."""
    for _ in range(10):
        await manager.start_session(FIRE_HOSE)
    pid = await manager.start_session(f"exec {python(TICKER, TICKS=ticks)}")
    late, cursor, rest = [], 0, b""
    with anyio.fail_after(100):
        while not (chunk := await manager.read(pid, cursor, wait=None)).eof:
            now, cursor = time.monotonic_ns(), chunk.next_cursor
            *lines, rest = (rest + chunk.data).split(b"\n")
            late += [(now - int(line)) / 1e6 for line in lines]
        await manager.cleanup_all()
    observer.wait_gone()
    assert len(late) == ticks
    ordered, scale = sorted(late), f"{ticks} ticks, 10 floods"
    assert statistics.median(late) < 1000
    figure(30, "write to reader beside ten floods, median", statistics.median(late), "ms", scale=scale)
    p99 = ordered[len(ordered) * 99 // 100]
    figure(30, "write to reader beside ten floods, p99", p99, "ms", target="< 50 ms", scale=scale)


@scaled("sessions", short=100, soak=1000)
async def test_an_idle_session_costs_little(manager, observer, figure, sessions):
    """Ours: promise 5, three KiB and as many descriptors for each; and all of it is given back."""
    for _ in range(20):
        await manager.run("true")
    broker = broker_of(os.getpid())
    descriptors, resident = open_descriptors(broker), resident_bytes(broker)
    pids = [await manager.start_session("exec sleep 600", stdin=number % 2 == 0) for number in range(sessions)]
    await run_sync(partial(observer.wait_for, "sleep", sessions, timeout=60))
    each = (open_descriptors(broker) - descriptors) / sessions
    growth = (resident_bytes(broker) - resident) / sessions
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for pid in pids:
                group.start_soon(partial(manager.terminate_session, pid, force=True))
    assert open_descriptors(broker) == descriptors
    observer.wait_gone()
    assert each <= 2
    assert growth * sessions < (3 << 10) * sessions + ALLOCATOR_BYTES
    scale = f"{sessions} sessions"
    figure(30, "the broker's memory for an idle session", growth / 1024, "KiB", target="≤ 3 KiB", scale=scale)
    figure(30, "the broker's descriptors for an idle session", each, "", target="≤ 2", scale=scale)


_JOBS = """set -m
trap 'echo shell >&2' INT
(trap 'echo background' INT; echo "background up"; while :; do sleep 0.1; done) &
bash -c 'trap "echo foreground; exit 7" INT; echo "foreground up"; while :; do sleep 0.1; done'
echo "status $?"; read x; kill -KILL -$!; exit 0
"""


async def _until(manager, pid: int, text: str, so_far: str = "") -> str:
    with anyio.fail_after(20):
        while text not in so_far:
            before = manager.output_end(pid)
            so_far += await manager.read_output(pid)
            if text not in so_far:
                await manager.read(pid, before, wait=1)
    return so_far


async def test_control_c_reaches_the_foreground_and_nobody_else(manager, observer):
    """POSIX: the terminal sends SIGINT to its foreground process group alone; job control decides which that is."""
    pid = await manager.start_session(_JOBS, shell="/bin/bash", io="pty")
    seen = await _until(manager, pid, "background up")
    seen = await _until(manager, pid, "foreground up", seen)
    await manager.send_input(pid, "\x03")
    seen = await _until(manager, pid, "status 7", seen)
    await manager.send_input(pid, "\n")
    with anyio.fail_after(10):
        assert (await manager.wait(pid)).exit_code == 0
    seen += await manager.read_output(pid)
    assert seen.count("foreground") == 2  # "foreground up", and the trap after an echoed ^C
    assert seen.count("background") == 1
    assert "shell" not in seen
    observer.wait_gone()


# Not a shell's trap: bash forgets a signal that comes while it runs the trap of the one before.
_SIZES = """
import os, signal
signals = {signal.SIGWINCH, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
os.write(1, b"up\\n")
while signal.sigwait(signals) == signal.SIGWINCH:
    size = os.get_terminal_size(1)
    os.write(1, b"%d %d\\n" % (size.lines, size.columns))
os._exit(3)
"""


async def test_a_resized_terminal_tells_its_foreground_once_for_each_size(manager, observer):
    """POSIX: SIGWINCH goes to the foreground group when the size has changed, and only then."""
    pid = await manager.start_session(f"exec {python(_SIZES)}", io="pty", rows=24, columns=80)
    await _until(manager, pid, "up")
    seen = ""
    for rows, columns in ((25, 81), (25, 81), (50, 132), (1, 1), (300, 1000)):
        await manager.resize(pid, rows, columns)
        seen = await _until(manager, pid, f"{rows} {columns}", seen)
    await manager.send_signal(pid, signal.SIGTERM)
    with anyio.fail_after(10):
        assert (await manager.wait(pid)).exit_code == 3
    sizes = [line for line in seen.splitlines() if line and line != "up"]
    assert sizes == ["25 81", "50 132", "1 1", "300 1000"]
    observer.wait_gone()
