"""A session's output on its way into one terminal in a browser, as fast as that takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import BrokerError, SessionEndedError
from vibesbox_kernel.widgets.replay import replay

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

UNREAD_BYTES = 1 << 20
"""So much may be on its way to the browser; then nothing is read until it has taken half of that in."""
BEHIND_BYTES = 2_000_000
"""Who is farther behind sees the end at once: a terminal would not remember what is skipped either."""
MESSAGE_BYTES = 1 << 18
GAP_SECONDS = 0.015

Send = Callable[[dict[str, object], bytes], None]


class TerminalStream:
    """What one view in a browser is given. The session is never slowed down: what is not read stays in the spool.

    Args:
        manager: Whose session it is.
        session_id: The session.
        send: Sends a message with bytes to the view.
    """

    def __init__(self, manager: SessionManager, session_id: str, send: Send) -> None:
        self._manager = manager
        self._session_id = session_id
        self._send = send
        self._unread = 0
        self._taken = asyncio.Event()

    def acknowledge(self, count: int) -> None:
        """The browser has taken in so many bytes."""
        self._unread = max(0, self._unread - count)
        if self._unread <= UNREAD_BYTES // 2:
            self._taken.set()

    async def run(self) -> None:
        """Send the end of what there is, then what comes, until the output's end."""
        cursor = await self._replay()
        while True:
            await self._room()
            if self._manager.output_end(self._session_id) - cursor > BEHIND_BYTES:
                cursor = await self._replay()
            chunk = await self._manager.read(self._session_id, cursor, max_bytes=MESSAGE_BYTES, wait=None)
            if chunk.data:
                await self._put({"op": "output", "dropped": chunk.dropped}, chunk.data)
            if chunk.eof:
                return
            cursor = chunk.next_cursor
            await asyncio.sleep(GAP_SECONDS)  # what comes meanwhile goes with it

    async def _replay(self) -> int:
        end = await self._manager.newest_output_end(self._session_id)
        made = await replay(self._manager, self._session_id, end)
        await self._put({"op": "replay", "whole": made.whole, "redraw": made.drawn_before}, made.data)
        return made.cursor

    async def _begins_lines(self) -> bool:
        """What a newline means now, and after the end."""
        try:
            return (await self._manager.terminal(self._session_id)).begins_lines
        except (SessionEndedError, BrokerError):
            return True

    async def _room(self) -> None:
        while self._unread > UNREAD_BYTES:
            self._taken.clear()
            await self._taken.wait()

    async def _put(self, message: dict[str, object], data: bytes) -> None:
        lines = await self._begins_lines()
        self._unread += len(data)
        self._send({**message, "lines": lines}, data)
