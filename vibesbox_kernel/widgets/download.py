"""A session's whole output to a browser, piece by piece: no more on the way than the page has room for.

The page answers every piece; so many at most are unanswered, and a page that answers none any more is given up::

    kernel  {"op": "piece", "call": "k3f-9", "number": 0, "total": 1048576, "gone": 0, "last": false}  + the bytes
    page    {"op": "got", "call": "k3f-9", "number": 0}
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.errors import VibesboxError

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

PIECE_BYTES = 1 << 18
WINDOW_PIECES = 4
SILENCE_SECONDS = 60.0

SendPiece = Callable[[dict[str, Any], bytes], None]


class Download:
    """One download. Belongs to one event loop.

    Args:
        manager: Whose session it is.
        call: What the page calls it.
        send: Sends one message with its bytes.
    """

    def __init__(self, manager: SessionManager, call: str, send: SendPiece) -> None:
        self._manager = manager
        self._call = call
        self._send = send
        self._answered = asyncio.Event()
        self._room = WINDOW_PIECES
        self._cancelled = False

    def got(self) -> None:
        """The page has taken one piece."""
        self._room += 1
        self._answered.set()

    def cancel(self) -> None:
        """The page wants no more."""
        self._cancelled = True
        self._answered.set()

    async def run(self, session_id: str) -> tuple[int, int]:
        """Send what is stored now; returns how many bytes that were, and how many are not stored any more.

        Raises:
            VibesboxError: The page has cancelled it, or does not answer.
        """
        cursor = number = gone = sent = 0
        end = await self._manager.newest_output_end(session_id)
        last = False
        while not last:
            await self._until_room()
            chunk = await self._manager.read(session_id, cursor, max_bytes=min(PIECE_BYTES, max(0, end - cursor)))
            cursor, gone = chunk.next_cursor, gone + chunk.dropped
            last = cursor >= end or not chunk.data
            head = {"op": "piece", "call": self._call, "number": number, "total": end, "gone": gone, "last": last}
            self._send(head, chunk.data)
            self._room -= 1
            sent += len(chunk.data)
            number += 1
        return sent, gone

    async def _until_room(self) -> None:
        while self._room <= 0 and not self._cancelled:
            self._answered.clear()
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await self._answered.wait()
            except TimeoutError:
                raise VibesboxError("the page does not take the log any more; save it again") from None
        if self._cancelled:
            raise VibesboxError("saving the log was cancelled")
