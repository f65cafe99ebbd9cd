"""The macOS kernel's answers about processes, by ctypes: nothing but calls and layouts.

Loading this module calls nothing, so that its user can be tested elsewhere, with a stand-in for ``Kernel``.

Source: <libproc.h>, <sys/proc_info.h>, <sys/resource.h>, sysctl(3), mach_timebase_info.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any, NamedTuple

RUNNING_STATES = (1, 2, 3)
"""SIDL, SRUN and SSLEEP of <sys/proc.h>."""

STOPPED = 4
ZOMBIE = 5

_PIDTBSDINFO = 3
_PIDT_SHORTBSDINFO = 13
_RUSAGE_INFO_V2 = 2
_CTL_KERN = 1
_KERN_PROCARGS2 = 49
_MAX_ARGUMENT_BYTES = 1 << 20  # ARG_MAX
_SPARE = 16  # for children that come between the count and the list


class ProcessInfo(NamedTuple):
    """What the kernel says of one process, zombies included.

    Attributes:
        started: Microseconds since 1970; 0 where a process of another user does not say.
    """

    parent: int
    group: int
    uid: int
    status: int
    started: int


class Figures(NamedTuple):
    """What one process has used.

    Attributes:
        cpu: CPU seconds, with those of waited-for children.
        rss: Resident bytes.
        read_bytes: Bytes read from storage, by itself alone.
        written_bytes: Bytes written to storage, by itself alone.
    """

    cpu: float
    rss: int
    read_bytes: int
    written_bytes: int


class BsdInfo(ctypes.Structure):
    """Struct proc_bsdinfo."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("flags", "status", "xstatus", "pid", "ppid", "uid", "gid")),
        *((name, ctypes.c_uint32) for name in ("ruid", "rgid", "svuid", "svgid", "reserved")),
        ("comm", ctypes.c_char * 16),
        ("name", ctypes.c_char * 32),
        *((name, ctypes.c_uint32) for name in ("nfiles", "pgid", "pjobc", "tdev", "tpgid")),
        ("nice", ctypes.c_int32),
        ("start_seconds", ctypes.c_uint64),
        ("start_microseconds", ctypes.c_uint64),
    )


class ShortBsdInfo(ctypes.Structure):
    """Struct proc_bsdshortinfo, which the kernel also gives of other users' processes."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("pid", "ppid", "pgid", "status")),
        ("comm", ctypes.c_char * 16),
        *((name, ctypes.c_uint32) for name in ("flags", "uid", "gid", "ruid", "rgid", "svuid", "svgid", "reserved")),
    )


class RusageInfo(ctypes.Structure):
    """Struct rusage_info_v2; times are ticks of Mach's clock."""

    _fields_ = (
        ("uuid", ctypes.c_uint8 * 16),
        *((name, ctypes.c_uint64) for name in ("user_time", "system_time", "idle_wakeups", "interrupt_wakeups")),
        *((name, ctypes.c_uint64) for name in ("pageins", "wired_size", "resident_size", "phys_footprint")),
        *((name, ctypes.c_uint64) for name in ("start_time", "exit_time", "child_user_time", "child_system_time")),
        *((name, ctypes.c_uint64) for name in ("child_idle_wakeups", "child_interrupt_wakeups", "child_pageins")),
        *((name, ctypes.c_uint64) for name in ("child_elapsed", "disk_read", "disk_written")),
    )


class Kernel:
    """Asks the kernel; every method answers None, or nothing, of a process that is gone.

    Args:
        library: What has the C library's functions; by default the C library.
    """

    def __init__(self, library: Any = None) -> None:
        self._library = library if library is not None else ctypes.CDLL(None, use_errno=True)
        self._buffer: Any = None
        self._seconds_per_tick = 0.0

    def all_pids(self) -> list[int]:
        """Every process, other users' too."""
        return self._list(self._library.proc_listallpids)

    def children(self, pid: int) -> list[int]:
        """The live and the unreaped children of a process."""
        return self._list(lambda buffer, size: self._library.proc_listchildpids(pid, buffer, size))

    def info(self, pid: int) -> ProcessInfo | None:
        """What there is to say of a process that lives or is unreaped."""
        full = BsdInfo()
        if self._fill(pid, _PIDTBSDINFO, full):
            started = full.start_seconds * 1_000_000 + full.start_microseconds
            return ProcessInfo(full.ppid, full.pgid, full.uid, full.status, started)
        short = ShortBsdInfo()
        if self._fill(pid, _PIDT_SHORTBSDINFO, short):
            return ProcessInfo(short.ppid, short.pgid, short.uid, short.status, 0)
        return None

    def posix_session(self, pid: int) -> int | None:
        """The number of its POSIX session."""
        try:
            return os.getsid(pid)
        except OSError:
            return None

    def environment(self, pid: int) -> list[bytes]:
        """``name=value`` for each variable that it was started with, as far as the kernel tells us."""
        if self._buffer is None:
            self._buffer = ctypes.create_string_buffer(_MAX_ARGUMENT_BYTES)
        name = (ctypes.c_int * 3)(_CTL_KERN, _KERN_PROCARGS2, pid)
        size = ctypes.c_size_t(_MAX_ARGUMENT_BYTES)
        if self._library.sysctl(name, 3, self._buffer, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
            return []
        return environment_of(ctypes.string_at(self._buffer, size.value))

    def figures(self, pid: int) -> Figures | None:
        """What it has used; None also of another user's process."""
        usage = RusageInfo()
        if self._library.proc_pid_rusage(pid, _RUSAGE_INFO_V2, ctypes.byref(usage)) != 0:
            return None
        ticks = usage.user_time + usage.system_time + usage.child_user_time + usage.child_system_time
        cpu = ticks * self._tick()
        return Figures(cpu, usage.resident_size, usage.disk_read, usage.disk_written)

    def _fill(self, pid: int, flavor: int, structure: ctypes.Structure) -> bool:
        size = ctypes.sizeof(structure)
        with_zombies = ctypes.c_uint64(1)
        # One that wrote less knows another layout, and one that wrote nothing no such process.
        return bool(self._library.proc_pidinfo(pid, flavor, with_zombies, ctypes.byref(structure), size) == size)

    @staticmethod
    def _list(call: Any) -> list[int]:
        room = max(0, call(None, 0)) + _SPARE
        while True:
            pids = (ctypes.c_int * room)()
            count = call(pids, ctypes.sizeof(pids))
            if count < room:
                return [pid for pid in pids[: max(0, count)] if pid > 0]
            room *= 2

    def _tick(self) -> float:
        """Seconds of one tick: a nanosecond on Intel, 41.7 of them on Apple's own processors."""
        if not self._seconds_per_tick:
            base = (ctypes.c_uint32 * 2)()
            self._library.mach_timebase_info(base)
            self._seconds_per_tick = base[0] / base[1] / 1e9
        return self._seconds_per_tick


def environment_of(block: bytes) -> list[bytes]:
    """The variables in what KERN_PROCARGS2 gives: argc, the program, zeros, the arguments, the variables.

    The arguments are counted and left out: what one of them says is no mark. The kernel's own strings
    follow after an empty one.
    """
    if len(block) < 4:
        return []
    (count,) = struct.unpack_from("=i", block)
    _, _, rest = block[4:].partition(b"\0")
    found = []
    for entry in rest.lstrip(b"\0").split(b"\0")[max(0, count) :]:
        if not entry:
            break
        found.append(entry)
    return found
