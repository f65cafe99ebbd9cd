"""How many lines a session has put out, and where each of them begins; small, however much it is.

The output is gone over once, piece by piece, and again only where it has grown. What is remembered are *marks*, one in
every so many bytes: the number of the line there, the colours, the screens. A line is found from the mark before it.
"""

from __future__ import annotations

import asyncio
import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vibesbox_kernel.shell.log_scan import LogState

if TYPE_CHECKING:
    from vibesbox_kernel.models import OutputChunk
    from vibesbox_kernel.sessions import SessionManager

STEP_BYTES = 1 << 17
MAX_MARKS = 1 << 13
_INLINE_BYTES = 1 << 14
"""So little is counted at once: a thread would take longer."""


@dataclass(frozen=True)
class LogMark:
    """A place from which lines can be read.

    Attributes:
        cursor: Where it is.
        line: The number of the line that this is in; lines are counted from 0.
        state: How the output stands there.
        dropped: How many bytes before it are not stored any more; only of the oldest mark.
    """

    cursor: int
    line: int
    state: LogState = field(default_factory=LogState)
    dropped: int = 0


class LogIndex:
    """Counts the lines of one session's output. Belongs to one event loop.

    Lines keep their numbers when the oldest are dropped.

    Args:
        manager: Whose session it is.
        session_id: The session.

    Attributes:
        cursor: How far the output has been gone over.
        first: The number of the oldest line of which anything is stored.
        oldest: The cursor at which that is.
        ends: How many lines have come to their end, those that are dropped included.
        is_open: Whether something stands behind the last end of a line.
        eof: Nothing more will come.
    """

    def __init__(self, manager: SessionManager, session_id: str) -> None:
        self._manager = manager
        self._session_id = session_id
        self._state = LogState()
        self._spacing = STEP_BYTES
        self._marks = [LogMark(0, 0)]
        self._known_dropped = 0
        self.cursor = 0
        self.first = 0
        self.oldest = 0
        self.ends = 0
        self.is_open = False
        self.eof = False

    @property
    def total(self) -> int:
        """The number behind the last line, be that at its end or not."""
        return self.ends + self.is_open

    async def advance(self) -> bool:
        """Go over the next piece of the output; False when there is none yet.

        Raises:
            SessionNotFoundError: The session is forgotten, and its output with it.
        """
        chunk = await self._manager.read(self._session_id, self.cursor, max_bytes=STEP_BYTES)
        before = self.cursor
        if not chunk.data:
            self.eof = chunk.eof
            return False
        await self._take(chunk)
        return self.cursor > before

    async def drop_oldest(self, dropped_bytes: int) -> None:
        """Find out which lines are not stored any more.

        Args:
            dropped_bytes: How many bytes the session is known to have lost; nothing is read until that changes.
        """
        if dropped_bytes == self._known_dropped:
            return
        probe = await self._manager.read(self._session_id, 0, max_bytes=1)
        if not probe.data and dropped_bytes < self.cursor:
            return  # it is gone this very moment; the next look tells
        self._known_dropped, oldest = dropped_bytes, probe.next_cursor - 1 if probe.data else dropped_bytes
        if oldest > self.oldest:
            await self._move_first(oldest)

    def before(self, line: int) -> LogMark:
        """The mark from which a line is found soonest: its beginning stands behind it."""
        at = bisect.bisect_left(self._marks, line, key=lambda mark: mark.line) - 1
        return self._marks[max(at, 0)]

    def last_within(self, line: int) -> LogMark | None:
        """The last mark inside a line, if it is so long that there are any."""
        at = bisect.bisect_right(self._marks, line, key=lambda mark: mark.line) - 1
        return self._marks[at] if at >= 0 and self._marks[at].line == line else None

    async def _take(self, chunk: OutputChunk) -> None:
        if len(chunk.data) <= _INLINE_BYTES:
            ends, is_open, cursor = _count(self._state, chunk)
        else:
            ends, is_open, cursor = await asyncio.to_thread(_count, self._state, chunk)
        self.ends += ends
        if is_open is not None:
            self.is_open = is_open
        if chunk.dropped:
            self.is_open = self.is_open or not ends
            if self.first == 0 and self.oldest == 0 and self.cursor == 0:
                self.oldest = chunk.dropped
        self.cursor = cursor
        if cursor - self._marks[-1].cursor >= self._spacing:
            self._marks.append(LogMark(cursor, self.ends, self._state.copy()))
            self._thin_out()

    def _thin_out(self) -> None:
        if len(self._marks) > MAX_MARKS:
            self._marks = self._marks[::2]
            self._spacing *= 2

    async def _move_first(self, oldest: int) -> None:
        at = bisect.bisect_right(self._marks, oldest, key=lambda mark: mark.cursor)
        if at == len(self._marks):
            if oldest >= self.cursor:  # everything that was counted is gone
                self._marks, self._state = [LogMark(oldest, self.ends, dropped=oldest)], LogState()
                self.first, self.oldest, self.cursor = self.ends, oldest, oldest
                return
            following = LogMark(self.cursor, self.ends, self._state.copy())
        else:
            following = self._marks[at]
        # Counted backwards from what is known: the lines keep their numbers.
        ends = await self._count_between(oldest, following.cursor)
        self.first, self.oldest = following.line - ends, oldest
        self._marks = [LogMark(oldest, self.first, dropped=oldest), *self._marks[at:]]

    async def _count_between(self, start: int, end: int) -> int:
        state, ends = LogState(), 0
        while start < end:
            chunk = await self._manager.read(self._session_id, start, max_bytes=min(STEP_BYTES, end - start))
            if not chunk.data:
                break
            more, _, start = await asyncio.to_thread(_count, state, chunk, final=chunk.next_cursor >= end)
            ends += more
        return ends


def _count(state: LogState, chunk: OutputChunk, *, final: bool = False) -> tuple[int, bool | None, int]:
    """How many lines end in a chunk; whether one is open behind it, if that is known; and where to go on."""
    spans, cursor = state.feed(chunk, final=final)
    ends = sum(span.data.count(b"\n") for span in spans)
    if not spans:
        return ends, None, cursor
    last = spans[-1]
    return ends, last.draws or not last.data.endswith(b"\n"), cursor
