"""How far sessions say that they have come: what they report, told on to clients at a bearable pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.progress_reports import NONE, Report
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.wire import MAX_PROGRESS_TEXT, ProgressRecord

PAUSE_SECONDS = 0.1
"""However often a program reports, clients are told so often at most."""

_SHARE = 9
"""With very many sessions: the pauses take so many times what telling takes."""


class ProgressBoard:
    """Keeps what sessions report in their records.

    Args:
        on_changed: Called with a session whose record says something else now.
    """

    def __init__(self, loop: Loop, *, on_changed: Callable[[Session], None]) -> None:
        self._loop = loop
        self._on_changed = on_changed
        self._untold: dict[Session, None] = {}  # in the order in which they reported
        self._pause: Timer | None = None

    def take(self, session: Session, reports: Iterable[Report]) -> None:
        """Take what a session reports; only the last of it is told."""
        if session.over or not session.listed:
            return
        before = session.progress
        for report in reports:
            session.progress = _settled(report, session.progress)
        if session.progress != before:
            self._untold[session] = None
            if self._pause is None:
                self._tell()

    def forget(self, session: Session) -> None:
        """It is over, or begins anew: whatever it has reported is not true any more. Another event says so."""
        session.progress = None
        self._untold.pop(session, None)

    def _tell(self) -> None:
        self._pause = None
        if not self._untold:
            return
        untold, self._untold = self._untold, {}
        begun = time.monotonic()
        for session in untold:
            self._on_changed(session)
        pause = max(PAUSE_SECONDS, (time.monotonic() - begun) * _SHARE)
        self._pause = self._loop.call_later(pause, self._tell)


def _settled(report: Report, before: ProgressRecord | None) -> ProgressRecord | None:
    """What a report makes of what was reported before: what it leaves out stands."""
    if report.state == NONE:
        return None
    fraction, text = report.fraction, report.text
    if report.state == "indeterminate":
        fraction = None
    elif fraction is None and before is not None:
        fraction = before["fraction"]
    if text is None:
        text = before["text"] if before is not None else ""
    return ProgressRecord(state=report.state, fraction=fraction, text=_one_line(text))


def _one_line(text: str) -> str:
    line = " ".join(text.split())[:MAX_PROGRESS_TEXT]
    return line if line.isprintable() else "".join(char if char.isprintable() else "?" for char in line)
