"""A cell's wait for its turn: behind sessions that it follows, or for room in its group."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vibesbox_kernel.models import EndReason, EventKind, SessionInfo, SessionStatus
from vibesbox_kernel.shell.references import known_by_id, label, with_names
from vibesbox_kernel.shell.table_text import how_it_ended

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.sessions.command_session import CommandSession

_DECIDES = frozenset({EventKind.STARTED, EventKind.ENDED, EventKind.KILLED, EventKind.LOST})


class Turn:
    """One cell's turn. To be made on the engine as soon as the cell's session has begun.

    Attributes:
        waits: Whether it had to wait at all; not when it was plain at once that it will never come.
    """

    def __init__(self, manager: SessionManager, session: CommandSession) -> None:
        self._session = session
        self._events = manager.events() if session.is_queued else None
        self.waits = session.is_queued and not _failed_before(manager, session.session_id)
        self.came_at = time.monotonic()

    async def wait(self) -> bool:
        """Wait until it has come; False when it never will."""
        if self._events is None:
            return self._session.end_reason is not EndReason.CANCELLED
        async with self._events as events:
            async for event in events:
                if event.session_id == self._session.session_id and event.kind in _DECIDES:
                    self.came_at = time.monotonic()
                    return event.kind is EventKind.STARTED
        return False  # the manager has closed


def what_it_waits_for(manager: SessionManager, session_id: str) -> str:
    """What must happen before a queued session starts, in words."""
    policy = manager.info(session_id).policy
    ahead = [info for info in known_by_id(manager, policy.after) if info.ended_at is None]
    if ahead:
        return f"{' and '.join(map(label, ahead))} to succeed"
    return "its turn" if policy.group is None else f"its turn in the group {policy.group}"


def why_never(manager: SessionManager, session_id: str) -> str:
    """Why a session has left the queue without having started, in words."""
    failed = _failed_before(manager, session_id)
    if failed:
        words = (how_it_ended(with_names(manager, one)) for one in failed)
        return ", ".join(f"{label(one)} did not succeed: {how}" for one, how in zip(failed, words, strict=True))
    return with_names(manager, manager.info(session_id)).problem or "it was taken from the queue"


def _failed_before(manager: SessionManager, session_id: str) -> list[SessionInfo]:
    """What it was to follow and has ended without success."""
    befores = known_by_id(manager, manager.info(session_id).policy.after)
    return [one for one in befores if one.ended_at is not None and not _succeeded(one)]


def _succeeded(info: SessionInfo) -> bool:
    return info.status is SessionStatus.COMPLETED and info.exit_code == 0
