"""The output of a session line by line, as it comes, for a ``for`` and for an ``async for``."""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from vibesbox_kernel.sessions.text_output import dropped_line

if TYPE_CHECKING:
    from vibesbox_kernel.sessions.manager import SessionManager

READ_BYTES = 1 << 18
MAX_LINE_CHARS = 1 << 20
"""A longer line comes in pieces: who writes without an end takes no more room than this."""


class OutputLines:
    """Iterate it as often as you like: each time from the first line that is stored to the end of the session.

    Lines come without their newline. Bytes that are not UTF-8 become U+FFFD, and of output that is not stored any more
    a line says how much it was. To stop iterating leaves the session alone.

    Args:
        manager: Whose session it is.
        session_id: Which.
    """

    def __init__(self, manager: SessionManager, session_id: str) -> None:
        self._manager = manager
        self._session_id = session_id

    def __iter__(self) -> Iterator[str]:
        batches = self._batches()
        engine = self._manager.engine
        try:
            while (batch := engine.call(_next(batches))) is not None:
                yield from batch
        finally:
            if not engine.loop.is_closed():
                engine.post_task(batches.aclose(), name="vibesbox-lines")

    async def __aiter__(self) -> AsyncIterator[str]:
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                for line in batch:
                    yield line

    async def _batches(self) -> AsyncGenerator[list[str], None]:
        lines, cursor, eof = _Lines(), 0, False
        while not eof:
            chunk = await self._manager.read(self._session_id, cursor, max_bytes=READ_BYTES, wait=None)
            cursor, eof = chunk.next_cursor, chunk.eof
            batch = lines.feed(chunk.data, dropped=chunk.dropped, final=eof)
            if batch:
                yield batch


class _Lines:
    """Puts pieces of output together to lines."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def feed(self, data: bytes, *, dropped: int, final: bool) -> list[str]:
        """What is whole by now; before the data so much was dropped."""
        if dropped:
            self._begun += self._decoder.decode(b"", final=True)
            self._decoder.reset()
            gap = dropped_line(dropped)
            self._begun += gap if self._begun else gap.removeprefix("\n")
        *whole, self._begun = (self._begun + self._decoder.decode(data, final=final)).split("\n")
        if self._begun and (final or len(self._begun) > MAX_LINE_CHARS):
            whole.append(self._begun)
            self._begun = ""
        return whole


async def _next(batches: AsyncGenerator[list[str], None]) -> list[str] | None:
    return await anext(batches, None)
