"""Where the lines of a session's output begin, in which colours, and what of it no text can show."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field

from vibesbox_kernel.models import OutputChunk, StreamName
from vibesbox_kernel.shell.screens import Screens
from vibesbox_kernel.shell.sgr import carried

_SCREEN_CONTROL = re.compile(r"\x1b\[(\??[0-9;]*)([hlHfJ])")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*)?\Z")
_MAX_SEQUENCE = 64

_SCREEN_CONTROL_BYTES = re.compile(_SCREEN_CONTROL.pattern.encode())

Range = tuple[int, int]


class StreamState:
    """How one stream stands at some place: which colours are on, and whether a program draws on the whole screen.

    Attributes:
        style: The colours, as a sequence that turns them on.
    """

    def __init__(self) -> None:
        self.style = ""
        self._screens = Screens()

    @property
    def draws(self) -> bool:
        """Whether a program draws on the whole screen."""
        return self._screens.active

    def copy(self) -> StreamState:
        """The same state, to go on from here another time."""
        twin = copy.copy(self)
        twin._screens = copy.copy(self._screens)
        return twin

    def feed(self, data: bytes, *, final: bool) -> tuple[list[Range], int]:
        """Go on over the next bytes.

        Args:
            data: The bytes.
            final: A sequence that is cut in two at their end is not waited for.

        Returns:
            The ranges of them that are text, in their order (what is between them was drawn on a screen), and how many
            bytes were taken: what is left is to be fed again with what follows it.
        """
        if not self.draws and b"\x1b" not in data:
            return [(0, len(data))], len(data)
        text = data.decode("latin-1")  # a character for each byte
        cut = None if final else _UNFINISHED.search(text, max(0, len(text) - _MAX_SEQUENCE))
        text = text if cut is None else text[: cut.start()]
        ranges: list[Range] = []
        at = 0
        while at < len(text):
            if self.draws:
                at, _ = self._screens.skip(text, at)
                continue
            end, following = self._end_of_text(text, at)
            if at < end:
                ranges.append((at, end))
                self.style = carried(self.style, text[at:end])
            at = following
        return ranges, len(text)

    def _end_of_text(self, text: str, at: int) -> tuple[int, int]:
        """Where a program begins to draw, or the text's end; and where to go on."""
        for match in _SCREEN_CONTROL.finditer(text, at):
            self._screens.see(match[1], match[2])
            if self.draws:
                return match.span()
        return len(text), len(text)


@dataclass(frozen=True)
class Span:
    """Some bytes that follow one another and are of one kind.

    Attributes:
        cursor: Where they stand.
        data: The bytes; empty if they are drawn on a screen.
        size: How many they are.
        draws: They are drawn on a screen.
    """

    cursor: int
    data: bytes
    size: int
    stream: StreamName
    draws: bool = False


@dataclass
class LogState:
    """How the output stands at some cursor, for each of its streams."""

    streams: dict[StreamName, StreamState] = field(default_factory=dict)

    def copy(self) -> LogState:
        """The same state, to go on from here another time."""
        return LogState({name: stream.copy() for name, stream in self.streams.items()})

    def style(self, stream: StreamName) -> str:
        """The colours that are on in a stream."""
        known = self.streams.get(stream)
        return known.style if known is not None else ""

    def feed(self, chunk: OutputChunk, *, final: bool = False) -> tuple[list[Span], int]:
        """Go on over the next chunk, at whose first byte this state is.

        Args:
            chunk: The chunk.
            final: A sequence that is cut in two at its end is not waited for.

        Returns:
            What it consists of, and the cursor at which to go on.
        """
        if chunk.dropped:
            self.streams.clear()  # nobody knows what was turned on in between
        cursor = chunk.next_cursor - len(chunk.data)
        spans: list[Span] = []
        for stream, data in chunk.pieces():
            is_last = cursor + len(data) == chunk.next_cursor
            ranges, taken = self.streams.setdefault(stream, StreamState()).feed(data, final=final or not is_last)
            spans += _spans(cursor, data, ranges, taken, stream)
            cursor += taken
        return spans, cursor


def without_screen_controls(data: bytes) -> bytes:
    """What a stream has as text, without the sequences that have been heeded here already."""
    return _SCREEN_CONTROL_BYTES.sub(b"", data) if b"\x1b" in data else data


def _spans(cursor: int, data: bytes, ranges: list[Range], taken: int, stream: StreamName) -> list[Span]:
    spans = []
    at = 0
    for start, end in [*ranges, (taken, taken)]:
        if at < start:
            spans.append(Span(cursor + at, b"", start - at, stream, draws=True))
        if start < end:
            spans.append(Span(cursor + start, data[start:end], end - start, stream))
        at = end
    return spans
