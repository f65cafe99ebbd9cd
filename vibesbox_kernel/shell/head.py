"""The first part of a session's output: as much as a front-end is given as plain text."""

from __future__ import annotations

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.shell.ansi import OutputFilter
from vibesbox_kernel.shell.line_model import utf8_bytes

HEAD_LINES = 1000
HEAD_BYTES = 200_000
BACKLOG_BYTES = 300_000


class Head:
    """Takes bytes in order, filters them, and says when it has had enough.

    What counts is what the front-end keeps: a progress bar that overwrites itself never fills it. Each stream has a
    filter of its own: half a character or escape sequence is ended by the same stream's bytes.

    Attributes:
        cursor: Where the next byte stands in the session's output.
        over: Whether the head is full; what follows the cursor is not for it.
    """

    def __init__(self, start: int = 0, *, max_lines: int = HEAD_LINES, max_bytes: int = HEAD_BYTES) -> None:
        self.cursor = start
        self.over = False
        self._start = start
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._others_lines = self._others_bytes = 0
        self._filters = {StreamName.STDOUT: OutputFilter()}

    @property
    def lines(self) -> int:
        """Complete lines so far."""
        return self._others_lines + sum(one.line.lines for one in self._filters.values())

    @property
    def kept_bytes(self) -> int:
        """How many bytes the front-end keeps."""
        return self._others_bytes + sum(one.line.kept_bytes for one in self._filters.values())

    @property
    def half_full(self) -> bool:
        """Whether less than half of its room is left."""
        return 2 * self.lines > self._max_lines or 2 * self.kept_bytes > self._max_bytes

    @property
    def screens(self) -> int:
        """How often a program has begun to draw on the whole screen."""
        return sum(one.screens.entered for one in self._filters.values())

    @property
    def on_screen(self) -> bool:
        """Whether one does now, so that nothing is shown."""
        return any(one.screens.active for one in self._filters.values())

    def leave_screen(self) -> None:
        """The program is gone that has drawn, and has not tidied up."""
        for one in self._filters.values():
            one.leave_screen()

    def take(self, data: bytes, stream: StreamName = StreamName.STDOUT) -> str:
        """Take what there is room for and return its text; the cursor moves behind what was taken."""
        texts: list[str] = []
        at = 0
        while at < len(data) and not self.over:
            end = self._fitting(data, at)
            before = self.kept_bytes
            texts.append(self.absorb(data[at:end], stream))
            self.over = self._is_full(end < len(data), self.kept_bytes - before, end - at)
            at = end
        return "".join(texts)

    def absorb(self, data: bytes, stream: StreamName = StreamName.STDOUT) -> str:
        """Take all of it, room or not."""
        self.cursor += len(data)
        return self._filter(stream).feed(data)

    def pass_over(self, count: int) -> None:
        """Move the cursor: what stands there is shown in another way than as text."""
        self.cursor += count

    def count(self, text: str) -> None:
        """Count what is shown in another way; it takes room as well."""
        self._others_lines += text.count("\n") + 1
        self._others_bytes += utf8_bytes(text)

    def end_line(self, stream: StreamName) -> str:
        """What was held back of a stream; what comes next of it begins a line."""
        one = self._filter(stream)
        text = one.feed(b"", final=True)
        one.line.add("\n")
        return text

    def skip(self, count: int, notice: str) -> list[tuple[StreamName, str]]:
        """Leave out bytes that are gone, and say so in their place."""
        self.cursor += count
        return [*self.finish(), (StreamName.STDOUT, self._filter(StreamName.STDOUT).feed(notice.encode()))]

    def finish(self) -> list[tuple[StreamName, str]]:
        """What was held back, now that nothing follows."""
        return [(stream, one.feed(b"", final=True)) for stream, one in self._filters.items()]

    def give_up_if_behind(self, output_end: int) -> None:
        """Be over when the front-end can not keep up with a stream that overwrites itself (or is not to be shown)."""
        if self.cursor - self._start > self._max_bytes and output_end - self.cursor > BACKLOG_BYTES:
            self.over = True

    def _filter(self, stream: StreamName) -> OutputFilter:
        found = self._filters.get(stream)
        if found is None:
            found = self._filters[stream] = OutputFilter()
        return found

    def _is_full(self, limited: bool, growth: int, taken: int) -> bool:
        if self.lines >= self._max_lines or self.kept_bytes >= self._max_bytes:
            return True
        # The piece was cut to fit. Unless most of it was overwritten, what is left of the room is less than a line.
        return limited and 2 * growth >= taken

    def _fitting(self, data: bytes, at: int) -> int:
        """Where the part ends that surely fits: behind a line if possible, and never within a character."""
        end = min(len(data), at + max(1, self._max_bytes - self.kept_bytes))
        if end < len(data):
            newline = data.rfind(b"\n", at, end)
            end = newline + 1 if newline >= 0 else _character_boundary(data, at, end)
        return self._line_limit(data, at, end)

    def _line_limit(self, data: bytes, at: int, end: int) -> int:
        room = self._max_lines - self.lines
        if data.count(b"\n", at, end) < room:
            return end
        for _ in range(room):
            at = data.index(b"\n", at, end) + 1
        return at


def _character_boundary(data: bytes, at: int, end: int) -> int:
    """The nearest place before the end (at most three bytes) where a UTF-8 character begins."""
    for back in range(min(4, end - at)):
        if data[end - back] & 0xC0 != 0x80:
            return end - back
    return end
