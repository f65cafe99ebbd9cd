"""The machine's processes at a glance, for the sampler: few system calls, little parsing."""

from __future__ import annotations

import os
import resource
import sys
from typing import NamedTuple

from vibesbox_kernel.broker import system

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Glance(NamedTuple):
    """One process at one moment.

    Attributes:
        mark: The same as long as nothing about the process has changed.
        parent: Its parent's pid.
        cpu: CPU seconds, those of the children that it has waited for included.
        rss: Resident bytes.
        lives: 0 for a process that only waits to be reaped, else 1.
    """

    mark: int
    parent: int
    cpu: float
    rss: int
    lives: int


class ProcessTable:
    """What any system tells through the seam; nothing of storage."""

    def pids(self) -> dict[int, int]:
        """Every process there is, with a number that a later process of the same pid does not have."""
        return {pid: system.start_time(pid) or 0 for pid in system.all_pids()}

    def look(self, pid: int, mark: int) -> Glance | None:
        """A process as it is, or None when it is gone.

        Args:
            mark: That of the last look; when nothing has changed since, the answer is ``UNCHANGED``.
        """
        parent = system.parent(pid)
        if parent is None:
            return None
        cpu, rss = system.usage(pid) or (0.0, 0)
        lives = 1 if system.is_alive(pid) else 0
        now = hash((parent, cpu, rss, lives))
        return UNCHANGED if now == mark else Glance(now, parent, cpu, rss, lives)

    def storage(self, pid: int) -> tuple[int, int] | None:
        """Bytes read from and written to storage by a process and the children that it has waited for.

        None when it is gone or not ours to look at (a set-uid program).
        """
        return None

    def close(self) -> None:
        """Let go of what is open."""


class ProcTable(ProcessTable):
    """Reads ``/proc`` through one descriptor: seven microseconds for a process, psutil takes forty.

    Source: proc(5): stat, io.
    """

    def __init__(self) -> None:
        self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._proc)

    def pids(self) -> dict[int, int]:
        """See ``ProcessTable``."""
        with os.scandir(self._proc) as entries:
            # The inode: each process gets a new one. It may change under pressure of memory, which costs a look.
            return {int(entry.name): entry.inode() for entry in entries if entry.name.isdigit()}

    def look(self, pid: int, mark: int) -> Glance | None:
        """See ``ProcessTable``."""
        text = self._read(f"{pid}/stat")
        if not text:
            return None
        now = hash(text)
        if now == mark:
            return UNCHANGED
        fields = text[text.rindex(b")") + 2 :].split(None, 22)
        ticks = int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
        ended = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
        rss = 0 if ended else int(fields[21]) * _PAGE_BYTES
        return Glance(now, int(fields[1]), ticks / _TICKS_PER_SECOND, rss, 0 if ended else 1)

    def storage(self, pid: int) -> tuple[int, int] | None:
        """See ``ProcessTable``."""
        figures = dict(line.split(b": ", 1) for line in self._read(f"{pid}/io").splitlines())
        try:
            return int(figures[b"read_bytes"]), int(figures[b"write_bytes"])
        except KeyError:
            return None

    def _read(self, path: str) -> bytes:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return b""
        try:
            return os.read(descriptor, 1024)
        except (ProcessLookupError, PermissionError):
            return b""
        finally:
            os.close(descriptor)


UNCHANGED = Glance(0, 0, 0.0, 0, 0)
"""A process that is as it was at the last look."""


def process_table() -> ProcessTable:
    """The cheapest way to look at this machine's processes."""
    return ProcTable() if sys.platform == "linux" else ProcessTable()


def own_peak() -> int:
    """The most resident bytes that this process has had since its exec.

    Not by getrusage(2) where it can be had otherwise: there it has inherited the peak of the process
    that started it.
    """
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/status", "rb", buffering=0) as status:
        for line in status.read(1 << 14).splitlines():
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
