"""The ends of sessions that somebody wants to be told of (``--notify``): in words, once, wherever that can be said."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import BrokerError, SessionNotFoundError
from vibesbox_kernel.models import EndReason, SessionInfo
from vibesbox_kernel.shell.human import format_duration
from vibesbox_kernel.shell.table_text import how_it_ended, one_line

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

MAX_UNTOLD = 100


class EndingsTold:
    """Waits for sessions to end. Everything of it runs on the manager's engine.

    Args:
        manager: Whose sessions they are.
    """

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._untold: deque[str] = deque(maxlen=MAX_UNTOLD)
        self._listeners: list[Callable[[str], None]] = []

    def watch(self, session_id: str) -> None:
        """Tell of this session's end."""
        self._manager.engine.start(self._watch(session_id), name="vibesbox-notify")

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call this with what is to be said of each end."""
        self._listeners.append(listener)

    def take(self) -> tuple[str, ...]:
        """What has not been told by this method yet, oldest first."""
        untold = tuple(self._untold)
        self._untold.clear()
        return untold

    async def _watch(self, session_id: str) -> None:
        with contextlib.suppress(BrokerError, SessionNotFoundError):  # it goes on without us, or was forgotten
            told = ending_words(await self._manager.wait(session_id))
            self._untold.append(told)
            for listener in self._listeners:
                listener(told)


def ending_words(info: SessionInfo) -> str:
    """``train: exit 0 after 2h 07m``, of a session that is over."""
    who = one_line(info.name or "") or (f"pid {info.pid}" if info.pid else f"session {info.session_id[:8]}")
    if info.end_reason is EndReason.CANCELLED:
        return f"{who}: {how_it_ended(info)}"
    how = str(info.exit_status) if info.end_reason is EndReason.EXITED else how_it_ended(info)
    return f"{who}: {how} after {format_duration(info.duration or 0.0)}"
