"""A session's whole output on its way to a file of the browser's, one part at a time."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.models import OutputChunk
from vibesbox_kernel.shell.ansi import without_styles
from vibesbox_kernel.shell.log_lines import cleaned
from vibesbox_kernel.shell.log_scan import LogState

if TYPE_CHECKING:
    from vibesbox_kernel.models import SessionInfo
    from vibesbox_kernel.sessions import SessionManager

PART_BYTES = 1 << 19
_LINE_BYTES = 1 << 20
"""A line that is longer goes out in pieces."""


@dataclass(frozen=True)
class Part:
    """A part of the file.

    Attributes:
        number: Which, from 0.
        data: The bytes.
        read: How many bytes of the output it and those before it are made of.
        dropped: How many bytes of the output were not stored any more, so far.
        done: It is the last.
    """

    number: int
    data: bytes
    read: int
    dropped: int
    done: bool


class Download:
    """One download: everything up to where the output has come by now. The one who takes it says when it goes on.

    Args:
        manager: Whose session it is.
        info: The session.
        plain: Without colours and whatever else only a terminal understands.

    Attributes:
        name: What to call the file.
        size: How many bytes the output has.
    """

    def __init__(self, manager: SessionManager, info: SessionInfo, *, plain: bool) -> None:
        self._manager = manager
        self._session_id = info.session_id
        self._text = _PlainText() if plain else None
        self._cursor = 0
        self._dropped = 0
        self._last: Part | None = None
        self.size = manager.output_end(info.session_id)
        self.name = file_name(info, plain=plain)

    async def part(self, number: int) -> Part | None:
        """A part: the next, or once more the last one that was given; None for any other.

        Raises:
            SessionNotFoundError: The session is forgotten, and its output with it.
        """
        if self._last is not None and number == self._last.number:
            return self._last
        if number != (self._last.number + 1 if self._last is not None else 0):
            return None
        room = min(PART_BYTES, self.size - self._cursor)
        chunk = await self._manager.read(self._session_id, self._cursor, max_bytes=room)
        if chunk.next_cursor - len(chunk.data) >= self.size:  # behind a gap stands what has come since
            chunk = OutputChunk(cursor=self._cursor, data=b"", next_cursor=self._cursor)
        cursor, data = chunk.next_cursor, chunk.data
        if self._text is not None:
            cursor, data = await asyncio.to_thread(self._text.take, chunk, cursor >= self.size)
        self._dropped += chunk.dropped
        self._cursor = cursor if chunk.data else self.size
        self._last = Part(number, data, self._cursor, self._dropped, self._cursor >= self.size)
        return self._last


class _PlainText:
    """Makes text of chunks: whole lines, as they come to their end."""

    def __init__(self) -> None:
        self._state = LogState()
        self._open = b""

    def take(self, chunk: OutputChunk, final: bool) -> tuple[int, bytes]:
        """Take in the next chunk; gives the cursor at which to go on, and the text that is done."""
        spans, cursor = self._state.feed(chunk, final=final)
        ended, newline, self._open = (self._open + b"".join(span.data for span in spans)).rpartition(b"\n")
        if final or not chunk.data or len(self._open) > _LINE_BYTES:
            ended, newline, self._open = ended + newline + self._open, b"", b""
        return cursor, without_styles(cleaned(ended, final=True)).encode("utf-8", "replace") + newline


def file_name(info: SessionInfo, *, plain: bool) -> str:
    """A name for the file that says whose output it has, and from when: ``train-20260501-093000.log``."""
    who = re.sub(r"[^\w.-]+", "_", info.name or f"session-{info.pid or info.session_id[:8]}").strip("._")[:80]
    return f"{who or 'session'}-{info.started_at.astimezone():%Y%m%d-%H%M%S}.{'txt' if plain else 'log'}"
