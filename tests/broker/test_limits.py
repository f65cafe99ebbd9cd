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
        watched.loop.fire()
        assert watched.loop.delays[0] >= LOOK_SECONDS
        watched.limits.forget(roomy)
        tight = watched.session(Policy(max_memory_bytes=30 * MIB), pid=leader.pid)
        watched.loop.fire()
        watched.loop.fire()
        assert watched.exceeded == [(tight, "memory limit")]
        leader.communicate()
    assert resident_bytes(leader.pid) == fair_bytes(leader.pid) == 0
