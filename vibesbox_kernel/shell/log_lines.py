"""Lines of a session's output as a page can show them: cleaned, each with its own colours, and none too long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.shell.ansi import OutputFilter, without_styles
from vibesbox_kernel.shell.log_scan import without_screen_controls
from vibesbox_kernel.shell.overwrite import drop_overwritten, perform
from vibesbox_kernel.shell.sgr import carried

if TYPE_CHECKING:
    from vibesbox_kernel.models import OutputChunk
    from vibesbox_kernel.shell.log_index import LogMark

LONG_LINE_BYTES = 1 << 16
"""Of a line that is longer only the beginning and the end are kept."""
WHOLE_BYTES = 1 << 13
"""A line of at most so many bytes is shown as a whole."""
BEGINNING_BYTES = 4096
END_BYTES = 512
"""So much of a longer line is shown."""
_FRAMES_BYTES = 1 << 14
"""So much of a long line's end is looked at for the last frame of a progress bar."""
_FEW_FRAMES = 16
_PLAIN = re.compile(rb"[\t\n\x20-\x7e]*")


class Kind(IntEnum):
    """What a segment of a line is."""

    STDOUT = 0
    STDERR = 1
    DROPPED = 2
    SCREEN = 3
    CUT = 4

    @property
    def is_text(self) -> bool:
        """Whether it is text of the session's, and not something that is said of it."""
        return self <= Kind.STDERR


@dataclass(frozen=True)
class Segment:
    """A part of a line.

    Attributes:
        kind: What it is.
        text: It as text, with colours; empty for what is not shown.
        count: How many bytes that are.
    """

    kind: Kind
    text: str = ""
    count: int = 0


@dataclass(frozen=True)
class LogLine:
    """One line.

    Attributes:
        number: Counted from 0.
        size: How many bytes of it are stored.
        segments: What it consists of.
    """

    number: int
    size: int
    segments: tuple[Segment, ...]

    @property
    def plain(self) -> str:
        """What of it is text, without colours."""
        return "".join(without_styles(one.text) for one in self.segments if one.kind.is_text)


@dataclass
class _Piece:
    kind: Kind
    data: bytes
    count: int


@dataclass
class RawLine:
    """A line while it is put together: of a very long one the beginning and the end.

    Attributes:
        cursor: Where it begins, or where what is stored of it does.
        styles: The colours that are on at its beginning, by stream.
    """

    number: int
    cursor: int
    styles: dict[StreamName, str]
    size: int = 0
    _pieces: list[_Piece] = field(default_factory=list)
    _kept: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of it, not even that something is missing."""
        return not self._pieces

    def add(self, kind: Kind, count: int, data: bytes = b"") -> None:
        """Append some bytes, or a note on bytes that are not shown."""
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.kind is kind:
            last.data += data
            last.count += count
        else:
            self._pieces.append(_Piece(kind, data, count))
        self.size += count if kind is not Kind.DROPPED else 0
        self._kept += len(data)
        if self._kept > LONG_LINE_BYTES:
            self._shorten(_FRAMES_BYTES)

    def skip(self, count: int) -> None:
        """Leave out bytes in its middle."""
        self.size += count
        self._shorten(0)

    def finish(self, *, final: bool) -> LogLine:
        """The line, ready to show.

        Args:
            final: Nothing will follow on it; else an incomplete character at its end is left out.
        """
        if self._ends_in_frames():
            last = self._pieces[-1]
            self._pieces = [_Piece(last.kind, last.data.partition(b"\r")[2], last.count)]
        elif self._kept > WHOLE_BYTES or self._is_cut():
            self._shorten(END_BYTES)
        return LogLine(self.number, self.size, tuple(self._segments(final)))

    def _shorten(self, end_bytes: int) -> None:
        """Keep the beginning and so much of the end; a note stands between them."""
        beginning, end = self._taken(BEGINNING_BYTES), self._taken(end_bytes, backwards=True)
        shown = sum(one.count for one in (*beginning, *end) if one.kind is not Kind.DROPPED)
        self._pieces = [*beginning, _Piece(Kind.CUT, b"", self.size - shown), *end]
        self._kept = sum(len(one.data) for one in self._pieces)

    def _taken(self, limit: int, *, backwards: bool = False) -> list[_Piece]:
        taken: list[_Piece] = []
        for piece in reversed(self._pieces) if backwards else self._pieces:
            if piece.kind is Kind.CUT or limit <= 0:
                break
            data = _from_character(piece.data[-limit:]) if backwards else piece.data[:limit]
            taken.append(_Piece(piece.kind, data, len(data) if piece.kind.is_text else piece.count))
            limit -= len(data)
        return taken[::-1] if backwards else taken

    def _is_cut(self) -> bool:
        return any(one.kind is Kind.CUT for one in self._pieces)

    def _ends_in_frames(self) -> bool:
        """A long line that is rewritten again and again: what it ends as is what a terminal would show."""
        return self._is_cut() and self._pieces[-1].kind.is_text and b"\r" in self._pieces[-1].data.rstrip(b"\r")

    def _segments(self, final: bool) -> Iterator[Segment]:
        styles = dict(self.styles)
        for number, piece in enumerate(self._pieces, 1):
            if not piece.kind.is_text:
                yield Segment(piece.kind, count=piece.count)
                continue
            stream = StreamName.STDERR if piece.kind is Kind.STDERR else StreamName.STDOUT
            style = styles.get(stream, "")
            goes_on = not final if number == len(self._pieces) else self._pieces[number].kind is Kind.CUT
            yield Segment(piece.kind, style + cleaned(piece.data.rstrip(b"\r"), final=not goes_on), piece.count)
            styles[stream] = carried(style, piece.data.decode("latin-1"))


class Gatherer:
    """Puts lines together from chunks that follow one another.

    Args:
        mark: Where to begin. The first line lacks what stands before it.

    Attributes:
        cursor: Where to go on.
        line: The line that has not come to its end yet.
    """

    def __init__(self, mark: LogMark) -> None:
        self.cursor = mark.cursor
        self._state = mark.state.copy()
        self._styles = {name: stream.style for name, stream in self._state.streams.items()}
        self.line = RawLine(mark.line, mark.cursor, dict(self._styles))
        if mark.dropped:
            self.line.add(Kind.DROPPED, mark.dropped)

    def feed(self, chunk: OutputChunk, *, final: bool) -> Iterator[RawLine]:
        """Take in the next chunk; gives the lines that come to their end in it.

        Args:
            chunk: The chunk.
            final: Nothing follows it.
        """
        if chunk.dropped:
            self._styles.clear()
            self.line.add(Kind.DROPPED, chunk.dropped)
        spans, self.cursor = self._state.feed(chunk, final=final)
        for span in spans:
            if span.draws:
                self.line.add(Kind.SCREEN, span.size)
                continue
            kind = Kind.STDERR if span.stream is StreamName.STDERR else Kind.STDOUT
            at = 0
            while (end := span.data.find(b"\n", at)) >= 0:
                yield self._end_line(kind, span.stream, span.data[at:end], span.cursor + end + 1)
                at = end + 1
            if at < len(span.data):
                self._add(kind, span.stream, span.data[at:])

    def skip_to(self, mark: LogMark) -> None:
        """Go on at a mark further on in the line that is open."""
        self.line.skip(mark.cursor - self.cursor)
        self.cursor = mark.cursor
        self._state = mark.state.copy()
        self._styles = {name: stream.style for name, stream in self._state.streams.items()}

    def _end_line(self, kind: Kind, stream: StreamName, data: bytes, following: int) -> RawLine:
        self._add(kind, stream, data)
        ended, self.line = self.line, RawLine(self.line.number + 1, following, dict(self._styles))
        return ended

    def _add(self, kind: Kind, stream: StreamName, data: bytes) -> None:
        self.line.add(kind, len(data), data)
        if b"\x1b" in data:
            self._styles[stream] = carried(self._styles.get(stream, ""), data.decode("latin-1"))


def cleaned(data: bytes, *, final: bool) -> str:
    r"""Lines as text that shows as it stands, with their colours.

    Args:
        data: The bytes of one line or of several, screens left out.
        final: Nothing follows; else an incomplete character at the end is left out.
    """
    if _PLAIN.fullmatch(data):
        return data.decode()
    if data.count(b"\r") > _FEW_FRAMES:  # a progress bar: most of it can not be seen any more, and each frame costs
        data = drop_overwritten(data.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")).encode(
            "utf-8", "surrogateescape"
        )
    text = OutputFilter(terminal=True).feed(without_screen_controls(data).replace(b"\r\n", b"\n"), final=final)
    return perform(drop_overwritten(text))


def _from_character(data: bytes) -> bytes:
    """Without the rest of a character that was cut in two."""
    at = 0
    while at < min(3, len(data)) and data[at] & 0xC0 == 0x80:
        at += 1
    return data[at:]
