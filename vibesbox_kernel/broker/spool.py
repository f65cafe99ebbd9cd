"""A session's output on disk: segment files named by the absolute cursor at which they start.

``out.N`` holds the bytes ``[N, N + size)``. A reader needs nothing but the directory: the end of a
segment and the start of the next tell it exactly what is missing between them, be it dropped for the
disk limit or lost on a full disk, and after the broker's death too.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque

from vibesbox_kernel.broker.wire import SEGMENT_PREFIX

SEGMENT_BYTES = 8 << 20
LIMIT_BYTES = 256 << 20
RETRY_SECONDS = 0.05
"""How long a disk that has just refused is not asked again: a flood would ask at every read."""


class Spool:
    """The writing end. It never raises for a full disk and never waits: it counts.

    Attributes:
        end: Cursor behind the last byte that the session has put out, stored or not.
        dropped: Bytes of ``[0, end)`` that are not stored (any more).
    """

    def __init__(
        self,
        directory: str,
        *,
        limit_bytes: int = LIMIT_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.end = 0
        self.dropped = 0
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._segment_bytes = min(segment_bytes, limit_bytes)
        self._older: deque[tuple[int, int]] = deque()  # (start, size) of the closed segments
        self._older_bytes = 0
        self._file = -1
        self._retry_seconds = retry_seconds
        self._try_again_at = 0.0
        self._start = 0
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append; what the disk does not take is counted in ``dropped``."""
        rest = memoryview(data)
        if time.monotonic() < self._try_again_at:
            self._lose(len(rest))
            return
        while rest:
            taken = self._write_some(rest)
            if taken == 0:
                self._try_again_at = time.monotonic() + self._retry_seconds
                self._lose(len(rest))
                return
            rest = rest[taken:]

    def close(self) -> None:
        """Let go of the open segment; a later write would start a new one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            if self._size:
                self._older.append((self._start, self._size))
                self._older_bytes += self._size
                self._size = 0
            else:
                self._unlink(self._start)

    def _write_some(self, data: memoryview) -> int:
        try:
            if self._file < 0:
                self._open_segment()
            taken = os.write(self._file, data[: self._segment_bytes - self._size])
        except OSError:
            return 0
        self._size += taken
        self.end += taken
        if self._size >= self._segment_bytes:
            self.close()
        self._drop_oldest()
        return taken

    def _open_segment(self) -> None:
        path = f"{self._directory}/{SEGMENT_PREFIX}{self.end}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._start = self.end
        self._size = 0

    def _lose(self, count: int) -> None:
        # The next byte that the disk takes starts a new segment: the gap between the two is the loss.
        self.close()
        self.end += count
        self.dropped += count

    def _drop_oldest(self) -> None:
        while self._older and self._older_bytes + self._size > self._limit_bytes:
            start, size = self._older.popleft()
            self._older_bytes -= size
            self.dropped += size
            self._unlink(start)

    def _unlink(self, start: int) -> None:
        with contextlib.suppress(FileNotFoundError):  # somebody tidied up before us; gone is gone
            os.unlink(f"{self._directory}/{SEGMENT_PREFIX}{start}")
