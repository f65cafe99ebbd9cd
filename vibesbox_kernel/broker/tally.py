"""The sums of one session's figures, and what was last seen of each of its processes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from vibesbox_kernel.broker.processes import Glance
from vibesbox_kernel.broker.usage import MAX_KEPT_POINTS, History, Usage

if TYPE_CHECKING:
    from resource import struct_rusage

NOTHING = Usage(0.0, 0.0, 0, 0, 0, 0, 0, 0)
_BLOCK_BYTES = 512
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


class Tally:
    """The figures of one session: as last published, as reaped, and as the present pass has them so far."""

    __slots__ = ("_began", "_earlier", "_largest", "_reaped_cpu", "_reaped_read", "_reaped_written", "_sums", "now")

    def __init__(self) -> None:
        self.now = NOTHING
        self._earlier: History | None = None  # what was published before that: most sessions are idle and have none
        self._began = time.monotonic()
        self._largest = 0
        self._reaped_cpu = 0.0
        self._reaped_read = self._reaped_written = 0
        self._sums: list[float] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a pass is summing up: what begins later is counted from the next one on."""
        return self._sums is not None

    def begin(self) -> None:
        """Start to sum up: first what was reaped until now."""
        self._sums = [self._reaped_cpu, 0, 0, self._reaped_read, self._reaped_written]

    def count(self, process: Process) -> None:
        """Add a process of the session to the sums."""
        sums = self._sums
        if sums is not None:
            sums[0] += process.cpu
            sums[1] += process.rss
            sums[2] += process.lives
            sums[3] += process.read
            sums[4] += process.written

    def reaped(self, usage: struct_rusage, *, inherited: int) -> None:
        """Count what a child of the broker has used until its end, with what it had waited for.

        Args:
            inherited: The broker's own peak of resident bytes. A process inherits the peak of the one
                that it was forked from, so what is below that says nothing of the process itself.
        """
        self._reaped_cpu += usage.ru_utime + usage.ru_stime
        self._reaped_read += usage.ru_inblock * _BLOCK_BYTES
        self._reaped_written += usage.ru_oublock * _BLOCK_BYTES
        largest = usage.ru_maxrss * _MAXRSS_BYTES
        if largest > inherited:
            self._largest = max(self._largest, largest)

    def publish(self, output: int) -> None:
        """Make the sums the figures."""
        if self._sums is None:
            return
        cpu, rss, lives, read, written = self._sums
        last = self.now
        now = last._replace(
            cpu=max(last.cpu, round(cpu, 6)),
            rss=int(rss),
            processes=int(lives),
            read_bytes=max(last.read_bytes, int(read)),
            written_bytes=max(last.written_bytes, int(written)),
            output_bytes=output,
            peak_rss=max(last.peak_rss, int(rss), self._largest),
        )
        self._sums = None
        if last is NOTHING:
            self.now = self._as_of_now(now)
        elif now != last:  # else what was last published stands
            if self._earlier is None:
                self._earlier = History()
            self._earlier.add(last)
            self.now = self._as_of_now(now)

    def finish(self, output: int) -> None:
        """All of the session's processes were reaped: what was reaped is the whole truth."""
        self.begin()
        self.publish(output)
        if self._earlier is not None:
            self._earlier.shrink(MAX_KEPT_POINTS)

    def history(self) -> list[list[float]]:
        """What was published since the session's start; see ``History.points``."""
        earlier = self._earlier.points() if self._earlier is not None else []
        return earlier if self.now is NOTHING else [*earlier, [*self.now[:-1]]]

    def _as_of_now(self, figures: Usage) -> Usage:
        return figures._replace(at=round(time.monotonic() - self._began, 3))


class Process:
    """A process of a session, as last seen."""

    __slots__ = ("cpu", "lives", "mark", "number", "parent", "read", "rss", "tally", "written")

    def __init__(self, number: int, glance: Glance) -> None:
        self.number = number
        self.tally: Tally | None = None
        self.read = self.written = 0
        self.take(glance)

    def take(self, glance: Glance) -> None:
        """Keep what was seen."""
        self.mark, self.parent, self.cpu, self.rss, self.lives = glance
