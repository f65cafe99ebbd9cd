"""What is done for running sessions besides their streams: figures, limits, and a look once a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from resource import struct_rusage

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.budget import Budget
from vibesbox_kernel.broker.cgroup import Cgroups
from vibesbox_kernel.broker.limits import MEMORY_LIMIT, Limits, OnExceeded
from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.sampler import Sampler
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.tree import Trees

TICK_SECONDS = 1.0


class Upkeep:
    """Looks after every session from its start to its end.

    Args:
        budget: What all sessions may store.
        cgroups: Where memory limits can be exact; None where no cgroup is ours to fill.
        on_exceeded: Called when a session has met a limit, with the reason for its end.
        on_changed: Called when the disk has begun or ceased to refuse a session's output.
    """

    def __init__(
        self,
        loop: Loop,
        trees: Trees,
        *,
        budget: Budget,
        cgroups: Cgroups | None,
        on_exceeded: OnExceeded,
        on_changed: Callable[[Session], None],
    ) -> None:
        self._loop = loop
        self._budget = budget
        self._cgroups = cgroups
        self._on_changed = on_changed
        self._sampler = Sampler(loop, trees)
        self._limits = Limits(loop, trees, on_exceeded=on_exceeded)
        self._running: dict[Session, str | None] = {}  # with the problem that its output had
        self._next_tick: Timer | None = None

    @property
    def interval(self) -> float:
        """Seconds between two samples of the sessions' figures."""
        return self._sampler.interval

    def begin(self, session: Session) -> None:
        """A session runs: for the first time, or again."""
        self._running[session] = session.spool.problem
        self._sampler.add(session)
        self._limits.watch(session)
        if self._next_tick is None:
            self._next_tick = self._loop.call_later(TICK_SECONDS, self._tick)

    def pause(self, session: Session) -> None:
        """It has no process just now, and is to be started again."""
        self._limits.forget(session)
        if self._cgroups is not None and session.policy.max_memory_bytes is not None:
            self._cgroups.remove(session.session_id)  # the next run is to have one of its own

    def reaped(self, session: Session | None, used: struct_rusage) -> None:
        """Count what a leader or an orphan has used until its end."""
        self._sampler.reaped(session, used)

    def over(self, session: Session) -> None:
        """Its figures are final; says in ``end_reason`` if the kernel has ended it for its memory."""
        self._running.pop(session, None)
        self._limits.forget(session)
        self._sampler.over(session)
        session.usage = self.figures(session)
        if self._cgroups is not None and session.policy.max_memory_bytes is not None:
            if self._cgroups.was_hit(session.session_id):
                session.end_reason = MEMORY_LIMIT
            self._cgroups.remove(session.session_id)

    def forget(self, session: Session) -> None:
        """It is not remembered any more."""
        self._sampler.forget(session)
        self._budget.forget(session.spool, removed=not session.listed)

    def look(self) -> None:
        """Measure now, for somebody who asks, unless that was just done."""
        self._sampler.look()

    def figures(self, session: Session) -> list[float] | None:
        """What a record says of a session's use; None before it has begun."""
        usage = self._sampler.latest(session)
        if usage is None:
            return None
        return [usage.cpu, usage.rss, usage.peak_rss, usage.processes, usage.read_bytes, usage.written_bytes]

    def figures_with_leader(self, session: Session) -> list[float]:
        """The same with what the leader alone tells now, which is all that there is of a short session."""
        figures = self.figures(session) or [0.0] * 6
        seen = system.usage(session.pid)
        if seen is not None:
            cpu, rss = seen
            figures[0], figures[2] = max(figures[0], cpu), max(figures[2], rss)
        return figures

    def history(self, session: Session) -> list[list[float]]:
        """A session's figures since its start; see ``Sampler.history``."""
        return self._sampler.history(session)

    def _tick(self) -> None:
        self._next_tick = self._loop.call_later(TICK_SECONDS, self._tick) if self._running else None
        self._budget.go_on_looking()
        now = time.monotonic()
        for session, before in list(self._running.items()):
            counted_anew = session.spool.suspend_if_idle(now)
            if counted_anew or session.spool.problem != before:
                self._running[session] = session.spool.problem
                self._on_changed(session)
