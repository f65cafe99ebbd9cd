"""Tests 6 to 11: trees that hide, grow, come back, stand still or do not listen are gone when their session is."""

from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import time
from collections.abc import Iterator
from functools import partial

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.reliability.observer import Deathwatch, owned_by, state_of
from tests.reliability.scale import scaled
from tests.reliability.trees import BOMB, FORKING, PHOENIX, python, random_ways, write_become
from vibesbox_kernel.models import EventKind, SessionStatus

pytestmark = pytest.mark.anyio

SESSIONS_PER_ROUND = 12
GRACE_SECONDS = 1.0
BOMB_PROCESSES = 100
BOMB_SECONDS = 30


@scaled("rounds", short=2, soak=100)
async def test_no_way_of_leaving_a_session_is_far_enough(manager, observer, figure, tmp_path, rounds):
    """Ours: setsid, env -i, nohup, disown, double forks, daemons and closed descriptors, in any order and depth."""
    become, dice = write_become(tmp_path), random.Random(rounds)
    seconds = []
    for _ in range(rounds):
        ways = [random_ways(dice) for _ in range(SESSIONS_PER_ROUND)]
        pids = [await manager.start_session(f"exec {become} {' '.join(way)}") for way in ways]
        await run_sync(partial(observer.wait_for, "sleep", len(pids), timeout=30))
        began = time.monotonic()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for pid in pids:
                    group.start_soon(partial(manager.terminate_session, pid, force=True))
        seconds.append(time.monotonic() - began)
        assert observer.alive() == [], ways
        assert not manager.sessions
    scale = f"{rounds} × {SESSIONS_PER_ROUND} sessions"
    figure(6, "hidden trees killed at once, slowest round", max(seconds), "s", scale=scale)


@pytest.mark.parametrize("force", [True, False])
async def test_a_tree_that_forks_every_millisecond_is_gone_for_good(manager, observer, figure, force):
    """Linux: a look at /proc is old when it is over; the kill goes on until nothing new appears."""
    pid = await manager.start_session(f"exec {python(FORKING, SEED=force)}")
    await run_sync(partial(observer.wait_for_more, 60))
    with anyio.fail_after(20):
        began = time.monotonic()
        assert await manager.terminate_session(pid, force=force)
        seconds = time.monotonic() - began
    assert observer.alive() == []
    how = "killed" if force else "interrupted, then killed"
    figure(7, f"forks every ms, 8 deep: gone when {how}", seconds, "s", target="< 2 s")


def _bomb_uid() -> int:
    return 100_000 + os.getpid()


def _end_bomb_uid() -> None:
    """Kill whatever runs under the bomb's uid, all at once (kill(2), pid -1), until nobody is left."""
    while os.getuid() == 0 and owned_by(_bomb_uid()):
        child = os.fork()
        if child == 0:
            try:
                os.setuid(_bomb_uid())  # from here on a signal reaches only those of this uid
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


@pytest.fixture(scope="module")
def _no_bomb_escapes() -> Iterator[None]:
    """Whatever became of its test, no process of the bomb is left after this module."""
    yield
    _end_bomb_uid()


def _refilling_bomb(limit: int) -> str:
    """Under a uid and a limit of its own: a killed process makes room for the next."""
    everyones = shutil.which("python3", path="/usr/bin:/bin")
    if os.getuid() != 0 or not shutil.which("setpriv") or not everyones:
        pytest.skip("only root can give the bomb a uid of its own")
    uid = _bomb_uid()
    owned = f"prlimit --nproc={limit} setpriv --reuid={uid} --regid={uid} --clear-groups"
    return f"exec {owned} {python(BOMB, program=everyones, TOKENS=0, END=time.monotonic() + BOMB_SECONDS)}"


@pytest.mark.usefixtures("_no_bomb_escapes")
@pytest.mark.parametrize("kind", ["finite", "refilling"])
async def test_a_fork_bomb_is_defused_while_the_broker_answers(manager, observer, figure, kind):
    """Ours: a hundred that each want to be more; whoever kills them must look faster than they fork."""
    bomb = (
        f"exec {python(BOMB, TOKENS=BOMB_PROCESSES, END=time.monotonic() + BOMB_SECONDS)}"
        if kind == "finite"
        else _refilling_bomb(BOMB_PROCESSES)
    )
    pid = await manager.start_session(bomb)
    try:
        await run_sync(partial(observer.wait_for_more, BOMB_PROCESSES - 10))
        with anyio.fail_after(20):
            asked = time.monotonic()
            await manager.refresh_usage()
            answered = time.monotonic() - asked
            began = time.monotonic()
            assert await manager.terminate_session(pid, force=True)
            seconds = time.monotonic() - began
        assert observer.alive() == []
    finally:
        _end_bomb_uid()
        await run_sync(observer.freeze_and_kill)
    figure(
        8, "the broker answers beside a fork bomb", answered, "s", target="< 1 s", scale=f"{BOMB_PROCESSES} processes"
    )
    figure(8, f"{kind} fork bomb gone", seconds, "s", target="< 5 s", scale=f"{BOMB_PROCESSES} processes")


async def test_two_that_bring_each_other_back_stay_dead(manager, observer, figure, lifeline):
    """Ours: nobody who could start another again is left; the lifeline's end proves it."""
    pid = await manager.start_session(f"exec {python(PHOENIX, LIFELINE=str(lifeline.path))}")
    with anyio.fail_after(20):
        for generation in range(1, 4):  # it does come back
            os.kill(int((await lifeline.lines(generation))[-1]), signal.SIGKILL)
        await lifeline.lines(4)
        observer.learn()
        began = time.monotonic()
        assert await manager.terminate_session(pid, force=True)
        seconds = time.monotonic() - began
        await lifeline.released()
    assert observer.alive() == []
    figure(9, "two mutual respawners gone", seconds, "s")


@pytest.mark.parametrize("who", ["a child", "the whole group"])
async def test_what_stands_still_is_seen_and_killed(manager, observer, figure, who):
    """POSIX: a stopped process takes no signal but SIGKILL and SIGCONT."""
    pid = await manager.start_session("sleep 600 & setsid sleep 600 & wait")
    sleepers = await run_sync(partial(observer.wait_for, "sleep", 2))
    with anyio.fail_after(10):
        async with manager.events() as events:
            if who == "a child":
                os.kill(sleepers[-1].pid, signal.SIGSTOP)
            else:
                os.killpg(pid, signal.SIGSTOP)
                async for event in events:  # pragma: no branch
                    if event.kind is EventKind.STOPPED:
                        break
                assert state_of(pid) == "T"
        assert manager.info(pid).status is SessionStatus.RUNNING
        with Deathwatch(one.pid for one in observer.of(pid)) as deaths:
            began = time.monotonic()
            assert await manager.terminate_session(pid, force=True)
            seconds = time.monotonic() - began
            deaths.wait(timeout=0)
    figure(10, f"stopped: {who} killed", seconds * 1000, "ms", target="< 100 ms")


async def test_who_does_not_listen_is_gone_right_after_the_grace(manager, observer, figure):
    """Ours: SIGINT, one second for all at once, then SIGKILL."""
    deaf = "trap '' INT TERM HUP QUIT; sleep 600 & setsid sleep 600 & while :; do sleep 600; done"
    late = []
    pids = [await manager.start_session(deaf) for _ in range(8)]
    await run_sync(partial(observer.wait_for, "sleep", 3 * len(pids)))

    async def end(pid: int) -> None:
        began = time.monotonic()
        assert await manager.terminate_session(pid)
        late.append(time.monotonic() - began - GRACE_SECONDS)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for pid in pids:
                group.start_soon(end, pid)
    assert observer.alive() == []
    assert min(late) >= -0.05, "they had their grace"
    figure(11, "deaf trees gone after their grace", statistics.median(late) * 1000, "ms", target="< 100 ms")


@scaled("sessions", short=60, soak=1000)
async def test_cleanup_of_all_takes_one_grace(manager, observer, figure, sessions):
    """Ours: all at the same time; one after the other would take 1,000 graces."""
    deaf = "trap '' INT; setsid sleep 600 & while :; do sleep 600; done"
    for _ in range(sessions):
        await manager.start_session(deaf)
    await run_sync(partial(observer.wait_for, "sleep", 2 * sessions, timeout=60))
    with anyio.fail_after(60):
        began = time.monotonic()
        await manager.cleanup_all()
        seconds = time.monotonic() - began
    assert observer.alive() == []
    scale = f"{sessions} sessions × 3"
    figure(12, "cleanup_all of sessions that ignore SIGINT", seconds, "s", target="< grace + 2 s", scale=scale)
