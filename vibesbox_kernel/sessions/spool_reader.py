"""Reading a session's output from its segment files; any number of readers, none consuming."""

from __future__ import annotations

import bisect
import os
from itertools import pairwise
from pathlib import Path

from vibesbox_kernel.broker.wire import SEGMENT_PREFIX, STDERR, STDOUT, index_path, unpack_marks
from vibesbox_kernel.models import OutputChunk


class SpoolReader:
    """Random access by absolute cursor. Safe to use from several threads.

    What it has reported as dropped may appear after all, when a full disk takes bytes again and the
    writer still has them: who reads there again, or only then, gets them.

    Args:
        directory: Where the segments lie.
        split: Whether stderr is kept apart.
    """

    def __init__(self, directory: Path, *, split: bool = False) -> None:
        self._directory = directory
        self._split = split
        self._starts: list[int] = []

    def read(self, cursor: int, max_bytes: int) -> OutputChunk:
        """The stored bytes at a cursor, or the next ones after it; empty when there are none yet.

        Raises:
            ValueError: A negative cursor or size.
        """
        if cursor < 0 or max_bytes < 0:
            raise ValueError(f"cursor and max_bytes must not be negative: {cursor}, {max_bytes}")
        while True:
            chunk = self._read(cursor, max_bytes)
            if not chunk.dropped or not self._was_missed(chunk.cursor + chunk.dropped):
                return chunk

    def _read(self, cursor: int, max_bytes: int) -> OutputChunk:
        start = cursor
        while True:
            segment = self._segment_for(start)
            if segment is None:
                return OutputChunk(cursor=cursor, data=b"", next_cursor=cursor)
            data = self._pread(segment, max(start - segment, 0), max_bytes)
            if data is None:  # dropped between the listing and the opening
                self._starts = []
                continue
            start = max(start, segment)
            if data or max_bytes == 0:
                return OutputChunk(
                    cursor=cursor,
                    data=data,
                    next_cursor=start + len(data),
                    dropped=start - cursor,
                    errors=self._errors(segment, start, len(data)) if self._split else (),
                )
            following = self._next_start(segment)
            if following is None:
                return OutputChunk(cursor=cursor, data=b"", next_cursor=cursor)
            # A segment that has a successor is final; it may have grown since the empty read.
            if not self._pread(segment, max(start - segment, 0), 1):
                start = max(start, following)

    def _was_missed(self, start: int) -> bool:
        """Whether a segment before ``start`` was there that the listing did not show.

        readdir(3) may show a file that was made while it ran and not one that was made before that; a
        listing that begins now shows both.
        """
        seen = self._last_before(self._starts, start)
        return self._last_before(self._list(), start) > seen

    @staticmethod
    def _last_before(starts: list[int], start: int) -> int:
        index = bisect.bisect_left(starts, start)
        return starts[index - 1] if index else -1

    def end(self) -> int:
        """Cursor behind the last stored byte."""
        starts = self._list()
        if not starts:
            return 0
        try:
            return starts[-1] + Path(self._path(starts[-1])).stat().st_size
        except FileNotFoundError:
            return starts[-1]

    def _segment_for(self, cursor: int) -> int | None:
        """The segment that holds a cursor, else the oldest behind it."""
        starts = self._starts or self._list()
        index = bisect.bisect_right(starts, cursor) - 1
        if index >= 0:
            return starts[index]
        return starts[0] if starts else None

    def _next_start(self, segment: int) -> int | None:
        starts = self._starts
        if not starts or starts[-1] <= segment:
            starts = self._list()
        index = bisect.bisect_right(starts, segment)
        return starts[index] if index < len(starts) else None

    def _list(self) -> list[int]:
        try:
            names = os.listdir(self._directory)
        except (FileNotFoundError, NotADirectoryError):
            names = []
        starts = [name.removeprefix(SEGMENT_PREFIX) for name in names if name.startswith(SEGMENT_PREFIX)]
        self._starts = sorted(int(start) for start in starts if start.isdecimal())
        return self._starts

    def _pread(self, segment: int, offset: int, count: int) -> bytes | None:
        try:
            descriptor = os.open(self._path(segment), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return os.pread(descriptor, count, offset)
        finally:
            os.close(descriptor)

    def _errors(self, segment: int, start: int, size: int) -> tuple[tuple[int, int], ...]:
        """The ranges of what was read at a cursor that are stderr's."""
        try:
            with open(index_path(str(self._directory), segment), "rb") as file:
                marks = unpack_marks(file.read(), start, start + size)
        except FileNotFoundError:
            return ()
        ranges = []
        for (cursor, stream), (end, _) in pairwise([*marks, (start + size, STDOUT)]):
            if stream == STDERR and cursor < end:
                ranges.append((max(cursor - start, 0), end - start))
        return tuple(ranges)

    def _path(self, segment: int) -> str:
        return f"{self._directory}/{SEGMENT_PREFIX}{segment}"
