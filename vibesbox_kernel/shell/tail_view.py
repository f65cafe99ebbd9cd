"""The end of a session's output as it stands now, read by cursor without what comes before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.models import OutputChunk, StreamName
from vibesbox_kernel.shell.overwrite import clean

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager


@dataclass(frozen=True)
class TailView:
    """A tail: its text, ready to show; the bytes it was made of, and the cursors between which they stand.

    ``errors`` has the cursors between which bytes were written to stderr, where that is kept apart.
    """

    text: str
    data: bytes
    start: int
    end: int
    errors: tuple[tuple[int, int], ...] = ()

    def pieces(self) -> Iterator[tuple[StreamName, bytes]]:
        """The data in its order, cut where it goes from one stream to the other."""
        inside = tuple((max(0, start - self.start), end - self.start) for start, end in self.errors if end > self.start)
        return OutputChunk(cursor=self.start, data=self.data, next_cursor=self.end, errors=inside).pieces()


async def read_tail(
    manager: SessionManager, session_id: str, *, oldest: int, end: int, max_lines: int, max_bytes: int
) -> TailView:
    """Read the last lines before a cursor.

    Args:
        manager: Whose session it is.
        session_id: The session.
        oldest: Nothing before this cursor belongs to the tail.
        end: Where the tail ends.
        max_lines: At most so many lines.
        max_bytes: At most so many bytes; of a line that is longer its end is shown.
    """
    start = max(oldest, end - max_bytes)
    data, start, errors = await _read_range(manager, session_id, start, end)
    if start > oldest:
        skipped = _whole_line(data)
        data, start = data[skipped:], start + skipped
    skipped = _last_lines(data, max_lines)
    data, start = data[skipped:], start + skipped
    return TailView(clean(data), data, start, start + len(data), errors)


async def _read_range(
    manager: SessionManager, session_id: str, start: int, end: int
) -> tuple[bytes, int, tuple[tuple[int, int], ...]]:
    """The bytes between two cursors, where they begin if the first are gone, and the cursors of what is stderr's."""
    data = b""
    errors: list[tuple[int, int]] = []
    at = start
    while at < end:
        chunk = await manager.read(session_id, at, max_bytes=end - at)
        first = chunk.next_cursor - len(chunk.data)
        if chunk.dropped:
            data, start, errors = b"", first, []
        data += chunk.data
        errors += ((first + begin, first + stop) for begin, stop in chunk.errors)
        at = chunk.next_cursor
        if not chunk.data:
            break
    surplus = max(0, at - end)
    return data[: len(data) - surplus], min(start, end), tuple(errors)


def _whole_line(data: bytes) -> int:
    """How many bytes to skip so as not to begin within a line, or at least not within a frame or a character."""
    for separator in (b"\n", b"\r"):
        found = data.find(separator)
        if 0 <= found < len(data) - 1:
            return found + 1
    at = 0
    while at < min(4, len(data)) and data[at] & 0xC0 == 0x80:
        at += 1
    return at


def _last_lines(data: bytes, count: int) -> int:
    """Where the last so many lines begin; a newline at the very end begins none."""
    at = len(data) - data.endswith(b"\n")
    for _ in range(count):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            return 0
    return at + 1
