"""Sessions that wait for their turn: behind other sessions, or for room among those that run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vibesbox_kernel.broker.session import Session


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
        self._waiting: dict[Session, set[str]] = {}  # in the order they came, with those that must succeed first
        self._followers: dict[str, list[Session]] = {}
        self._hopeless: dict[Session, str] = {}  # of those that wait; with the reason
        self._running: dict[str | None, set[Session]] = {None: set()}  # all of them, and by group
        self._limits: dict[str | None, int] = {}
        self._is_turning = self._turn_again = False

    def set_limit(self, group: str | None, limit: int | None) -> None:
        """How many sessions of a group may run at a time (of all, if it is None); None for any number."""
        if limit is None:
            self._limits.pop(group, None)
        else:
            self._limits[group] = limit
        self.turn()

    def may_start(self, session: Session) -> bool:
        """Whether a session that has just come need not wait: who could use the room that there is has had it."""
        return all(self._has_succeeded(one) for one in session.policy.after) and self._has_room(session)

    def add(self, session: Session) -> None:
        """Have a session wait."""
        awaited = {one for one in session.policy.after if not self._has_succeeded(one)}
        self._waiting[session] = awaited
        for session_id in awaited:
            before = self._sessions.get(session_id)
            if before is None or before is session or not before.listed:
                why = "has not succeeded or is not known any more"
                self._hopeless[session] = _dead_end(session_id, why)
            elif before.over:
                self._hopeless[session] = _dead_end(session_id, "did not succeed")
            else:
                self._followers.setdefault(session_id, []).append(session)

    def remove(self, session: Session) -> None:
        """A session waits no more; one that did not is fine."""
        self._hopeless.pop(session, None)
        for session_id in self._waiting.pop(session, ()):
            followers = self._followers.get(session_id, [])
            if session in followers:
                followers.remove(session)
            if not followers:
                self._followers.pop(session_id, None)

    def began(self, session: Session) -> None:
        """A session runs, and takes room until it is over."""
        self._running[None].add(session)
        if session.policy.group is not None:
            self._running.setdefault(session.policy.group, set()).add(session)

    def over(self, session: Session) -> None:
        """A session is over: there is room, and its success need not be known any longer to those that follow."""
        self.remove(session)
        self._running[None].discard(session)
        group = self._running.get(session.policy.group, set())
        group.discard(session)
        if not group and session.policy.group is not None:
            self._running.pop(session.policy.group, None)
        for follower in self._followers.pop(session.session_id, ()):
            if session.succeeded:
                self._waiting[follower].discard(session.session_id)
            else:
                self._hopeless[follower] = _dead_end(session.session_id, "did not succeed")
        self.turn()

    def turn(self) -> None:
        """Give up what never will start, and start what may now.

        Each of that may be the end of a session, which asks for another turn: that comes after this one,
        not within it, however many there are in a row.
        """
        self._turn_again = True
        if self._is_turning:
            return
        self._is_turning = True
        try:
            while self._turn_again:
                self._turn_again = False
                self._give_up_hopeless()
                self._start_ready()
        finally:
            self._is_turning = False

    def _give_up_hopeless(self) -> None:
        while self._hopeless:
            session, why = next(iter(self._hopeless.items()))
            self.remove(session)
            self._give_up(session, why)

    def _start_ready(self) -> None:
        for session in list(self._waiting):
            if not self._fits(None):
                return
            if self._waiting.get(session, True) or not self._has_room(session):
                continue  # it waits for others too, or has left meanwhile
            self.remove(session)
            self.began(session)
            self._start(session)

    def _has_succeeded(self, session_id: str) -> bool:
        before = self._sessions.get(session_id)
        return before is not None and before.over and before.succeeded

    def _has_room(self, session: Session) -> bool:
        return self._fits(None) and (session.policy.group is None or self._fits(session.policy.group))

    def _fits(self, group: str | None) -> bool:
        limit = self._limits.get(group)
        return limit is None or len(self._running.get(group, ())) < limit


def _dead_end(session_id: str, why: str) -> str:
    return f"session {session_id[:8]}, which it was to follow, {why}"
