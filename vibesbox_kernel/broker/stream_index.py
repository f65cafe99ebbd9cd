"""Which parts of a session's output were written to stderr, where that has a terminal or pipe of its own.

Both streams go into one spool, in the order in which the broker has read them. Beside a segment ``out.N`` that holds
any of stderr lies ``err.N``: marks of eight bytes, each saying which stream the bytes from a cursor on belong to. A
segment without such a file, and one's bytes before the first mark, are stdout's. A mark is on disk before the bytes
that it is about, so whoever reads first the bytes and then the marks knows of every byte that it has.
"""

from __future__ import annotations

import contextlib
import errno
import os

from vibesbox_kernel.broker.wire import STDOUT, index_path, pack_mark

MAX_MARKS = 1 << 16
"""Of one segment; what follows the last of them counts as of its stream."""

MAX_WAITING = 1 << 10
"""Marks in memory, of bytes that the disk refuses; then the oldest go."""


class StreamIndex:
    """The writing end, for one spool.

    Args:
        directory: Where the segments lie.
    """

    __slots__ = ("_count", "_directory", "_segment", "_stream", "_waiting")

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._stream = STDOUT  # of the last byte on disk
        self._waiting: list[tuple[int, int]] = []  # marks of bytes that are not on disk yet: cursor and stream
        self._segment = -1
        self._count = 0

    def switch(self, cursor: int, stream: int) -> None:
        """What follows a cursor comes from a stream."""
        if stream != (self._waiting[-1][1] if self._waiting else self._stream):
            self._waiting.append((cursor, stream))
            del self._waiting[:-MAX_WAITING]

    def store(self, segment: int, cursor: int, up_to: int) -> None:
        """Put down the marks of ``[cursor, up_to)``, which are about to be stored in a segment.

        Raises:
            OSError: The disk refuses; nothing has changed.
        """
        due = [mark for mark in self._waiting if cursor < mark[0] < up_to]
        at_cursor = self._stream_at(cursor)
        if at_cursor != (self._stream if segment == self._segment else STDOUT):
            due.insert(0, (cursor, at_cursor))
        count = 0 if segment != self._segment else self._count
        due = due[: MAX_MARKS - count]
        if due:
            self._append(segment, due)
        self._segment, self._count = segment, count + len(due)

    def stored(self, up_to: int) -> None:
        """The bytes before a cursor are on disk, or will never be: their marks are done with."""
        if self._waiting and self._waiting[0][0] < up_to:
            self._stream = self._stream_at(up_to - 1)
            self._waiting = [mark for mark in self._waiting if mark[0] >= up_to]

    def drop(self, segment: int) -> None:
        """A segment is gone."""
        with contextlib.suppress(OSError):  # most have none, and one that stays goes with the session's directory
            os.unlink(index_path(self._directory, segment))

    def _stream_at(self, cursor: int) -> int:
        stream = self._stream
        for at, new in self._waiting:
            if at > cursor:
                break
            stream = new
        return stream

    def _append(self, segment: int, marks: list[tuple[int, int]]) -> None:
        data = b"".join(pack_mark(cursor, stream) for cursor, stream in marks)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(index_path(self._directory, segment), flags, 0o600)
        try:
            taken = os.write(descriptor, data)
            if taken < len(data):  # half a mark would garble all that follow
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - taken)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
