"""Searching a session's whole output, piece by piece, and what comes meanwhile as well."""

from __future__ import annotations

import asyncio
import bisect
from array import array
from typing import TYPE_CHECKING

from vibesbox_kernel.shell.ansi import without_styles
from vibesbox_kernel.shell.log_lines import LONG_LINE_BYTES, cleaned
from vibesbox_kernel.shell.log_query import MAX_QUERY_CHARS

if TYPE_CHECKING:
    from vibesbox_kernel.models import OutputChunk
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.log_index import LogIndex
    from vibesbox_kernel.shell.log_query import LogQuery

STEP_BYTES = 1 << 17
MAX_HITS = 100_000
"""More lines are not remembered, and not searched for."""
_NEEDS_CLEANING = (b"\x1b", b"\r", b"\b", b"\x00")


class LogSearch:
    """One search in one session's output. Belongs to one event loop; what it takes long for is done in threads.

    Args:
        manager: Whose session it is.
        session_id: The session.
        index: Knows where its lines are; nothing is searched behind what it has counted.
        query: What to look for.

    Raises:
        QueryError: It can not be searched for.
    """

    def __init__(self, manager: SessionManager, session_id: str, index: LogIndex, query: LogQuery) -> None:
        query.pattern  # noqa: B018  raises if it is none
        self._manager = manager
        self._session_id = session_id
        self._index = index
        self._query = query
        mark = index.before(index.first)
        self._state = mark.state.copy()
        self._line = mark.line  # of the line that is open at the cursor
        self._open = b""
        self._hits = array("Q")
        self._open_hit = False
        self._begun_hit = False  # what was let go of the open line has it
        self.cursor = mark.cursor

    @property
    def count(self) -> int:
        """How many of the lines that are stored have it, so far."""
        return len(self._hits) - self._dropped + self._open_hit

    @property
    def is_full(self) -> bool:
        """Whether it has found so much that it goes no further."""
        return len(self._hits) >= MAX_HITS

    @property
    def is_done(self) -> bool:
        """Whether everything that is there has been searched."""
        return self.is_full or self.cursor >= self._index.cursor

    async def step(self) -> bool:
        """Search the next piece; False when there is none (yet).

        Raises:
            SessionNotFoundError: The session is forgotten, and its output with it.
        """
        if self.is_done:
            return False
        room = min(STEP_BYTES, self._index.cursor - self.cursor)
        chunk = await self._manager.read(self._session_id, self.cursor, max_bytes=room)
        if not chunk.data:
            return False
        before = self.cursor
        await asyncio.to_thread(self._take, chunk)
        return self.cursor > before

    def find(self, line: int, *, back: bool) -> tuple[int, int] | None:
        """The next line that has it, or from the end the first: its number, and which of them it is (from 1).

        Args:
            line: Where to begin; that line itself does not count.
            back: The one before.
        """
        hits = [*self._hits[self._dropped :], self._line] if self._open_hit else self._hits[self._dropped :]
        if not hits:
            return None
        at = bisect.bisect_left(hits, line) - 1 if back else bisect.bisect_right(hits, line)
        at %= len(hits)
        return hits[at], at + 1

    @property
    def _dropped(self) -> int:
        """How many of its hits are not stored any more."""
        return bisect.bisect_left(self._hits, self._index.first)

    def _take(self, chunk: OutputChunk) -> None:
        spans, cursor = self._state.feed(chunk, final=chunk.next_cursor >= self._index.cursor)
        ended, newline, self._open = (self._open + b"".join(span.data for span in spans)).rpartition(b"\n")
        if newline:
            self._take_lines(_plain(ended))
        self._open_hit = not self.is_full and (self._begun_hit or self._has(self._open))
        if len(self._open) > LONG_LINE_BYTES:
            self._begun_hit, self._open = self._open_hit, self._open[-MAX_QUERY_CHARS:]
        self.cursor = cursor

    def _take_lines(self, text: str) -> None:
        numbers = list(self._query.lines_in(text))
        if self._begun_hit and numbers[:1] != [0]:
            numbers.insert(0, 0)
        self._begun_hit = False
        self._hits.extend(self._line + number for number in numbers)
        del self._hits[MAX_HITS:]
        self._line += text.count("\n") + 1

    def _has(self, line: bytes) -> bool:
        return any(True for _ in self._query.lines_in(_plain(line)))


def _plain(data: bytes) -> str:
    """Bytes as the text that is shown, without colours."""
    if not any(one in data for one in _NEEDS_CLEANING):
        return data.decode("utf-8", "replace")
    return without_styles(cleaned(data, final=True))
