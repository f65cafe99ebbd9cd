"""Output that is rewritten over several lines: bars of progress below one another, the layers of a download.

A stream output can be overwritten in its last line only. So when a program goes up with its cursor, the lines within
its reach are shown in a block of their own, which is replaced as often as they change.
"""

from __future__ import annotations

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.shell.ansi import OutputFilter
from vibesbox_kernel.shell.grid import REACH_ROWS, Grid

MAX_ROWS = 100
"""Of a block: then the rows out of reach are left as they are, and the others begin a new one."""

_RECENT_BYTES = 8192


class Recent:
    """The end of what a front-end has of one stream, as far as a program can reach it."""

    def __init__(self) -> None:
        self._data = b""

    def add(self, data: bytes) -> None:
        """Take note of output that is shown as text."""
        self._data = (self._data + data[-_RECENT_BYTES:])[-_RECENT_BYTES:]

    def take(self) -> bytes:
        """The lines within reach, which are shown in another way from now on."""
        data, self._data = self._data, b""
        at = len(data)
        for _ in range(REACH_ROWS):
            at = data.rfind(b"\n", 0, at)
            if at < 0:
                # If it is not all that there ever was, its first line may not be whole.
                return data if len(data) < _RECENT_BYTES else data[data.find(b"\n") + 1 :]
        return data[at + 1 :]


class LiveBlock:
    """Lines that are shown in one block, and replaced there.

    Args:
        stream: Whose lines they are.
        begun: What stands in them already.

    Attributes:
        number: Which block of its session it is.
        changed: Whether it is not shown as it is now.
        shown: Whether it is shown at all.
    """

    def __init__(self, stream: StreamName, begun: bytes, *, number: int) -> None:
        self.stream = stream
        self.number = number
        self.changed = True
        self.shown = False
        self._filter = OutputFilter(terminal=True, moves=True)
        self._grid = Grid()
        self._grid.feed(self._filter.feed(begun))
        self._grid.since_up = 0

    @property
    def text(self) -> str:
        """What it shows."""
        return self._grid.text

    @property
    def is_settled(self) -> bool:
        """Whether so much came since the program went up that it will hardly go up again."""
        return self._grid.since_up > REACH_ROWS

    def feed(self, data: bytes) -> None:
        """Perform what comes next."""
        self.changed = True
        self._grid.feed(self._filter.feed(data))

    def cut(self) -> str | None:
        """If it has grown too long, take out the rows that are out of reach; returns their text."""
        if len(self._grid.rows) <= MAX_ROWS:
            return None
        self.changed = True
        return self._grid.cut(len(self._grid.rows) - REACH_ROWS)
