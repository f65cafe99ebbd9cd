"""What a session's tree has used: the present figures, and their bounded history."""

from __future__ import annotations

from array import array
from typing import NamedTuple

MAX_POINTS = 600
"""Points of one history: 56 bytes each, so at most 33 KiB."""

MAX_KEPT_POINTS = 60
"""Points that an ended session keeps (3.4 KiB)."""

_WIDTH = 7


class Usage(NamedTuple):
    """What a session's whole tree has used until one moment; a list in JSON.

    Attributes:
        at: Seconds since the session's start.
        cpu: CPU seconds of what lives, of what the broker has reaped, and of whatever these waited for.
        rss: Resident bytes; a page that processes share counts in each of them.
        processes: Live processes.
        read_bytes: Bytes read from storage, not from its cache.
        written_bytes: Bytes handed to storage.
        output_bytes: The cursor of its output.
        peak_rss: The most resident bytes that were seen, or that one process had by its own account.
    """

    at: float
    cpu: float
    rss: int
    processes: int
    read_bytes: int
    written_bytes: int
    output_bytes: int
    peak_rss: int


class History:
    """Points in time, at most one for each step of time; the step doubles when there are too many.

    A point stands until the next one: while nothing but the time changes, none is added. Figures that
    only grow are those at the point's time; resident bytes and processes are the highest of its step.
    """

    __slots__ = ("_points", "_step")

    def __init__(self) -> None:
        self._points = array("d")
        self._step = 0.0

    def __len__(self) -> int:
        return len(self._points) // _WIDTH

    def add(self, usage: Usage, *, most: int = MAX_POINTS) -> None:
        """Add a point, which may merge with the last."""
        self._put(array("d", usage[:_WIDTH]))
        if len(self) > most:
            self.shrink(most // 2)

    def shrink(self, most: int) -> None:
        """Merge neighbours until few enough are left; a history that is short already stays as it is."""
        while len(self) > max(1, most):
            points, self._points = self._points, array("d")
            self._step = max(1.0, 2 * self._step)
            for start in range(0, len(points), _WIDTH):
                self._put(points[start : start + _WIDTH])

    def points(self) -> list[list[float]]:
        """Seconds since the start, CPU, rss, processes, read, written, output: one list for each point."""
        found = self._points.tolist()
        return [
            [*found[start : start + 2], *map(int, found[start + 2 : start + _WIDTH])]
            for start in range(0, len(found), _WIDTH)
        ]

    def _put(self, point: array[float]) -> None:
        last = self._points[-_WIDTH:]
        if last and last[1:] == point[1:]:
            return
        if last and self._step and last[0] // self._step == point[0] // self._step:
            point[2] = max(point[2], last[2])
            point[3] = max(point[3], last[3])
            self._points[-_WIDTH:] = point
        else:
            self._points += point
