"""Starting a session again after a failure, with growing pauses."""

from __future__ import annotations

import time
from collections.abc import Callable

from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.session import Session

STABLE_SECONDS = 60.0
"""A run of this length was none of a row of failures."""

LONGEST_PAUSE_SECONDS = 60.0
_DOUBLED_TIMES = 6  # from 1 s to beyond the longest


class Restarts:
    """Knows which sessions are to be started again, and when.

    Args:
        restart: Starts a session's leader anew.
    """

    def __init__(self, loop: Loop, *, restart: Callable[[Session], None]) -> None:
        self._loop = loop
        self._restart = restart

    @staticmethod
    def wants(session: Session, returncode: int) -> bool:
        """Whether a session whose leader has ended like this is to be started again."""
        if returncode == 0 or session.policy.max_restarts == 0 or session.order is None:
            return False
        stable = time.monotonic() - session.launched_at >= STABLE_SECONDS
        return stable or session.failures < session.policy.max_restarts

    def schedule(self, session: Session) -> None:
        """Start a session again after a pause: 1 s, doubled with each failure in a row."""
        if time.monotonic() - session.launched_at >= STABLE_SECONDS:
            session.failures = 0
        pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(session.failures, _DOUBLED_TIMES))
        session.failures += 1
        session.restart_at = time.time() + pause
        session.restart_timer = self._loop.call_later(pause, lambda: self._now(session))

    @staticmethod
    def cancel(session: Session) -> None:
        """It is not started again."""
        if session.restart_timer is not None:
            session.restart_timer.cancel()
        session.restart_timer = session.restart_at = None

    def _now(self, session: Session) -> None:
        session.restart_timer = session.restart_at = None
        session.restarts += 1
        session.launched_at = time.monotonic()  # a start that fails is no stable run either
        self._restart(session)
