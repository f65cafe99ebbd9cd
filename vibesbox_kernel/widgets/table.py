"""The live process table: one small anywidget that follows a SessionManager's events."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import traitlets

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.models import EventKind, SessionInfo, SessionStatus
from vibesbox_kernel.widgets.live import STATIC, Buffers, LiveWidget, Message
from vibesbox_kernel.widgets.pace import Pace
from vibesbox_kernel.widgets.rows import Attempt, Describe, build_rows, select

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager


class SessionTable(LiveWidget):
    """A table of a manager's sessions that changes by itself and can end them.

    Args:
        manager: Whose sessions are shown.
        describe: Puts a session into words.
        running_limit: At most so many running sessions, the newest.
        ended_limit: At most so many ended ones, those that ended last.
    """

    _esm = STATIC / "table.js"
    _css = STATIC / "table.css"
    noun = "table"

    rows: traitlets.List[Any] = traitlets.List().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        manager: SessionManager,
        *,
        describe: Describe,
        running_limit: int = 100,
        ended_limit: int = 20,
    ) -> None:
        self._describe = describe
        self._limits = {"running_limit": running_limit, "ended_limit": ended_limit}
        self._attempts: dict[str, Attempt] = {}
        self._pace = Pace()
        self._manager = manager
        super().__init__(manager, **self._picture())

    def _start(self) -> None:
        self._own(self._follow)
        self._own(self._paint)

    async def _follow(self) -> None:
        async with self._manager.events() as events:
            self._pace.mark(begun_or_over=True)  # what happened before the subscription has no event here
            async for event in events:
                # How much was written is told once a second: a chatty session must not redraw the table.
                if event.kind is not EventKind.OUTPUT:
                    self._pace.mark(begun_or_over=event.kind in _BEGUN_OR_OVER)

    async def _paint(self) -> None:
        while True:
            tick_due = await self._pace.wait(ticking=self._is_ticking())
            if tick_due:
                await self._manager.refresh_usage()
            self._draw()
            if self._pace.take_begun_or_over() and self.on_change is not None:
                self.on_change()

    def _is_ticking(self) -> bool:
        return self._has_view and any(row["elapsed"] is None for row in self.rows)

    def _draw(self) -> None:
        with self.hold_sync():
            for name, value in self._picture().items():
                setattr(self, name, value)

    def _picture(self) -> dict[str, Any]:
        sessions = self._manager.list_sessions()
        selection = select(sessions, **self._limits)
        known = {one.session_id for one in sessions}
        self._attempts = {key: one for key, one in self._attempts.items() if key in known}
        rows = build_rows(
            selection.shown, self._attempts, self._describe, datetime.now(UTC), is_ours=self._manager.is_ours
        )
        return {
            "rows": rows,
            "caption": _caption(sessions),
            "notice": selection.notice,
        }

    def _obey(self, message: Message, _buffers: Buffers) -> None:
        if message.get("op") == "hello":
            self.send({"op": "hello", "now": time.time()})
            self._pace.mark()
        elif message.get("op") == "kill":
            self._own(partial(self._end, str(message.get("id"))))

    async def _end(self, session_id: str) -> None:
        attempt = self._attempts.setdefault(session_id, Attempt())
        if attempt.ending:
            return
        attempt.ending, attempt.error = True, ""
        self._pace.mark()
        try:
            attempt.error = await self._terminate(session_id)
        except Exception as error:
            attempt.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            attempt.ending = False
            attempt.tries += 1
            self._pace.mark()

    async def _terminate(self, session_id: str) -> str:
        """End a session as ``%kill`` does; returns what went wrong, in words."""
        try:
            await self._manager.terminate_session(session_id)
        except VibesboxError as error:
            return str(error)
        return ""


_BEGUN_OR_OVER = frozenset(
    {EventKind.QUEUED, EventKind.STARTED, EventKind.RESTARTING, EventKind.ENDED, EventKind.KILLED, EventKind.LOST}
)


def _caption(sessions: Sequence[SessionInfo]) -> str:
    ended = sum(one.ended_at is not None for one in sessions)
    queued = sum(one.status is SessionStatus.QUEUED for one in sessions)
    waiting = f"{queued} queued, " if queued else ""
    return f"Processes: {len(sessions) - ended - queued} running, {waiting}{ended} ended"
