"""When sessions are looked at for whether they wait for input, and what the looks cost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.broker.parts import a_session
from vibesbox_kernel.broker import stdin_watch
from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.stdin_evidence import KEYS, LINE, Evidence
from vibesbox_kernel.broker.stdin_watch import POLL_SECONDS, QUIET_SECONDS, StdinWatch
from vibesbox_kernel.broker.tree import Trees

READS = Evidence(LINE, 1, certain=True)
POLLS = Evidence(KEYS, 1, certain=False)


class ClockLoop(Loop):
    """Waits for nothing: its time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, Timer]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        self.due.append((self.now + delay, timer))
        return timer

    def go_on(self, seconds: float) -> None:
        """Let time pass, making the calls that are due in their order."""
        end = self.now + seconds
        while (first := min(self.coming, key=lambda one: one[0], default=None)) and first[0] <= end:
            self.due.remove(first)
            self.now = max(self.now, first[0])
            first[1].fire()
        self.now = end

    @property
    def coming(self) -> list[tuple[float, Timer]]:
        """The calls that are still to come."""
        self.due = [one for one in self.due if one[1].is_set]
        return self.due


class House:
    """A watch whose clock and whose looks are the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self.directory = directory
        self.loop = ClockLoop()
        self.took = 0.0001
        self.cpu = 0.0
        self.sees: dict[Session, Evidence | None] = {}
        self.looks: list[Session] = []
        self.changes: list[str | None] = []
        monkeypatch.setattr(stdin_watch, "look", self.look)
        monkeypatch.setattr(time, "monotonic", lambda: self.loop.now)
        monkeypatch.setattr(time, "thread_time", lambda: self.cpu)
        self.watch = StdinWatch(self.loop, Trees(), on_changed=lambda session: self.changes.append(session.waits_for))

    def look(self, session: Session, _roots: list[int]) -> Generator[None, None, Evidence | None]:
        self.looks.append(session)
        self.cpu += self.took
        yield from ()
        return self.sees.get(session)

    def session(self, number: int = 1) -> Session:
        session = a_session(self.directory, number, pid=os.getpid())
        session.input = 0
        session.active_at = self.loop.now
        self.watch.begin(session)
        return session

    def until(self, wanted: Callable[[], bool], *, at_most: float) -> float:
        """Seconds until something is so."""
        began = self.loop.now
        while not wanted():
            assert self.loop.now - began <= at_most
            self.loop.go_on(0.005)
        return self.loop.now - began


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> House:
    return House(monkeypatch, tmp_path)


def test_who_reads_is_known_soon_after_the_last_output(house: House):
    """Ours: a user does not notice so little."""
    session = house.session()
    house.sees[session] = READS
    assert house.until(lambda: session.waits_for == LINE, at_most=1) < 0.1
    assert house.changes == [LINE]


def test_who_only_polls_is_given_more_time(house: House):
    """Ours: many poll just before they do something else."""
    session = house.session()
    house.sees[session] = POLLS
    assert house.until(lambda: session.waits_for == KEYS, at_most=2) >= POLL_SECONDS


def test_one_look_alone_proves_nothing(house: House):
    """Ours: it may have read in passing."""
    session = house.session()
    house.sees[session] = READS
    house.until(lambda: bool(house.looks), at_most=1)
    house.sees[session] = None
    house.loop.go_on(1)
    assert house.changes == []


def test_as_long_as_output_comes_nobody_looks(house: House):
    """Ours: who writes does not wait."""
    session = house.session()
    for _ in range(100):
        session.active_at = house.loop.now
        house.watch.stirred(session)
        house.loop.go_on(QUIET_SECONDS / 2)
    assert house.looks == []


def test_what_was_given_input_waits_no_more_until_it_is_seen_to(house: House):
    """Ours: the next question is another one."""
    session = house.session()
    house.sees[session] = READS
    house.until(lambda: session.waits_for == LINE, at_most=1)
    house.watch.given(session)
    assert session.waits_for is None
    house.until(lambda: session.waits_for == LINE, at_most=1)
    assert house.changes == [LINE, None, LINE]


def test_a_session_at_work_is_looked_at_ever_less_often(house: House):
    """Ours: an idle machine stays idle."""
    house.session()
    house.loop.go_on(60)
    first, house.looks = len(house.looks), []
    house.loop.go_on(60)
    assert len(house.looks) <= 60 / stdin_watch.UNATTENDED_SECONDS + 1
    assert first < 60


def test_one_that_somebody_attends_to_is_looked_at_more_often(house: House):
    """Ours: but no more than four times a second."""
    session = house.session()
    house.watch.attend(session, attended=True)
    house.loop.go_on(60)
    house.looks = []
    house.loop.go_on(60)
    assert 200 < len(house.looks) <= 60 / stdin_watch.ATTENDED_SECONDS + 1


def test_output_after_a_long_silence_brings_the_next_look_near(house: House):
    """Ours: a prompt is output."""
    session = house.session()
    house.loop.go_on(60)
    house.sees[session] = READS
    session.active_at = house.loop.now
    house.watch.stirred(session)
    assert house.until(lambda: session.waits_for == LINE, at_most=5) < 0.1


@pytest.mark.parametrize(("count", "took"), [(1, 0.05), (300, 0.0005), (300, 0.005)])
def test_all_looks_together_take_a_percent_of_a_core_at_most(house: House, count: int, took: float):
    """Ours: however many sessions there are, and however large they are."""
    house.took = took
    for number in range(count):
        house.session(number + 1)
    house.loop.go_on(30)
    assert house.cpu <= 0.011 * 30 + took


def test_one_that_is_attended_to_does_not_stand_behind_all_others(house: House):
    """Ours: its user waits."""
    house.took = 0.001
    for number in range(300):
        house.session(number + 1)
    house.loop.go_on(30)
    session = house.session(301)
    house.sees[session] = READS
    house.watch.attend(session, attended=True)
    assert house.until(lambda: session.waits_for == LINE, at_most=5) < 0.2


@pytest.mark.parametrize("seen", [READS, POLLS, None])
def test_who_asks_is_told_when_a_look_has_come_to_something(house: House, seen: Evidence | None):
    """Ours: sooner than the next look would have been; what only polls is not said to wait yet."""
    session = house.session()
    house.loop.go_on(60)
    house.sees[session] = seen
    told: list[str | None] = []
    house.watch.look(session, on_seen=lambda: told.append(session.waits_for))
    assert told == []
    house.loop.go_on(0.1)
    assert told == [LINE if seen is READS else None]


def test_who_asks_about_what_is_over_is_told_at_once(house: House):
    """Ours: nobody is kept waiting for a look that will never be."""
    session = house.session()
    told: list[str | None] = []
    house.watch.look(session, on_seen=lambda: told.append(session.waits_for))
    house.watch.forget(session)
    house.watch.look(session, on_seen=lambda: told.append(session.waits_for))
    assert told == [None, None]


def test_what_is_over_is_not_looked_at(house: House):
    """Ours: nor is a timer kept for nobody."""
    session = house.session()
    session.leader_alive = False
    house.loop.go_on(1)
    assert house.looks == []
    assert house.loop.coming == []


def test_a_look_that_fails_stops_no_other(house: House, monkeypatch: pytest.MonkeyPatch):
    """Ours: a bug in one look must not blind us for ever."""
    session = house.session()
    looks = house.look

    def fail(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(stdin_watch, "look", fail)
    with pytest.raises(ValueError, match="a bug"):
        house.loop.go_on(0.1)
    monkeypatch.setattr(stdin_watch, "look", looks)
    house.sees[session] = READS
    house.until(lambda: session.waits_for == LINE, at_most=5)


def test_when_there_is_too_much_to_look_at_each_has_its_turn(house: House):
    """Ours: one that puts out something again and again does not keep us from the others."""
    house.took = 0.01
    sessions = [house.session(number + 1) for number in range(20)]
    for _ in range(600):
        for chatty in sessions[:5]:
            house.watch.stirred(chatty)
        house.loop.go_on(0.1)
    assert set(house.looks) == set(sessions)
