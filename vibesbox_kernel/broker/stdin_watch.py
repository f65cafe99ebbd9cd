"""Watches which sessions wait for input, and bounds what the watching costs.

A session is looked at soon after it has fallen silent, and again after a short while: two looks that say the
same make it so. As long as nothing stirs, the looks come ever less often. What all looks together take is
at most a share of one core, a larger one for sessions that somebody attends to, ready to answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.stdin_evidence import Evidence, look
from vibesbox_kernel.broker.tree import Trees

logger = logging.getLogger(__name__)

QUIET_SECONDS = 0.02
"""Who has put out something more recently goes on working, most likely."""

CONFIRM_SECONDS = 0.015
POLL_SECONDS = 0.4
"""How long one must poll before it is taken for waiting: many poll just before they do something else."""

DIGEST_SECONDS = 0.05
"""What is fed arrives by way of the kernel's own threads; until then its reader looks as if it had got nothing."""

ATTENDED_SECONDS = 0.25
UNATTENDED_SECONDS = 4.0
"""The longest pause between two looks, if somebody is ready to answer, and if not."""

MAX_ASKING = 8
"""So many who want to know what a look comes to are kept waiting; the others are told what is known."""

ATTENDED_FACTOR = 20
UNATTENDED_FACTOR = 100
"""After a look the pause is at least so many times what it took: five percent of a core, and one."""


@dataclass(slots=True)
class _Watched:
    """One session's state.

    Attributes:
        due: When it is to be looked at next.
        pause: How long after a look that finds nothing.
        attended: Somebody is ready to answer.
        evidence: What the last look has found.
        since: When that was first found.
        on_seen: Who wants to know when a look has come to something.
    """

    due: float
    pause: float = QUIET_SECONDS
    attended: bool = False
    evidence: Evidence | None = None
    since: float = 0.0
    on_seen: tuple[Callable[[], None], ...] = ()

    def tell(self) -> None:
        """A look has come to something, or there is nothing to look at."""
        waiting, self.on_seen = self.on_seen, ()
        for on_seen in waiting:
            on_seen()


class StdinWatch:
    """Keeps ``Session.waits_for`` true.

    Args:
        trees: Says where a session's processes begin.
        on_changed: Called when a session has begun or ceased to wait, or waits for another kind of input.
    """

    def __init__(self, loop: Loop, trees: Trees, *, on_changed: Callable[[Session], None]) -> None:
        self._loop = loop
        self._trees = trees
        self._on_changed = on_changed
        self._sessions: dict[Session, _Watched] = {}
        self._free_at = {True: 0.0, False: 0.0}
        self._looking: tuple[Session, Generator[None, None, Evidence | None]] | None = None
        self._cost = 0.0
        self._timer: Timer | None = None
        self._timer_at = 0.0

    def begin(self, session: Session) -> None:
        """A session runs: for the first time, or again."""
        if session.input >= 0:
            self._sessions[session] = _Watched(due=time.monotonic() + QUIET_SECONDS)
            self._set_timer()

    def forget(self, session: Session) -> None:
        """It can not read any more."""
        session.waits_for = None
        watched = self._sessions.pop(session, None)
        if watched is not None:
            watched.tell()
            if not self._sessions:
                self._rest()

    def attend(self, session: Session, *, attended: bool) -> None:
        """Somebody is ready to answer, or is no more."""
        watched = self._sessions.get(session)
        if watched is not None:
            watched.attended = attended
            self._look_soon(watched)

    def look(self, session: Session, *, on_seen: Callable[[], None]) -> None:
        """Look soon; what is seen is in ``Session.waits_for`` when ``on_seen`` is called.

        Whoever is not sure to wait yet, since it only polls, is not said to.
        """
        watched = self._sessions.get(session)
        if watched is None or session.waits_for is not None or len(watched.on_seen) >= MAX_ASKING:
            on_seen()
        else:
            watched.on_seen += (on_seen,)
            self._look_soon(watched)

    def stirred(self, session: Session) -> None:
        """It has put out something; cheap, and often."""
        watched = self._sessions.get(session)
        if watched is not None and watched.pause > QUIET_SECONDS:
            self._look_soon(watched)

    def given(self, session: Session) -> None:
        """It is being given input: whatever it has waited for, it waits no more until it is seen to."""
        watched = self._sessions.get(session)
        if watched is not None:
            watched.evidence = None
            self._set(session, None)
            watched.due = time.monotonic() + DIGEST_SECONDS
            watched.pause = ATTENDED_SECONDS  # output makes it sooner: the echo shows that it has arrived
            self._set_timer()

    def _look_soon(self, watched: _Watched) -> None:
        watched.pause = QUIET_SECONDS
        watched.due = min(watched.due, time.monotonic() + QUIET_SECONDS)
        self._turn_at(self._when(watched))  # without a look at all the others: output comes often

    def _set_timer(self) -> None:
        if self._sessions:
            self._turn_at(min(map(self._when, self._sessions.values())))

    def _turn_at(self, at: float) -> None:
        """Have the next turn then, if none comes sooner."""
        if self._looking is not None:
            return  # its next slice comes at once, and then whatever is due
        if self._timer is not None and self._timer.is_set:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._turn)

    def _when(self, watched: _Watched) -> float:
        return max(watched.due, self._free_at[watched.attended])

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._looking = None

    def _turn(self) -> None:
        """Go on with the look that has begun, or look at the session whose turn it is."""
        self._timer = None
        try:
            if self._looking is None:
                self._choose()
            if self._looking is not None:
                self._go_on(*self._looking)
        finally:
            if self._looking is not None:
                self._timer = self._loop.call_later(0.0, self._turn)
            else:
                self._set_timer()

    def _choose(self) -> None:
        if not self._sessions:
            return
        # Among those that only the budget holds up the one that has waited longest.
        session, watched = min(self._sessions.items(), key=lambda one: (self._when(one[1]), one[1].due))
        now = time.monotonic()
        if self._when(watched) > now:
            return
        if session.over or session.settled or not session.leader_alive or session.input < 0:
            self.forget(session)
        elif session.stopped or session.unwritten:
            watched.due = now + watched.pause
        elif now < session.active_at + QUIET_SECONDS:
            watched.due = session.active_at + QUIET_SECONDS
            watched.tell()
        else:
            self._cost = 0.0
            watched.due = now + watched.pause  # should the look fail
            self._looking = session, look(session, self._trees.roots(session))

    def _go_on(self, session: Session, looking: Generator[None, None, Evidence | None]) -> None:
        """Make the next slice of a look, and conclude if it was the last."""
        began, evidence = time.thread_time(), None
        self._looking = None  # should it fail, the next look is another session's
        try:
            next(looking)
            self._looking = session, looking
        except StopIteration as done:
            evidence = done.value
        except OSError as error:
            logger.debug("session=%s could not be looked at: %s", session.session_id, error)
        self._cost += time.thread_time() - began
        if self._looking is not None:
            return
        watched = self._sessions.get(session)
        if watched is None:
            return
        factor = ATTENDED_FACTOR if watched.attended else UNATTENDED_FACTOR
        self._free_at[watched.attended] = time.monotonic() + factor * self._cost
        self._conclude(session, watched, evidence)

    def _conclude(self, session: Session, watched: _Watched, evidence: Evidence | None) -> None:
        now, longest = time.monotonic(), ATTENDED_SECONDS if watched.attended else UNATTENDED_SECONDS
        stirred = session.active_at > now - QUIET_SECONDS  # while it was looked at
        if evidence is None or stirred:
            watched.evidence = None
            self._set(session, None)
            watched.pause = QUIET_SECONDS if stirred else min(longest, 1.5 * watched.pause)
            watched.due = now + watched.pause
            watched.tell()
            return
        if evidence != watched.evidence:
            watched.evidence, watched.since = evidence, now
        sure_at = watched.since + (CONFIRM_SECONDS if evidence.certain else POLL_SECONDS)
        if now < sure_at:
            watched.due = sure_at
            if not evidence.certain:
                watched.tell()
            return
        self._set(session, evidence.kind)
        watched.tell()
        watched.pause = min(longest, 1.5 * watched.pause)
        watched.due = now + watched.pause

    def _set(self, session: Session, kind: str | None) -> None:
        if session.waits_for != kind:
            session.waits_for = kind
            self._on_changed(session)
