"""Reading lines of a session's output by their numbers, or bytes of one that is too long to be shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.shell.ansi import OutputFilter
from vibesbox_kernel.shell.log_lines import BEGINNING_BYTES, Gatherer, LogLine, RawLine

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.log_index import LogIndex

WINDOW_BYTES = 200_000
"""Lines that are read together have not much more text than this, however many were asked for."""
PIECE_BYTES = 1 << 15
"""So much of a line that is too long is read at a time."""
_RAW_BYTES = 1 << 21
"""And they are made of not much more than this."""
_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class LinePiece:
    """Some of a long line.

    Attributes:
        offset: How many bytes of the line stand before it.
        end: How many stand before what follows it.
        size: How many bytes the line has.
        step: How many bytes a piece has.
        text: It as text, with colours.
    """

    offset: int
    end: int
    size: int
    step: int
    text: str


class LogReader:
    """Reads lines of one session's output by their numbers. Belongs to one event loop.

    Args:
        manager: Whose session it is.
        session_id: The session.
        index: Knows where its lines are; nothing is read behind what it has counted.
    """

    def __init__(self, manager: SessionManager, session_id: str, index: LogIndex) -> None:
        self._manager = manager
        self._session_id = session_id
        self._index = index

    async def lines(self, first: int, count: int) -> list[LogLine]:
        """Lines that follow one another; fewer than wanted where they are long, or where the output ends.

        Args:
            first: The number of the first; what is not stored any more is left out.
            count: How many are wanted; at least one.

        Raises:
            SessionNotFoundError: The session is forgotten, and its output with it.
        """
        first = max(first, self._index.first)
        found = [line async for line in self._raw_lines(first, first + count)]
        ends = self._index.total if self._index.eof else self._index.ends
        return await asyncio.to_thread(_finish, found, ends)

    async def piece(self, line: int, offset: int) -> LinePiece | None:
        """Some of a line that is too long to be shown; None if it is not stored any more.

        Args:
            line: Its number.
            offset: How many of its bytes stand before.

        Raises:
            SessionNotFoundError: The session is forgotten, and its output with it.
        """
        here = [one async for one in self._raw_lines(line, line + 1)]
        if not here or here[0].number != line:
            return None
        raw = here[0]
        offset = max(0, min(offset, raw.size))
        room = min(PIECE_BYTES, raw.size - offset)
        chunk = await self._manager.read(self._session_id, raw.cursor + offset, max_bytes=max(1, room))
        text = await asyncio.to_thread(_as_text, chunk.data[:room])
        return LinePiece(offset, offset + min(room, len(chunk.data)), raw.size, PIECE_BYTES, text)

    async def _raw_lines(self, first: int, behind: int) -> AsyncIterator[RawLine]:
        """The lines from one number up to another, within what is read together."""
        gatherer = Gatherer(self._index.before(first))
        read = 0
        while gatherer.cursor < self._index.cursor and gatherer.line.number < behind and read < _RAW_BYTES:
            before = gatherer.cursor
            chunk = await self._manager.read(
                self._session_id, before, max_bytes=min(_READ_BYTES, self._index.cursor - before)
            )
            if not chunk.data or chunk.next_cursor > self._index.cursor:  # dropped meanwhile
                break
            for line in gatherer.feed(chunk, final=chunk.next_cursor == self._index.cursor):
                if first <= line.number < behind:
                    yield line
            if gatherer.line.number >= first:
                read += gatherer.cursor - before
            if gatherer.cursor == before:
                break
            self._skip_ahead(gatherer)
        if first <= gatherer.line.number < behind and not gatherer.line.is_empty:
            yield gatherer.line

    def _skip_ahead(self, gatherer: Gatherer) -> None:
        mark = self._index.last_within(gatherer.line.number)
        if mark is not None and mark.cursor > gatherer.cursor and gatherer.line.size >= BEGINNING_BYTES:
            gatherer.skip_to(mark)


def _as_text(data: bytes) -> str:
    r"""Bytes as text in which nothing is overwritten: ``\r`` begins a new line."""
    return OutputFilter(terminal=True).feed(data.replace(b"\r", b"\n").replace(b"\b", b""), final=True)


def _finish(raw_lines: list[RawLine], ends: int) -> list[LogLine]:
    finished: list[LogLine] = []
    size = 0
    for raw in raw_lines:
        line = raw.finish(final=raw.number < ends)
        finished.append(line)
        size += sum(len(one.text) for one in line.segments)
        if size > WINDOW_BYTES:
            break
    return finished
