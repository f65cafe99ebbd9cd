"""What became of a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.models import EndReason, ExitStatus, SessionInfo

if TYPE_CHECKING:
    from vibesbox_kernel.shell.handing_over import CellEnd
    from vibesbox_kernel.shell.running import Running


@dataclass(frozen=True)
class CellOutcome:
    """What became of a cell.

    Attributes:
        session_id: Its session.
        pid: The leader's.
        exit_status: None for a background cell, and when it was lost.
        end_reason: None while the session goes on.
        interrupted: The user has interrupted it.
        notices: What the user should be told, one line each.
        leftovers: Processes that it has left running.
        duration: Seconds from its begin to the end of its script.
        syntax_error: Why bash could not read it, so nothing of it was run; None if it could.
        not_started: Why it has left its queue without having started; None if it has started.
        queued: A background cell that waits for its turn.
        left: Nobody waits for it any more: it was sent to the background, where it goes on.
        cpu: CPU seconds: of its shell and of whatever that has waited for, as it stood at the end of the script; of
            every process once all are reaped, for which only a cell that took its time is held up. None if unknown.
        peak_rss: Resident bytes at most: of the whole tree as the broker saw it, and at least what the shell, or one
            process that was reaped, had by its own account. Of a brief cell only its shell's. None if unknown, never 0.
    """

    session_id: str
    pid: int
    exit_status: ExitStatus | None
    end_reason: EndReason | None
    interrupted: bool = False
    notices: tuple[str, ...] = ()
    leftovers: int = 0
    duration: float = 0.0
    syntax_error: str | None = None
    not_started: str | None = None
    queued: bool = False
    left: bool = False
    cpu: float | None = None
    peak_rss: int | None = None


def outcome_of(running: Running, end: CellEnd, *, took: float, notices: tuple[str, ...]) -> CellOutcome:
    """The outcome of a cell that has come to its end.

    Args:
        took: Seconds from its begin.
        notices: What the user should be told.
    """
    return CellOutcome(
        session_id=running.waiting.session_id,
        pid=running.waiting.pid,
        exit_status=end.exit_status,
        end_reason=end.end_reason,
        interrupted=running.interruption.requested,
        notices=notices,
        leftovers=end.others,
        duration=took,
        syntax_error=end.syntax_error,
        cpu=running.session.cpu,
        peak_rss=running.session.peak_rss or None,
    )


def outcome_in_background(running: Running, *, notices: tuple[str, ...], left: bool = False) -> CellOutcome:
    """What is known of a cell that nobody waits for, or (``left``) any more: it has begun, or waits for its turn."""
    waiting, queued = running.waiting, running.turn.waits
    return CellOutcome(waiting.session_id, waiting.pid, None, None, notices=notices, queued=queued, left=left)


def outcome_of_followed(info: SessionInfo, *, interrupted: bool, left: bool) -> CellOutcome:
    """The outcome of a session that was followed until it was over, or (``left``) until nobody waited any more."""
    return CellOutcome(
        session_id=info.session_id,
        pid=info.pid or 0,
        exit_status=None if left else info.exit_status,
        end_reason=None if left else info.end_reason,
        interrupted=interrupted,
        leftovers=len(info.leftovers),
        duration=info.duration or 0.0,
        not_started=None if left or info.end_reason is not EndReason.CANCELLED else info.problem or "it was cancelled",
        left=left,
        cpu=info.cpu,
        peak_rss=info.peak_rss or None,
    )


def outcome_not_started(running: Running, *, why: str, notices: tuple[str, ...]) -> CellOutcome:
    """A cell has left its queue without having started."""
    return CellOutcome(
        running.waiting.session_id,
        running.waiting.pid,
        None,
        EndReason.CANCELLED,
        interrupted=running.interruption.requested,
        notices=notices,
        not_started=why,
    )
