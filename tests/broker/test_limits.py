"""Limits of time, silence and memory, on a loop whose timers fire when the test says."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.broker.parts import HandLoop, a_session
from vibesbox_kernel.broker import limits as limits_module
from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.limits import CERTAIN_SECONDS, LOOK_SECONDS, Limits, fair_bytes, resident_bytes
from vibesbox_kernel.broker.policy import Policy
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.tree import Trees

MIB = 1 << 20


class Watched:
    """Limits, and what they said."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loop, self.trees = HandLoop(), Trees()
        self.exceeded: list[tuple[Session, str]] = []
        self.limits = Limits(self.loop, self.trees, on_exceeded=lambda *what: self.exceeded.append(what))

    def look(self) -> None:
        """A whole look at their memory, all its slices."""
        self.loop.fire()
        while self.loop.delays[:1] == [0.0]:
            self.loop.fire()

    def session(self, policy: Policy, *, pid: int = 0) -> Session:
        session = a_session(self.directory, len(self.trees._by_tag) + 1, pid=pid, policy=policy)
        self.trees.add(session)
        self.limits.watch(session)
        return session


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_session_without_limits_costs_nothing(watched: Watched):
    """Ours: no timer, no entry."""
    watched.session(Policy(nice=5))
    assert watched.loop.delays == []


def test_a_session_whose_time_is_up_is_named_once(watched: Watched):
    """Ours: the time runs from the watch on."""
    session = watched.session(Policy(timeout=5.0, idle_timeout=9.0))
    assert watched.loop.delays == [5.0, pytest.approx(9.0)]
    watched.loop.fire()
    assert watched.exceeded == [(session, "timed out")]
    assert watched.loop.delays == []


def test_output_defers_the_end_of_a_silent_session_without_a_timer_of_its_own(watched: Watched):
    """Ours: the one timer looks how long the silence has been, and is set anew for what is left of it."""
    session = watched.session(Policy(idle_timeout=60.0))
    for ago in (20.0, 5.0):
        session.active_at = time.monotonic() - ago
        watched.loop.fire()
        assert watched.exceeded == []
        assert watched.loop.delays == [pytest.approx(60.0 - ago, abs=10)]
    session.active_at = time.monotonic() - 60.0
    watched.loop.fire()
    assert watched.exceeded == [(session, "timed out")]


def test_a_session_that_waits_for_room_is_not_silent(watched: Watched):
    """Ours: its reader is slow, whatever is below a second; its silence begins when it may write again."""
    session = watched.session(Policy(idle_timeout=0.3))
    session.waits_for_room = True
    session.active_at -= 60.0
    watched.loop.fire()
    assert watched.exceeded == []
    assert watched.loop.delays == [pytest.approx(0.3, abs=0.1)]
    session.waits_for_room = False
    session.active_at -= 60.0
    watched.loop.fire()
    assert watched.exceeded == [(session, "timed out")]


def test_the_clock_on_the_wall_ends_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    """Ours: durations are monotonic."""
    watched.session(Policy(idle_timeout=60.0))
    monkeypatch.setattr(time, "time", lambda: 1e12)
    watched.loop.fire()
    assert watched.exceeded == []


def test_a_session_that_is_over_is_watched_no_more(watched: Watched):
    """Ours: nothing is left of its watch."""
    policy = Policy(timeout=5.0, idle_timeout=9.0, max_memory_bytes=1)
    session = watched.session(policy)
    watched.limits.forget(session)
    assert watched.loop.delays == []
    watched.limits.forget(session)


def test_memory_is_looked_at_four_times_a_second_and_a_suspect_at_once_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
):
    """Ours: a child of vfork shows its parent's memory as its own for a moment, and that ends nothing."""
    sizes = {100: 50 * MIB, 200: 10 * MIB}
    monkeypatch.setattr(limits_module, "resident_bytes", sizes.__getitem__)
    monkeypatch.setattr(limits_module, "fair_bytes", sizes.__getitem__)
    monkeypatch.setattr(system, "descendants", lambda roots: roots)
    monkeypatch.setattr(watched.trees, "adopt", lambda: None)
    watched.session(Policy(max_memory_bytes=20 * MIB), pid=200)
    large = watched.session(Policy(max_memory_bytes=60 * MIB), pid=100)
    assert watched.loop.delays == [LOOK_SECONDS]
    watched.loop.fire()
    assert watched.loop.delays == [LOOK_SECONDS]
    sizes[100] = 70 * MIB
    watched.loop.fire()
    assert (watched.exceeded, watched.loop.delays) == ([], [CERTAIN_SECONDS])
    sizes[100] = 50 * MIB
    watched.loop.fire()
    assert (watched.exceeded, watched.loop.delays) == ([], [LOOK_SECONDS])
    sizes[100] = 70 * MIB
    watched.loop.fire()
    watched.loop.fire()
    assert watched.exceeded == [(large, "memory limit")]
    assert watched.loop.delays == [LOOK_SECONDS]


def test_a_look_that_fails_is_not_the_last_one(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    """Ours: without a free descriptor nothing can be looked at; with one again, it is."""
    monkeypatch.setattr(limits_module, "resident_bytes", lambda pid: 2 * MIB)
    monkeypatch.setattr(limits_module, "fair_bytes", lambda pid: 2 * MIB)
    monkeypatch.setattr(system, "descendants", lambda roots: roots)
    session = watched.session(Policy(max_memory_bytes=MIB), pid=100)
    refusals = iter([OSError(24, "Too many open files"), RuntimeError("a mistake")])

    def adopt() -> None:
        if (refusal := next(refusals, None)) is not None:
            raise refusal

    monkeypatch.setattr(watched.trees, "adopt", adopt)
    watched.loop.fire()
    with pytest.raises(RuntimeError):
        watched.loop.fire()
    watched.look()
    watched.look()
    assert watched.exceeded == [(session, "memory limit")]


class Costly:
    """Processes of 10 MiB each, of which 3 are its own: telling that takes 20 ms of the processor's time."""

    def __init__(self, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used = 0.0
        self.now = 1000.0
        self.told: list[int] = []
        monkeypatch.setattr(limits_module, "resident_bytes", lambda pid: 10 * MIB)
        monkeypatch.setattr(limits_module, "fair_bytes", self.fair_bytes)
        monkeypatch.setattr(system, "descendants", lambda roots: [one for pid in roots for one in range(pid, pid + 10)])
        monkeypatch.setattr(watched.trees, "adopt", lambda: None)
        monkeypatch.setattr(time, "thread_time", lambda: self.used)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def fair_bytes(self, pid: int) -> int:
        self.told.append(pid)
        self.used += 0.02
        return 3 * MIB


def test_what_processes_share_is_told_one_process_at_a_time(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    """Ours: the loop has its turn after each, and nothing is asked that can not change the verdict."""
    costly = Costly(watched, monkeypatch)
    watched.session(Policy(max_memory_bytes=60 * MIB), pid=100)
    for told in range(1, 6):
        watched.loop.fire()
        assert len(costly.told) == told
        assert watched.loop.delays == [0.0]
    watched.loop.fire()  # 6 of 3 MiB and 4 of at most 10 are within the limit
    assert len(costly.told) == 6
    watched.look()
    assert len(costly.told) == 6


def test_a_tree_that_is_over_is_not_looked_at_to_its_end(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    """Ours: over is over; and a session that ends meanwhile is not named."""
    costly = Costly(watched, monkeypatch)
    session = watched.session(Policy(max_memory_bytes=7 * MIB), pid=100)
    watched.look()
    assert costly.told == [100, 101, 102]
    watched.look()
    assert costly.told == [100, 101, 102] * 2
    assert watched.exceeded == [(session, "memory limit")]
    gone = watched.session(Policy(max_memory_bytes=7 * MIB), pid=200)
    watched.loop.fire()
    watched.limits.forget(gone)
    assert watched.loop.delays == []
    assert len(watched.exceeded) == 1


def test_telling_what_is_shared_costs_one_hundredth_and_others_are_looked_at_meanwhile(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
):
    """Ours: 6 processes take 120 ms, so two such trees wait for 24 s; the sums that are cheap go on."""
    costly = Costly(watched, monkeypatch)
    for pid in (100, 200):
        watched.session(Policy(max_memory_bytes=60 * MIB), pid=pid)
        watched.look()
    watched.look()
    told = len(costly.told)
    for _ in range(20):
        costly.now += 1.0
        watched.look()
        assert watched.loop.delays == [LOOK_SECONDS]
    assert len(costly.told) - told <= 6  # the first may have begun its wait when it was alone
    sudden = watched.session(Policy(max_memory_bytes=5 * MIB), pid=300)
    watched.look()
    watched.look()
    assert watched.exceeded == [(sudden, "memory limit")]
    costly.now += 60.0
    told = len(costly.told)
    watched.look()
    assert len(costly.told) == told + 12


@pytest.mark.skipif(sys.platform != "linux", reason="smaps_rollup is Linux's")
def test_memory_that_processes_share_counts_once(watched: Watched):
    """Linux: three forks of a process of 40 MiB have 160 MiB resident by statm, and 40 in truth."""
    script = (
        "import os, sys\ndata = bytearray(40 << 20)\nfor at in range(0, len(data), 4096): data[at] = 1\n"
        "for _ in range(3):\n if not os.fork(): os.read(0, 1); os._exit(0)\n"
        "print(flush=True)\nos.read(0, 1)\nfor _ in range(3): os.wait()"
    )
    argv = [sys.executable, "-I", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        roomy = watched.session(Policy(max_memory_bytes=100 * MIB), pid=leader.pid)
        pids = system.descendants([leader.pid])
        assert sum(map(resident_bytes, pids)) > 160 * MIB
        assert 40 * MIB < sum(map(fair_bytes, pids)) < 100 * MIB
        watched.look()
        assert watched.exceeded == []
        watched.limits.forget(roomy)
        tight = watched.session(Policy(max_memory_bytes=30 * MIB), pid=leader.pid)
        watched.look()
        watched.look()
        assert watched.exceeded == [(tight, "memory limit")]
        leader.communicate()
    assert resident_bytes(leader.pid) == fair_bytes(leader.pid) == 0
