"""Sessions that wait for their turn: behind other sessions, or for room among those that run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from vibesbox_kernel.broker.session import Session

logger = logging.getLogger(__name__)


class Queue:
    """First come, first served, in each group by itself.

    Args:
        sessions: Every session of the broker by its id.
        start: Lets a session start; its turn has come.
        give_up: Ends a session that will never have its turn; the second argument says why.
    """

    def __init__(
        self,
        sessions: Mapping[str, Session],
        *,
        start: Callable[[Session], None],
        give_up: Callable[[Session, str], None],
    ) -> None:
        self._sessions = sessions
        self._start = start
        self._give_up = give_up
        self._waiting: dict[Session, None] = {}  # in the order they came
        self._limits: dict[str | None, int] = {}

    def set_limit(self, group: str | None, limit: int | None) -> None:
        """How many sessions of a group may run at a time (of all, if it is None); None for any number."""
        if limit is None:
            self._limits.pop(group, None)
        else:
            self._limits[group] = limit
        self.turn()

    def may_start(self, session: Session) -> bool:
        """Whether a session that has just come need not wait; it does wait behind those before it."""
        ahead = any(other.policy.group == session.policy.group for other in self._waiting)
        return not (ahead and self._is_limited(session)) and not self._unfinished(session) and self._has_room(session)

    def add(self, session: Session) -> None:
        """Have a session wait."""
        self._waiting[session] = None

    def remove(self, session: Session) -> None:
        """A session waits no more; one that did not is fine."""
        self._waiting.pop(session, None)

    def turn(self) -> None:
        """Start what may start now, and give up what never will; call it whenever a session is over."""
        for session in list(self._waiting):
            if session not in self._waiting:
                continue
            dead_end = self._dead_end(session)
            if dead_end is not None:
                self.remove(session)
                self._give_up(session, dead_end)
            elif not self._unfinished(session) and self._has_room(session):
                self.remove(session)
                self._start(session)

    def _is_limited(self, session: Session) -> bool:
        return session.policy.group in self._limits or None in self._limits

    def _dead_end(self, session: Session) -> str | None:
        """Why a session will never start: one that it waits for has not succeeded."""
        for session_id in session.policy.after:
            before = self._sessions.get(session_id)
            if before is None:
                return f"session {session_id[:8]}, which it was to follow, has not succeeded or is not known any more"
            if before.over and not before.succeeded:
                return f"session {session_id[:8]}, which it was to follow, did not succeed"
        return None

    def _unfinished(self, session: Session) -> bool:
        befores = (self._sessions.get(session_id) for session_id in session.policy.after)
        return any(before is None or not (before.over and before.succeeded) for before in befores)

    def _has_room(self, session: Session) -> bool:
        if not self._is_limited(session):
            return True
        others = (one for one in self._sessions.values() if one is not session)
        running = [one for one in others if one.listed and not one.over and not one.queued]
        group = session.policy.group
        return self._fits(None, len(running)) and (
            group is None or self._fits(group, sum(one.policy.group == group for one in running))
        )

    def _fits(self, group: str | None, running: int) -> bool:
        limit = self._limits.get(group)
        return limit is None or running < limit
