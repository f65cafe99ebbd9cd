"""What ``get_session`` gives out: one session, with its process as asyncio would show it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from vibesbox_kernel.models import EndReason, ExitStatus, SessionInfo

if TYPE_CHECKING:
    from vibesbox_kernel.sessions.manager import SessionManager
    from vibesbox_kernel.sessions.mirror import Entry

BUFFER_BYTES = 1 << 20


class SessionProcess:
    """A session's leader, with what ``asyncio.subprocess.Process`` offers.

    Source: the asyncio documentation, "Subprocesses", class Process.
    """

    def __init__(self, manager: SessionManager, entry: Entry) -> None:
        self._manager = manager
        self._entry = entry

    @property
    def pid(self) -> int | None:
        """The leader's pid; None while the session is queued, or if it never started."""
        return self._entry.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal, or None while the leader runs."""
        return self._entry.record["returncode"]

    async def wait(self) -> int:
        """Wait for the leader's end (its tree may live on); returns the returncode.

        Raises:
            BrokerError: The status was lost with the broker.
        """
        return await self._manager.wait_exited(self._entry.session_id)

    def send_signal(self, number: int) -> None:
        """Send a signal to the leader's process group; nothing happens when the session is over."""
        self._manager.post_signal(self._entry.session_id, number)

    def terminate(self) -> None:
        """Send SIGTERM; see ``SessionManager.terminate_session`` for an end that is sure."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class CommandSession:
    """One command and every process it begot, running or over."""

    def __init__(self, manager: SessionManager, entry: Entry) -> None:
        self._entry = entry
        self.process = SessionProcess(manager, entry)

    @property
    def session_id(self) -> str:
        """A UUID, 36 characters."""
        return self._entry.session_id

    @property
    def command(self) -> str:
        """The command, whole."""
        return self._entry.command

    @property
    def name(self) -> str | None:
        """The name that the user gave, or None."""
        return self._entry.record["name"]

    @property
    def pid(self) -> int | None:
        """The leader's pid; None while the session is queued, or if it never started."""
        return self._entry.pid

    @property
    def started_at(self) -> float:
        """Unix time in seconds."""
        return self._entry.record["started_at"]

    @property
    def is_running(self) -> bool:
        """Whether it has started and is not over; a queued session does not run yet."""
        record = self._entry.record
        return not record["over"] and not record["queued"]

    @property
    def is_queued(self) -> bool:
        """Whether it waits for its turn."""
        return self._entry.queued

    @property
    def cpu(self) -> float | None:
        """CPU seconds of its tree, as of the newest figures."""
        return self._entry.figures.get("cpu")

    @property
    def peak_rss(self) -> int | None:
        """Resident bytes of its tree at most, as of the newest figures."""
        return self._entry.figures.get("peak_rss")

    @property
    def exit_status(self) -> ExitStatus | None:
        """How the leader ended, once that is known."""
        return self._entry.exit_status

    @property
    def end_reason(self) -> EndReason | None:
        """Why it is over; None while it is not."""
        return self._entry.end_reason

    @property
    def info(self) -> SessionInfo:
        """Everything a listing says of it, now."""
        return self._entry.info()

    @property
    def output_buffer(self) -> str:
        """The last mebibyte of its output as text; reading it consumes nothing."""
        spool = self._entry.spool
        cursor, pieces = max(0, spool.end() - BUFFER_BYTES), []
        while (chunk := spool.read(cursor, BUFFER_BYTES)).data:
            pieces.append(chunk.data)
            cursor = chunk.next_cursor
        return b"".join(pieces).decode("utf-8", "replace")

    def __repr__(self) -> str:
        info = self.info
        state = "running" if self.is_running else str(info.exit_status or info.end_reason or info.status)
        return f"<CommandSession {self.session_id[:8]} pid={self.pid} {state} {self.command[:60]!r}>"
