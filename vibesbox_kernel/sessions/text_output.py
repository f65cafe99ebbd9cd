"""Output as text for readers that take it piece by piece."""

from __future__ import annotations

import codecs

from vibesbox_kernel.sessions.spool_reader import SpoolReader

READ_BYTES = 1 << 20


class TextOutput:
    """A consuming reader: each call gives what is new since the last, characters kept whole.

    Bytes that are not UTF-8 become U+FFFD; what was dropped from the spool is said in a line.
    """

    def __init__(self, spool: SpoolReader) -> None:
        self._spool = spool
        self.cursor = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read_new(self, *, final: bool) -> str:
        """Everything stored since the last call; with ``final`` also a character that stayed half."""
        pieces = []
        while True:
            chunk = self._spool.read(self.cursor, READ_BYTES)
            if chunk.dropped:
                pieces.append(self._decoder.decode(b"", final=True))
                self._decoder.reset()
                pieces.append(dropped_line(chunk.dropped))
            pieces.append(self._decoder.decode(chunk.data))
            self.cursor = chunk.next_cursor
            if not chunk.data:
                break
        if final:
            pieces.append(self._decoder.decode(b"", final=True))
            self._decoder.reset()
        return "".join(pieces)


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
