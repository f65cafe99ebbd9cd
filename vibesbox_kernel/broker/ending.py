"""The two-stage end of sessions: SIGINT, a grace, then SIGKILL until nothing of the tree is left."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.killing import LAST_SECONDS, freeze
from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.tree import Trees

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 0.002
SLOW_SWEEP_SECONDS = 0.1
GIVE_UP_SECONDS = 5.0
"""How long SIGKILL is repeated before what is left is reported as survivors."""


Survivors = dict[int, str]
OnDone = Callable[[Survivors], None]


@dataclass(slots=True, eq=False)
class Ending:
    """One session on its way out."""

    session: Session
    reason: str
    kill_at: float
    waiting: list[OnDone] = field(default_factory=list)
    give_up_at: float | None = None
    gave_up: bool = False
    last_at: float = 0.0
    swept: bool = False
    stopped: set[int] = field(default_factory=set)

    def done(self, survivors: Survivors) -> None:
        """Tell those who wait, once."""
        waiting, self.waiting = self.waiting, []
        for on_done in waiting:
            on_done(survivors)


class Endings:
    """All sessions that are being ended, at the same time."""

    def __init__(self, loop: Loop, trees: Trees) -> None:
        self._loop = loop
        self._trees = trees
        self._endings: dict[Session, Ending] = {}
        self._next_sweep: Timer | None = None
        self._next_sweep_at = 0.0

    def __contains__(self, session: Session) -> bool:
        return session in self._endings

    def begin(self, session: Session, *, reason: str, grace: float, on_done: OnDone | None = None) -> None:
        """End a session; with a grace of 0 it is killed now, also if it was being ended softly.

        ``on_done`` is called once: with nothing when the tree is gone, else with what is left and why.
        """
        ending = self._endings.get(session)
        now = time.monotonic()
        if ending is None:
            ending = self._endings[session] = Ending(session, reason, now + grace)
            if grace > 0:
                self._ask(session)
        elif grace == 0 or not ending.reason:  # without a reason only what the leader left was being ended
            ending.kill_at = min(ending.kill_at, now + grace)
            ending.reason = reason
        if on_done is not None:
            ending.waiting.append(on_done)
        if ending.gave_up:
            ending.gave_up, ending.give_up_at = False, None
        self._schedule(0 if grace == 0 else SWEEP_SECONDS)

    def over(self, session: Session) -> Ending | None:
        """The session's tree is gone: returns its ending, if it was being ended."""
        return self._endings.pop(session, None)

    def _ask(self, session: Session) -> None:
        """Stage one; SIGCONT after it, because a stopped process can not take the hint."""
        self._trees.adopt()
        members = self._trees.members(session)
        # Looked up first: a shell that stops itself because of the hint does so to hand over.
        stopped = [pid for pid in members if system.is_stopped(pid)]
        self._trees.signal_with_group(session, signal.SIGINT, members)
        if not session.settled:
            self._trees.signal(session, signal.SIGCONT, stopped)

    def _schedule(self, delay: float) -> None:
        due = time.monotonic() + delay
        if self._next_sweep is not None:
            if self._next_sweep_at <= due:
                return
            self._next_sweep.cancel()
        self._next_sweep = self._loop.call_later(delay, self._sweep)
        self._next_sweep_at = due

    def _sweep(self) -> None:
        self._next_sweep = None
        now = time.monotonic()
        quick = SLOW_SWEEP_SECONDS  # if /proc can not be read just now
        try:
            due = [ending for ending in self._endings.values() if ending.kill_at <= now and not ending.gave_up]
            if due:
                self._trees.adopt()
            for ending in due:
                self._kill(ending, now)
            quick = SWEEP_SECONDS
        finally:
            self._sweep_again(now, quick)

    def _sweep_again(self, now: float, quick: float) -> None:
        pending = [ending for ending in self._endings.values() if not ending.gave_up]
        if not pending:
            return
        next_kill = min(ending.kill_at for ending in pending)
        oldest = min((ending.give_up_at or now + GIVE_UP_SECONDS) for ending in pending)
        pause = quick if oldest - now > GIVE_UP_SECONDS - 1 else SLOW_SWEEP_SECONDS
        self._schedule(max(pause, next_kill - now))

    def _kill(self, ending: Ending, now: float) -> None:
        if ending.give_up_at is None:
            ending.give_up_at = now + GIVE_UP_SECONDS
            ending.last_at = now + LAST_SECONDS
        session = ending.session
        if ending.swept and not self._freeze(ending):
            ending.give_up_at = min(now + GIVE_UP_SECONDS, ending.last_at)  # as long as there is progress
            if now < ending.last_at:
                return
        members = self._trees.members(session)
        self._trees.signal(session, signal.SIGKILL, members)
        ending.swept = True
        ending.stopped.clear()
        if now < ending.give_up_at or not members:
            return
        ending.gave_up = True
        survivors = {pid: system.describe(pid) for pid in self._trees.members(session)}
        logger.warning("session=%s outlived SIGKILL: %s", session.session_id, survivors)
        ending.done(survivors)

    def _freeze(self, ending: Ending) -> bool:
        """Something was left by a sweep, and may fork as fast as we kill."""
        session = ending.session

        def members() -> list[int]:
            self._trees.adopt()
            return self._trees.members(session)

        return freeze(
            ending.stopped,
            members=members,
            stop=lambda pid: self._trees.signal(session, signal.SIGSTOP, [pid]),
        )
