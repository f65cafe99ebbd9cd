"""What a session may not exceed: its time, its silence, and the resident memory of its tree."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.tree import Trees

TIMED_OUT = "timed out"
MEMORY_LIMIT = "memory limit"

LOOK_SECONDS = 0.25
LONGEST_LOOK_SECONDS = 1.0
CERTAIN_SECONDS = 0.03
"""A child of vfork(2) shows its parent's memory as its own until its exec: who is over is looked at twice."""

_COST_FACTOR = 100  # looking takes 1 % of a core, unless so many are watched that once a second takes more

OnExceeded = Callable[[Session, str], None]


class Limits:
    """Watches the sessions that have limits; those that have none cost nothing.

    All times are of the monotonic clock: one that is set meanwhile ends nothing.

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
        if not self._watched and self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None

    def _set(self, session: Session, which: int, seconds: float, callback: Callable[[], None]) -> None:
        self._timers[session][which] = self._loop.call_later(seconds, callback)

    def _exceeded(self, session: Session, reason: str) -> None:
        self.forget(session)
        self._on_exceeded(session, reason)

    def _look_for_silence(self, session: Session) -> None:
        """One timer for each session, set anew when it fires: output itself costs no more than a look at the clock."""
        left = (session.policy.idle_timeout or 0) - (time.monotonic() - session.active_at)
        if left <= 0:
            self._exceeded(session, TIMED_OUT)
        else:
            self._set(session, 1, left, lambda: self._look_for_silence(session))

    def _schedule(self, delay: float) -> None:
        if self._next_look is None:
            self._next_look = self._loop.call_later(delay, self._look_at_memory)

    def _look_at_memory(self) -> None:
        self._next_look = None
        began = time.thread_time()
        self._trees.adopt()
        over = {session for session in self._watched if self._is_over(session)}
        certain = over & self._suspects
        self._suspects = over - certain
        cost = time.thread_time() - began
        for session in certain:
            self._exceeded(session, MEMORY_LIMIT)
        if self._watched:
            pause = min(LONGEST_LOOK_SECONDS, max(LOOK_SECONDS, _COST_FACTOR * cost))
            self._schedule(CERTAIN_SECONDS if self._suspects else pause)

    def _is_over(self, session: Session) -> bool:
        """Whether the tree is over its limit, with what its processes share counted once where that can be told."""
        limit = session.policy.max_memory_bytes or 0
        members = system.descendants(self._trees.roots(session))
        if sum(map(resident_bytes, members)) <= limit:
            return False
        return sum(map(fair_bytes, members)) > limit


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
