"""What is kept of sessions: their records on disk, and the ended ones that can still be listed."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable

from vibesbox_kernel.broker import records
from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.session import Session

logger = logging.getLogger(__name__)

MAX_PROBLEM_BYTES = 400
"""What a problem may take of an exit record's block as it is encoded there: six or twelve for a rare character."""

MAX_ENDED = 1000
"""Ended sessions that the broker can still list; the rest is on disk."""

SOON_SECONDS = 0.01
"""How much later a cell's first record is written: a brief one is told of by then, and nobody has waited for that."""


class History:
    """Writes the records, and forgets the oldest.

    Args:
        loop: Calls when a record is due.
        sessions: Every session of the broker by its id.
        on_forgotten: Called with a session that is not listed any more.
    """

    def __init__(self, loop: Loop, sessions: dict[str, Session], *, on_forgotten: Callable[[Session], None]) -> None:
        self._loop = loop
        self._due: dict[Session, Timer] = {}
        self._sessions = sessions
        self._on_forgotten = on_forgotten
        self._ended: deque[str] = deque()

    def begin_soon(self, session: Session) -> None:
        """``begin`` in a moment, or before its end."""
        self._due[session] = self._loop.call_later(SOON_SECONDS, lambda: self.begin(session))

    def begin(self, session: Session) -> None:
        """Put down what a session is, and that it is not over. A full disk stops no command."""
        if session in self._due:
            self._due.pop(session).cancel()
        try:
            records.write_exit(session.directory, {"status": "queued" if session.queued else "running"})
            self.note(session)
        except OSError as error:
            logger.warning("session=%s: its records could not be written: %s", session.session_id, error)

    @staticmethod
    def note(session: Session) -> None:
        """Put down what has changed about a session.

        Raises:
            OSError: The disk refuses.
        """
        facts = {**session.record(), "command": session.command, "tag": session.tag}
        del facts["progress"]  # it would stand there long after it is true
        records.write_meta(session.directory, facts)

    def end(self, session: Session) -> None:
        """Put down how a session has ended, and forget the oldest that has."""
        if session in self._due:
            self.begin(session)
        self._write_end(session)
        self._ended.append(session.session_id)
        if len(self._ended) > MAX_ENDED:
            self._on_forgotten(self._sessions.pop(self._ended.popleft()))

    @staticmethod
    def _write_end(session: Session) -> None:
        facts = {
            "status": "over",
            "reason": session.end_reason,
            "returncode": session.returncode,
            "exited_cursor": session.exited_cursor,
            "ended_at": session.ended_at,
            "duration": session.duration,
            "end_cursor": session.spool.end,
            "dropped_bytes": session.spool.dropped,
            "usage": session.usage,
            "problem": _cut(session.problem or session.spool.problem or "") or None,
        }
        try:
            records.write_exit(session.directory, facts)
        except OSError:
            logger.exception("session=%s: its exit record could not be written", session.session_id)


def _cut(problem: str) -> str:
    problem = problem[: records.MAX_PROBLEM_CHARACTERS]
    while len(json.dumps(problem)) > MAX_PROBLEM_BYTES:
        problem = problem[:-1]
    return problem
