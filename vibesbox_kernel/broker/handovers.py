"""Leaders that end their work in two steps: they stop themselves to hand over what they have, and are settled then.

Before it stops, a leader may announce its exit status. Settled, it is let go, or kept for the processes that it has
left behind (``keeper``). Of one whose owner is gone the broker itself takes what it has left word of.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

from vibesbox_kernel.broker import records, system
from vibesbox_kernel.broker.announcements import Announcements
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.tree import Trees

KEEPER_SECONDS = 0.1
"""How often a keeper's tree is looked at: its children report to the keeper, not to us."""


class Handovers:
    """Sees to them.

    Args:
        announcements: Where the fifo is made to which leaders announce; see ``Announcements``.
        on_status: Called with a session and its exit code, when that is known before its leader is reaped.
        on_settled: Called when nothing more is handed over: what a session has left may be ended.
        on_event: Called with ``stopped`` and ``changed``.
    """

    def __init__(
        self,
        loop: Loop,
        trees: Trees,
        *,
        announcements: str,
        on_status: Callable[[Session, int], None],
        on_settled: Callable[[Session], None],
        on_event: Callable[[str, Session], None],
    ) -> None:
        self._loop = loop
        self._trees = trees
        self._on_status = on_status
        self._on_settled = on_settled
        self._on_event = on_event
        self._announcements = Announcements(loop, announcements, on_announced=self._announced)

    def close(self) -> None:
        """Hear no more announcements."""
        self._announcements.close()

    def begin(self, session: Session) -> None:
        """It may announce its exit status from now on."""
        self._announcements.expect(session)

    def forget(self, session: Session) -> None:
        """It is over."""
        self._announcements.forget(session)

    def stopped(self, session: Session) -> None:
        """Its leader has stopped itself."""
        self._announcements.catch_up()  # it announces before it stops, and the loop may have heard of both at once
        if not session.listed or session.has_handed_over:
            return
        session.stopped, session.waits_for = True, None
        session.leftovers = self._others(session)
        session.descriptors = system.inherited_descriptors(session.pid)
        leaves_nothing = not session.leftovers and not session.descriptors
        if session.announced and session.lets_go and leaves_nothing:
            session.announced = False  # so the event says that it is settled
            self._on_event("stopped", session)
            _let_go(session)
            return
        self._on_event("stopped", session)
        if not session.attended:
            self.settle_unattended(session)

    def settle(self, session: Session, code: int, *, keep: bool) -> None:
        """Take the exit status that a stopped leader has handed over, and let it go or keep it.

        What it has announced before stays as it was told.
        """
        session.stopped = False
        if not session.announced:
            self._take_status(session, code)
        session.announced = False
        self._on_settled(session)
        if keep:
            session.keeper = True
            os.kill(session.pid, signal.SIGCONT)
            self._watch_keeper(session)
        else:
            _let_go(session)

    def settle_unattended(self, session: Session) -> None:
        """Do for a stopped leader what its owner would do, as far as that left word of it."""
        if not session.can_hand_over:
            return
        how, others = session.unattended, self._others(session)
        if how is not None:
            # With others left the leader has to stay as their keeper, and its own end will never tell.
            code = records.read_verdict(how.verdict, certain=None if others else how.certain)
            if code is not None:
                with contextlib.suppress(OSError):
                    os.unlink(how.go)  # there if it was stopped before, for another reason
                self.settle(session, code, keep=bool(others))
                return
        if how is not None:
            with contextlib.suppress(OSError):
                records.touch(how.go)
        self.resume(session)

    @staticmethod
    def resume(session: Session) -> None:
        """Continue a leader that stopped itself for another reason."""
        session.stopped = False
        if session.leader_alive:
            os.kill(session.pid, signal.SIGCONT)

    def leader_gone(self, session: Session) -> None:
        """Its leader was reaped: one that has announced its exit status can not hand over any more."""
        if session.announced:
            session.announced = False
            self._on_event("changed", session)
            self._on_settled(session)

    def _announced(self, session: Session, code: int) -> None:
        if session.leader_alive and not session.settled:
            session.announced = True
            self._take_status(session, code)

    def _take_status(self, session: Session, code: int) -> None:
        session.settled = True
        self._on_status(session, code)

    def _watch_keeper(self, session: Session) -> None:
        if session.over or not session.leader_alive:
            return
        # First, should /proc not be readable just now.
        again = self._loop.call_later(KEEPER_SECONDS, lambda: self._watch_keeper(session))
        session.leftovers = self._others(session)
        if not session.leftovers:
            again.cancel()
            os.kill(session.pid, signal.SIGKILL)

    def _others(self, session: Session) -> list[int]:
        self._trees.adopt()
        return self._trees.others(session)


def _let_go(session: Session) -> None:
    session.stopped = False
    os.kill(session.pid, signal.SIGKILL)
