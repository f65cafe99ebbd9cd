"""Which processes belong to which session, and signals to exactly those.

A process is of a session if it descends from the session's leader, or from an orphan that the broker
adopted (as their subreaper) and that carries the session's tag, or its marker in the environment.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.run import run_of
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.wire import SESSION_MARKER

_MOST_GENERATIONS = 1 << 12


class Trees:
    """The forest below the broker.

    ``leaders`` and the adopted orphans are direct children that only the broker reaps, so their pids
    can not be reused while they are in here: what was found out about an orphan stays true. Where the
    system does not let us adopt, it stays true as long as the time of the orphan's birth is the same.
    """

    def __init__(self) -> None:
        self.leaders: dict[int, Session] = {}
        self._by_tag: dict[int, Session] = {}
        self._by_leader: dict[int, Session] = {}
        self._adopted: dict[int, Session | None] = {}
        self._born: dict[int, int | None] = {}
        self._inner: dict[int, Session] = {}  # by the run of a broker that a session has started for itself

    def add(self, session: Session) -> None:
        """Know a session whose leader was just started."""
        self.leaders[session.pid] = session
        self._by_tag[session.tag] = session
        if not system.ADOPTS_ORPHANS:
            self._by_leader[session.pid] = session

    def reaped(self, pid: int) -> Session | None:
        """Forget a child that is no more; returns the session whose leader it was."""
        self._adopted.pop(pid, None)
        return self.leaders.pop(pid, None)

    def forget(self, session: Session) -> None:
        """Forget a session of which nothing is left."""
        self._by_tag.pop(session.tag, None)
        self._by_leader.pop(session.pid, None)
        self._inner = {run: outer for run, outer in self._inner.items() if outer is not session}

    def adopt(self) -> None:
        """Find out whose the orphans are that became our children since the last call."""
        if not system.ADOPTS_ORPHANS:
            self._forget_gone()
        for pid in system.orphans(SESSION_MARKER, self._by_leader):
            if pid not in self.leaders and pid not in self._adopted:
                if not system.ADOPTS_ORPHANS:
                    self._born[pid] = system.start_time(pid)  # first: what is found out then is of this one
                self._adopted[pid] = self._whose(pid)

    def owner(self, pid: int) -> Session | None:
        """Whose a child of ours is; an orphan that is new is looked at now, unless it was reaped meanwhile."""
        if pid in self.leaders:
            return self.leaders[pid]
        if pid not in self._adopted and system.ADOPTS_ORPHANS and system.parent(pid) == os.getpid():
            self._adopted[pid] = self._whose(pid)
        return self._adopted.get(pid)

    def session_of(self, pid: int) -> Session | None:
        """Whose any live process is: that of the child of ours that it descends from."""
        above: int | None = pid
        for _ in range(_MOST_GENERATIONS):
            if above is None or above <= 1:
                break
            whose = self.owner(above)
            if whose is not None:
                return whose
            above = system.parent(above)
        return None if system.ADOPTS_ORPHANS else self._whose(pid)

    def roots(self, session: Session) -> list[int]:
        """The session's processes that are our children: its leader, and its orphans once adopted."""
        if not system.ADOPTS_ORPHANS:
            self._forget_gone()
        orphans = [pid for pid, whose in self._adopted.items() if whose is session]
        return [session.pid, *orphans] if session.leader_alive else orphans

    def members(self, session: Session) -> list[int]:
        """Every live process of a session, its leader first."""
        return [pid for pid in system.descendants(self.roots(session)) if system.is_alive(pid)]

    def others(self, session: Session) -> list[int]:
        """Every live process of a session but its leader."""
        below = [pid for pid in system.descendants(self.roots(session)) if pid != session.pid]
        return [pid for pid in below if system.is_alive(pid)]

    def signal(self, session: Session, number: int, pids: Iterable[int]) -> int:
        """Signal processes, each only if it provably is of the session; returns how many got it.

        All are proved before the first is hit: its death may change the descent of the others.
        """
        belongs = self._belongs_to(session)
        proven = {pid: born for pid in pids if (born := system.start_time(pid)) is not None and belongs(pid)}

        def is_the_same(pid: int) -> bool:
            return system.start_time(pid) == proven[pid]

        return sum(system.signal_pinned(pid, number, belongs=is_the_same) for pid in proven)

    def signal_group(self, session: Session, number: int) -> None:
        """Signal the leader's process group at once, so that no child forked meanwhile is missed.

        Only while the leader is not reaped: until then its group's number can not be reused.
        """
        if session.leader_alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(session.pid, number)

    def signal_with_group(self, session: Session, number: int, pids: Iterable[int]) -> None:
        """Signal processes of a session: at once those of its leader's group, the others one by one."""
        group = session.pid if session.leader_alive else None
        self.signal_group(session, number)
        outside = [pid for pid in pids if group is None or system.process_group(pid) != group]
        self.signal(session, number, outside)

    def _whose(self, pid: int) -> Session | None:
        tag = system.tag_of(pid)
        session = self._by_tag.get(tag) or self._inner.get(run_of(tag))
        if session is not None:
            return session
        marker = system.marker_of(pid, SESSION_MARKER)
        if marker is None and not system.ADOPTS_ORPHANS:
            return self._by_leader.get(system.posix_session(pid) or 0)
        # A look at all of them: few processes come without the tag, and an index of ids costs each session memory.
        return next((session for session in self._by_tag.values() if session.session_id == marker), None)

    def _forget_gone(self) -> None:
        """Where others reap the orphans, nobody tells us of their end, and their pids may be others' by now."""
        for pid, born in list(self._born.items()):
            if not system.is_alive(pid) or system.start_time(pid) != born:
                del self._born[pid]
                self._adopted.pop(pid, None)

    def _belongs_to(self, session: Session) -> Callable[[int], bool]:
        def belongs(pid: int) -> bool:
            tag = system.tag_of(pid)
            if tag == session.tag:
                return True
            descends = self._descends(pid, session)
            if descends and tag:
                # Of a broker within the session: what that leaves behind, when it is killed, comes to us with this tag.
                self._inner[run_of(tag)] = session
            return descends

        return belongs

    def _descends(self, pid: int, session: Session) -> bool:
        """Walk up: from a process without the tag to a child of ours that is the session's."""
        roots = set(self.roots(session))
        for _ in range(_MOST_GENERATIONS):
            if pid in roots:
                return True
            above = system.parent(pid)
            if above is None or above <= 1:
                return False
            pid = above
        return False
