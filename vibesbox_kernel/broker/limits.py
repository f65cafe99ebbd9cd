"""What a session may not exceed: its time, its silence, and the resident memory of its tree."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.tree import Trees

logger = logging.getLogger(__name__)

TIMED_OUT = "timed out"
MEMORY_LIMIT = "memory limit"

LOOK_SECONDS = 0.25
LONGEST_LOOK_SECONDS = 1.0
CERTAIN_SECONDS = 0.03
"""A child of vfork(2) shows its parent's memory as its own until its exec: who is over is looked at twice."""

SLICE_SECONDS = 0.002
"""How long a look goes on before the loop gets its turn; one large process may take 20 ms by itself."""

_COST_FACTOR = 100

OnExceeded = Callable[[Session, str], None]
Look = Generator[set[Session] | None, None, None]
"""Yields None for the loop's turn, and at last the sessions that are to end."""


class Limits:
    """Watches the sessions that have limits; those that have none cost nothing.

    All times are of the monotonic clock: one that is set meanwhile ends nothing.

    To sum up resident bytes takes 1 % of a core, unless so many processes are watched that once a second
    takes more. What is shared is expensive to tell: for all trees together that takes 1 % too, so one of
    gigabytes in many processes may exceed its limit for half a minute before it is seen.

    Args:
        on_exceeded: Called once for each watch, with the reason for the end: ``timed out`` or ``memory limit``.
    """

    def __init__(self, loop: Loop, trees: Trees, *, on_exceeded: OnExceeded) -> None:
        self._loop = loop
        self._trees = trees
        self._on_exceeded = on_exceeded
        self._timers: dict[Session, list[Timer | None]] = {}
        self._watched: set[Session] = set()
        self._suspects: set[Session] = set()
        self._next_look: Timer | None = None
        self._looking: Look | None = None
        self._slice_ends = 0.0
        self._cost = 0.0  # of this look so far
        self._fair: dict[Session, tuple[float, float]] = {}  # what it cost to tell what is shared, and when next

    def watch(self, session: Session) -> None:
        """Watch a session from now on, by its policy; if it was watched already, its time begins anew."""
        self.forget(session)
        policy = session.policy
        if policy.timeout is not None or policy.idle_timeout is not None:
            self._timers[session] = [None, None]
        if policy.timeout is not None:
            self._set(session, 0, policy.timeout, lambda: self._exceeded(session, TIMED_OUT))
        if policy.idle_timeout is not None:
            session.active_at = time.monotonic()
            self._set(session, 1, policy.idle_timeout, lambda: self._look_for_silence(session))
        if policy.max_memory_bytes is not None:
            self._watched.add(session)
            self._schedule(LOOK_SECONDS)

    def forget(self, session: Session) -> None:
        """Watch a session no more: it is over, or on its way there."""
        for timer in self._timers.pop(session, []):
            if timer is not None:
                timer.cancel()
        self._watched.discard(session)
        self._suspects.discard(session)
        self._fair.pop(session, None)
        if not self._watched and self._next_look is not None:
            self._next_look.cancel()
            self._next_look = self._looking = None

    def _set(self, session: Session, which: int, seconds: float, callback: Callable[[], None]) -> None:
        self._timers[session][which] = self._loop.call_later(seconds, callback)

    def _exceeded(self, session: Session, reason: str) -> None:
        self.forget(session)
        self._on_exceeded(session, reason)

    def _look_for_silence(self, session: Session) -> None:
        """One timer for each session, set anew when it fires: output itself costs no more than a look at the clock."""
        if session.waits_for_room:
            session.active_at = time.monotonic()  # it is not silent: its reader is slow
        left = (session.policy.idle_timeout or 0) - (time.monotonic() - session.active_at)
        if left <= 0:
            self._exceeded(session, TIMED_OUT)
        else:
            self._set(session, 1, left, lambda: self._look_for_silence(session))

    def _schedule(self, delay: float) -> None:
        if self._next_look is None:
            self._next_look = self._loop.call_later(delay, self._look_at_memory)

    def _look_at_memory(self) -> None:
        """Go on with a look for a slice of time, or begin one; then whoever is over for certain is named."""
        self._next_look = None
        began = time.thread_time()
        self._slice_ends = began + SLICE_SECONDS
        looking, self._looking = self._looking or self._look(), None
        certain: set[Session] | None = set()
        pause = LONGEST_LOOK_SECONDS
        try:
            certain = next(looking)
            self._cost += time.thread_time() - began
            pause = 0.0 if certain is None else self._pause()
        except OSError as error:  # no descriptor is free just now: that says nothing of the sessions
            logger.warning("the sessions' memory could not be looked at: %s", error)
        finally:  # first of all: whatever goes wrong, the next look comes
            self._looking = looking if certain is None else None
            if self._watched:
                self._schedule(pause)
        for session in certain or ():
            self._exceeded(session, MEMORY_LIMIT)

    def _pause(self) -> float:
        if self._suspects:
            return CERTAIN_SECONDS
        return min(LONGEST_LOOK_SECONDS, max(LOOK_SECONDS, _COST_FACTOR * self._cost))

    def _look(self) -> Look:
        """One look at all that are watched."""
        self._cost = 0.0
        self._trees.adopt()
        over: set[Session] = set()
        for session in list(self._watched):
            if session in self._watched and (yield from self._is_over(session)):
                over.add(session)
            if time.thread_time() > self._slice_ends:
                yield None
        over &= self._watched  # some may have ended meanwhile
        certain = over & self._suspects
        self._suspects = over - certain
        yield certain

    def _is_over(self, session: Session) -> Generator[None, None, bool]:
        """Whether the tree is over its limit, with what its processes share counted once where that can be told."""
        limit = session.policy.max_memory_bytes or 0
        members = system.descendants(self._trees.roots(session))
        sizes = list(map(resident_bytes, members))
        cost, not_before = self._fair.get(session, (0.0, 0.0))
        may_tell = session in self._suspects or time.monotonic() >= not_before
        if may_tell and session not in self._suspects:
            self._fair.pop(session, None)
            cost = 0.0
        if sum(sizes) <= limit or not may_tell:
            return False
        most, total = sum(sizes), 0
        for pid, size in zip(members, sizes, strict=True):
            began = time.thread_time()
            part = fair_bytes(pid)
            took = time.thread_time() - began
            cost, self._cost = cost + took, self._cost - took
            most, total = most - size + part, total + part
            if total > limit or most <= limit:
                break
            if time.thread_time() > self._slice_ends:
                yield None
        self._paid(session, cost)
        return total > limit

    def _paid(self, session: Session, cost: float) -> None:
        """Telling what is shared is not done again before all that do it cost 1 % of a core together."""
        if session in self._watched:
            others = sum(known for one, (known, _) in self._fair.items() if one is not session)
            self._fair[session] = (cost, time.monotonic() + _COST_FACTOR * (others + cost) - LOOK_SECONDS)


def resident_bytes(pid: int) -> int:
    """Resident bytes of a process, those that it shares included; 0 when it is gone."""
    figures = system.usage(pid)
    return figures[1] if figures is not None else 0


def fair_bytes(pid: int) -> int:
    """Resident bytes of a process, of shared ones its part only: four forks of 1 GiB are not 4 GiB.

    It takes milliseconds for large processes, so it is asked only of a tree that seems to be over its limit.

    Source: proc(5), /proc/pid/smaps_rollup.
    """
    try:
        descriptor = os.open(f"/proc/{pid}/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return resident_bytes(pid)
    try:
        for line in os.read(descriptor, 4096).splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # it is gone, or a set-uid program
        pass
    finally:
        os.close(descriptor)
    return resident_bytes(pid)
