"""A session's output on disk: segment files named by the absolute cursor at which they start.

``out.N`` holds the bytes ``[N, N + size)``. A reader needs nothing but the directory: the end of a
segment and the start of the next tell it exactly what is missing between them, be it dropped for the
disk limit or lost on a full disk, and after the broker's death too.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

from vibesbox_kernel.broker.stream_index import StreamIndex
from vibesbox_kernel.broker.tail import TAIL_BYTES, Tail
from vibesbox_kernel.broker.wire import SEGMENT_PREFIX, STDOUT

if TYPE_CHECKING:
    from vibesbox_kernel.broker.budget import Budget

SEGMENT_BYTES = 8 << 20
LIMIT_BYTES = 256 << 20
RETRY_SECONDS = 0.05
"""How long a disk that has just refused is not asked again: a flood would ask at every read."""

MAX_SEGMENTS = 4096
"""A disk that fills up and is freed again and again makes a segment each time: these too are bounded."""

BLOCK = "block"
_SEGMENTS_IN_LIMIT = 4  # dropping one of them must leave most of a small limit
_CHECK_SECONDS = 0.02
_OPEN = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Spool:
    """The writing end. It never raises for a disk that refuses and never waits: it counts.

    Args:
        directory: Where the segments lie; made when it is missing.
        limit_bytes: What may be stored at most.
        segment_bytes: Size of a segment; at most a quarter of the limit.
        retry_seconds: How long a disk that has refused is not asked again.
        tail_bytes: How much of what the disk refused stays in memory.
        on_full: ``drop_oldest``, or ``block``: then nothing stored is ever dropped for a limit, and
            whoever writes asks ``room`` first.
        budget: The limit of all sessions together.
        split: Keep apart what was written to stderr; see ``stream_index``.

    Attributes:
        end: Cursor behind the last byte that the session has put out, stored or not.
        problem: Why the disk refuses, in words; None while it does not.
        blocks: Whether the session is to wait when there is no room.
    """

    __slots__ = (
        "_budget",
        "_check_at",
        "_closed",
        "_closed_bytes",
        "_directory",
        "_file",
        "_index",
        "_limit_bytes",
        "_retry_seconds",
        "_seen",
        "_segment_bytes",
        "_size",
        "_start",
        "_tail",
        "_tail_bytes",
        "_try_again_at",
        "blocks",
        "end",
        "problem",
    )

    def __init__(
        self,
        directory: str,
        *,
        limit_bytes: int = LIMIT_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        retry_seconds: float = RETRY_SECONDS,
        tail_bytes: int = TAIL_BYTES,
        on_full: str = "drop_oldest",
        budget: Budget | None = None,
        split: bool = False,
    ) -> None:
        self.end = 0
        self.problem: str | None = None
        self._directory = directory
        self._retry_seconds = retry_seconds
        self._tail_bytes = tail_bytes
        self._budget = budget
        self._index = StreamIndex(directory) if split else None
        self._closed: tuple[tuple[int, int], ...] = ()  # (start, size) of the segments that are final
        self._closed_bytes = 0
        self._start = -1  # of the segment that grows; -1 when there is none
        self._size = 0
        self._file = -1  # that segment, unless it is suspended
        self._tail: Tail | None = None
        self._try_again_at = 0.0
        self._check_at = 0.0
        self._seen = 0
        self.limit(limit_bytes, segment_bytes=segment_bytes, on_full=on_full)

    def limit(self, limit_bytes: int, *, segment_bytes: int = SEGMENT_BYTES, on_full: str = "drop_oldest") -> None:
        """Store that much at most from now on; what is stored already counts. See the class for the arguments."""
        self.blocks = on_full == BLOCK
        self._limit_bytes = limit_bytes
        self._segment_bytes = max(1, min(segment_bytes, limit_bytes // _SEGMENTS_IN_LIMIT))
        if self._size >= self._segment_bytes:
            self._finish_segment()
        if not self.blocks:
            self._drop_beyond_limits()

    @property
    def stored(self) -> int:
        """Bytes on disk."""
        return self._closed_bytes + self._size

    @property
    def dropped(self) -> int:
        """Bytes of ``[0, end)`` that are not on disk: dropped, lost, or refused and still in memory."""
        return self.end - self._closed_bytes - self._size

    @property
    def is_full(self) -> bool:
        """Whether its own limit leaves no room."""
        return self.stored >= self._limit_bytes

    @property
    def directory(self) -> str:
        """Where its segments lie."""
        return self._directory

    def room(self) -> int:
        """Bytes that may be written before something must be dropped; 0 while the disk refuses."""
        return 0 if self.problem is not None else max(0, self._limit_bytes - self.stored)

    def write(self, data: bytes, stream: int = STDOUT) -> None:
        """Append. What can not be stored is counted in ``dropped``; its last bytes are tried again later.

        A blocking spool is asked for ``room`` first; at its session's end it takes what was left in the
        pipe, which is little, beyond its limit.
        """
        if self._index is not None:
            self._index.switch(self.end, stream)
        rest = memoryview(data)
        now = time.monotonic()
        if self.problem is None or (now >= self._try_again_at and self.retry()):
            if now >= self._check_at:
                self._check_at = now + _CHECK_SECONDS
                self._notice_removal()
            while rest and (taken := self._append(rest, self.end)):
                self.end += taken
                rest = rest[taken:]
        if rest:
            self._keep(rest)

    def retry(self) -> bool:
        """Ask the disk once more to take what it refused; True when nothing is left of that."""
        while self._tail is not None:
            taken = self._append(memoryview(self._tail.first()), self._tail.start)
            if taken == 0:
                return False
            self._cut_tail(self._tail.start + taken)
        self.problem = None
        return True

    def suspend(self) -> None:
        """Let go of the descriptor; the next write goes on in the same segment."""
        if self._file < 0:
            return
        try:
            os.close(self._file)
        except OSError as error:  # a network's disk may refuse as late as here
            self.problem = _words(error)
        self._file = -1
        if self._budget is not None:
            self._budget.free_file(self)

    def suspend_if_idle(self, now: float) -> bool:
        """To be called about once a second: an idle session holds no descriptor.

        Args:
            now: The monotonic clock.

        Returns:
            Whether ``dropped`` or ``problem`` has changed, because the disk takes bytes again.
        """
        idle, self._seen = self._seen == self.end, self.end
        before = (self.dropped, self.problem)
        if self.problem is not None and now >= self._try_again_at:
            self.retry()
        if idle:
            self._notice_removal()
            self.suspend()
        return before != (self.dropped, self.problem)

    def discard(self, up_to: int) -> int:
        """Drop the whole segments below a cursor; returns the bytes that this frees on disk."""
        if self._start >= 0 and self._start + self._size <= up_to:
            self._finish_segment()
        freed = 0
        while self._closed and sum(self._closed[0]) <= up_to:
            size = self.drop_oldest_segment()
            if size == 0:
                break
            freed += size
        if self._tail is not None:
            self._cut_tail(up_to)
        return freed

    def drop_oldest_segment(self) -> int:
        """Drop the oldest segment, the growing one if there is no other; returns its size, 0 for none."""
        if not self._closed:
            self._finish_segment()
        if not self._closed or not self._unlink(self._closed[0][0]):
            return 0
        (start, size), self._closed = self._closed[0], self._closed[1:]
        if self._index is not None:
            self._index.drop(start)
        self._closed_bytes -= size
        self._count(-size)
        return size

    def close(self) -> None:
        """Store what can be stored and let go of everything; a later write would start a new segment."""
        if self._tail is not None and not self.retry():
            self._cut_tail(self.end)
        self._finish_segment()
        if self._budget is not None:
            self._budget.closed(self)

    def _append(self, data: memoryview, cursor: int) -> int:
        """Write what the segment takes; 0 when the disk takes nothing."""
        try:
            if self._budget is not None:
                self._budget.claim(min(len(data), self._segment_bytes))
            if self._file < 0 or self._start + self._size != cursor:
                self._open_at(cursor)
            data = data[: self._segment_bytes - self._size]
            if self._index is not None:
                self._index.store(self._start, cursor, cursor + len(data))
            taken = os.write(self._file, data)
        except OSError as error:
            self._refused(error)
            return 0
        if self._index is not None:
            self._index.stored(cursor + taken)
        self._size += taken
        self._count(taken)
        if self._size >= self._segment_bytes:
            self._finish_segment()
        if not self.blocks:
            self._drop_beyond_limits()
        return taken

    def _open_at(self, cursor: int) -> None:
        if self._start + self._size != cursor or not self._reopen():
            self._finish_segment()
            self._open_segment(cursor)

    def _reopen(self) -> bool:
        """Go on in the suspended segment, unless it is gone or not what it was."""
        if self._start < 0:
            return False
        try:
            self._file = self._open(self._start, _OPEN)
        except FileNotFoundError:
            self._recount()
            return False
        return os.fstat(self._file).st_size == self._size

    def _open_segment(self, cursor: int) -> None:
        try:
            self._file = self._open(cursor, _OPEN | os.O_CREAT)
        except FileNotFoundError:  # somebody has removed the directory
            self._recount()
            os.makedirs(self._directory, 0o700, exist_ok=True)
            self._file = self._open(cursor, _OPEN | os.O_CREAT)
        self._start, self._size = cursor, 0
        if self._budget is not None:
            self._budget.opened(self)

    def _open(self, start: int, flags: int) -> int:
        if self._budget is not None:
            self._budget.take_file(self)
        try:
            return os.open(self._path(start), flags, 0o600)
        except OSError:
            if self._budget is not None:
                self._budget.free_file(self)
            raise

    def _finish_segment(self) -> None:
        if self._start < 0:
            return
        self.suspend()
        start, known = self._start, self._size
        self._start, self._size = -1, 0
        size = self._measure(start, known)
        self._count(size - known)
        if size:
            self._closed += ((start, size),)
            self._closed_bytes += size
        else:
            self._unlink(start)

    def _refused(self, error: OSError) -> None:
        self.problem = _words(error)
        self._try_again_at = time.monotonic() + self._retry_seconds
        if error.errno in _FULL:
            self.suspend()
        else:
            self._finish_segment()  # the trouble may be with this very file

    def _keep(self, data: memoryview) -> None:
        """Remember the end of what the disk refused; a blocking spool is never given more than a little."""
        if self._tail is None:
            self._tail = Tail(self.end)
        before = len(self._tail)
        allowed = self._tail_bytes
        if self._budget is not None:
            allowed = min(allowed, before + self._budget.memory_left())
        self._tail.keep(data, self.end, len(data) + before if self.blocks else allowed)
        self.end += len(data)
        self._tail_changed(before)

    def _cut_tail(self, up_to: int) -> None:
        if self._tail is not None:
            before = len(self._tail)
            self._tail.cut(up_to)
            self._tail_changed(before)

    def _tail_changed(self, before: int) -> None:
        if self._budget is not None:
            self._budget.memory += self._tail_size() - before
        if self._tail_size() == 0:
            self._tail = None

    def _tail_size(self) -> int:
        return 0 if self._tail is None else len(self._tail)

    def _drop_beyond_limits(self) -> None:
        while self._closed and (self.stored > self._limit_bytes or len(self._closed) >= MAX_SEGMENTS):
            if not self.drop_oldest_segment():
                return

    def _notice_removal(self) -> None:
        """What is written to a file without a name is stored nowhere."""
        if self._file >= 0 and os.fstat(self._file).st_nlink == 0:
            self._finish_segment()
            self._recount()

    def _recount(self) -> None:
        """Find out which of the closed segments somebody has removed."""
        left = [(start, self._measure(start, size)) for start, size in self._closed]
        self._closed = tuple((start, size) for start, size in left if size)
        before, self._closed_bytes = self._closed_bytes, sum(size for _, size in self._closed)
        self._count(self._closed_bytes - before)

    def _measure(self, start: int, known: int) -> int:
        try:
            return min(known, os.lstat(self._path(start)).st_size)
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except OSError:  # nobody can tell just now: it was so
            return known

    def _count(self, change: int) -> None:
        if self._budget is not None:
            self._budget.stored += change

    def _unlink(self, start: int) -> bool:
        try:
            os.unlink(self._path(start))
        except (FileNotFoundError, NotADirectoryError):
            return True  # somebody tidied up before us; gone is gone
        except OSError:
            return False
        return True

    def _path(self, start: int) -> str:
        return f"{self._directory}/{SEGMENT_PREFIX}{start}"


def _words(error: OSError) -> str:
    return error.strerror or str(error)
