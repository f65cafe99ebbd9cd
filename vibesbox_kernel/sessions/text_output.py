"""Output as text for readers that take it piece by piece."""

from __future__ import annotations

import codecs
import threading

from vibesbox_kernel.sessions.spool_reader import SpoolReader

READ_BYTES = 1 << 20


class TextOutput:
    """A consuming reader: each call gives what is new since the last, characters kept whole.

    Bytes that are not UTF-8 become U+FFFD; what was dropped from the spool is said in a line.
    Several threads may call; each piece goes to one of them.
    """

    def __init__(self, spool: SpoolReader) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        self._cursor = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def cursor(self) -> int:
        """Behind the last byte that was given out."""
        return self._cursor

    def read_new(self, *, final: bool) -> str:
        """Everything stored since the last call and until now, and no more: a writer may be faster.

        Args:
            final: Nothing will follow, so a character that stayed half is bad now.
        """
        with self._lock:
            pieces = []
            end = self._spool.end()
            while self._cursor < end:
                chunk = self._spool.read(self._cursor, min(READ_BYTES, end - self._cursor))
                if not chunk.data:
                    break
                if chunk.dropped:
                    pieces.append(self._finish_character())
                    pieces.append(dropped_line(chunk.dropped))
                pieces.append(self._decoder.decode(chunk.data))
                self._cursor = chunk.next_cursor
            if final:
                pieces.append(self._finish_character())
            return "".join(pieces)

    def _finish_character(self) -> str:
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest


def dropped_line(count: int) -> str:
    """What is said in the place of output that is not stored any more."""
    return f"\n[vibesbox: {count} bytes of output were dropped here]\n"


def last_lines(spool: SpoolReader, count: int) -> bytes:
    """The last lines of the output, read from its end; a line without newline at the end counts."""
    if count <= 0:
        return b""
    end = spool.end()
    start, data = end, b""
    while start > 0 and data.count(b"\n", 0, max(len(data) - 1, 0)) < count:
        step = min(max(1 << 14, len(data)), start)
        piece = _read_exactly(spool, start - step, start)
        start -= step
        if len(piece) < step:
            data = piece + data  # what is older was dropped
            break
        data = piece + data
    body, newline = (data[:-1], data[-1:]) if data.endswith(b"\n") else (data, b"")
    return b"\n".join(body.split(b"\n")[-count:]) + newline


def _read_exactly(spool: SpoolReader, start: int, end: int) -> bytes:
    pieces = []
    while start < end:
        chunk = spool.read(start, end - start)
        if not chunk.data or chunk.next_cursor > end:
            break
        pieces.append(chunk.data)
        start = chunk.next_cursor
    return b"".join(pieces)
