"""How a cell's end is told in Jupyter's words: the error reply, and the facts in a reply's metadata."""

from __future__ import annotations

import signal as signals
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.errors import MagicError, VibesboxError
from vibesbox_kernel.models import EndReason, ExitStatus
from vibesbox_kernel.shell.error_words import in_words

if TYPE_CHECKING:
    from vibesbox_kernel.shell.outcome import CellOutcome

FACTS = "vibesbox"
"""The key under which a reply's content carries what belongs into its metadata, until it is sent."""

_RED, _PLAIN = "\x1b[31m", "\x1b[39m"
_NAMES_OF_REASONS = {
    EndReason.KILLED: "Killed",
    EndReason.TERMINATED: "Killed",
    EndReason.TIMED_OUT: "TimedOut",
    EndReason.MEMORY_LIMIT: "MemoryLimit",
    EndReason.SHUT_DOWN: "ShutDown",
    EndReason.LOST: "Lost",
}
_REASONS_IN_WORDS = {
    EndReason.KILLED: "the session was killed",
    EndReason.TERMINATED: "the session was killed",
    EndReason.TIMED_OUT: "the session's time limit ended it",
    EndReason.MEMORY_LIMIT: "the session's memory limit ended it",
    EndReason.SHUT_DOWN: "the session ended with its kernel",
    EndReason.LOST: "the session was lost: its broker is gone, and with it its exit status",
}


@dataclass(frozen=True)
class Failure:
    """Why a cell failed: a short name and one line. There is no traceback: no Python code is the user's."""

    name: str
    value: str

    def content(self) -> dict[str, Any]:
        """As the messaging spec words it, in a reply and on iopub."""
        first, *others = self.value.splitlines() or [""]
        traceback = [f"{_RED}{self.name}{_PLAIN}: {first}", *others]
        return {"ename": self.name, "evalue": self.value, "traceback": traceback}


def failure_of_outcome(outcome: CellOutcome) -> Failure | None:
    """Why a cell that ran is a failure, or None when it is none."""
    status = outcome.exit_status
    if outcome.syntax_error is not None:
        return Failure("SyntaxError", _why_unreadable(outcome.syntax_error))
    if outcome.not_started is not None:
        words = "interrupted before it was started" if outcome.interrupted else f"not started: {outcome.not_started}"
        return Failure("Interrupted" if outcome.interrupted else "NotStarted", words)
    if outcome.interrupted:
        return Failure("Interrupted", _with_status("interrupted", status))
    if outcome.end_reason in _NAMES_OF_REASONS:
        words = _with_status(_REASONS_IN_WORDS[outcome.end_reason], status)
        return Failure(_NAMES_OF_REASONS[outcome.end_reason], words)
    if status is None or status.success:
        return None
    if status.signal is not None:
        return Failure("Signalled", f"ended by {status}")
    return Failure("ExitStatus", f"exit status {status.code}{_signal_hint(status)}")


def failure_of_error(error: Exception) -> Failure:
    """What an exception of ours says; any other is a bug and named as it is."""
    if isinstance(error, MagicError):
        return Failure("MagicError", str(error))
    if isinstance(error, VibesboxError):
        return Failure(type(error).__name__, in_words(error))
    return Failure(type(error).__name__, f"{error} (a bug in Vibesbox; the kernel's log says more)")


def facts_of(outcome: CellOutcome) -> dict[str, Any]:
    """What a reply's metadata says of the session that the cell was; what is meant by each, ``CellOutcome`` says."""
    status = outcome.exit_status
    return {
        "exit_code": None if status is None else status.code,
        "signal": None if status is None else status.signal,
        "pid": outcome.pid,
        "session_id": outcome.session_id,
        "duration": outcome.duration,
        "cpu": outcome.cpu,
        "peak_rss": outcome.peak_rss,
    }


def _why_unreadable(message: str) -> str:
    """The place and the reason; the line itself, with its caret, stands in the cell's output."""
    first = message.partition("\n")[0] or "bash can not read this cell"
    return f"{first}; nothing of this cell was run"


def _with_status(words: str, status: ExitStatus | None) -> str:
    return words if status is None else f"{words} ({status})"


def _signal_hint(status: ExitStatus) -> str:
    """A shell says 128 + n when signal n ended its last command."""
    try:
        return f" ({signals.Signals((status.code or 0) - 128).name})"
    except ValueError:
        return ""
