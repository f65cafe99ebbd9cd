"""The seam for Linux: proc(5), pidfds, subreapers and the tag; see ``system`` for what it promises."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from vibesbox_kernel.broker.proc import read as _read
from vibesbox_kernel.broker.proc import stat as _stat
from vibesbox_kernel.broker.syscalls import blocked, input_source, terminal_modes
from vibesbox_kernel.broker.system_descriptors import inherited_descriptors, is_terminal_of, take_descriptor
from vibesbox_kernel.broker.system_scheduling import ask_for_short_turns

__all__ = [
    "ADOPTS_ORPHANS",
    "TAG_BASE",
    "WEAKNESSES",
    "age",
    "all_pids",
    "ask_for_short_turns",
    "become_subreaper",
    "blocked",
    "children",
    "descendants",
    "describe",
    "inherited_descriptors",
    "inherited_limits",
    "input_source",
    "is_alive",
    "is_leaving",
    "is_left",
    "is_stopped",
    "is_terminal_of",
    "limit_descriptors",
    "limit_running",
    "marker_of",
    "open_descriptors",
    "orphans",
    "parent",
    "pipe_bytes",
    "posix_session",
    "process_group",
    "reap",
    "remains",
    "signal_pinned",
    "start_time",
    "tag_of",
    "take_descriptor",
    "terminal_modes",
    "usage",
]

ADOPTS_ORPHANS = True
"""An orphan becomes our child: only we reap it, so its pid stays its own until then."""

WEAKNESSES: tuple[str, ...] = ()
"""What this system can not give; nothing, here."""

PR_SET_CHILD_SUBREAPER = 36
_PF_EXITING = 0x4
RLIMIT_RTTIME: int = getattr(resource, "RLIMIT_RTTIME", 15)
TAG_BASE = 1 << 62
"""Tags lie far above any limit that somebody would set in earnest (2^62 µs are 146,000 years)."""

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Make orphans among our descendants our children, not init's.

    Source: prctl(2), PR_SET_CHILD_SUBREAPER.
    """
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(number)}")


def children(pid: int) -> list[int]:
    """The live and the unreaped children of a process, in the order they came.

    For our own process this is exact (only we reap, and we are not reaping now). For others a child
    may be missed while siblings exit: whoever needs them all asks again until nothing new appears.

    Source: proc(5), /proc/pid/task/tid/children.
    """
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it is gone, and its children are somebody else's now
    return found


def descendants(roots: list[int]) -> list[int]:
    """The roots and everything below them, parents before children."""
    found = list(roots)
    for pid in found:
        found += children(pid)
    return found


def all_pids() -> list[int]:
    """Every process that we can see, other users' too."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def orphans(marker: str, leaders: Collection[int]) -> list[int]:
    """The processes in which a session's orphans are to be looked for: here all our children.

    Args:
        marker: The environment variable that names a session.
        leaders: The leaders of all sessions of which something may be left.
    """
    return children(os.getpid())


def remains(marker: str, sessions: Mapping[str, int]) -> list[int]:
    """What a broker that has died left to us, its parent: all that hangs from us, there is no stranger.

    Args:
        marker: The environment variable that names a session.
        sessions: The broker's sessions that are not over, and their leaders; 0 for an unknown one.
    """
    return descendants(children(os.getpid()))


def is_left(pid: int, marker: str, sessions: Mapping[str, int]) -> bool:
    """Whether a process is one of ``remains``."""
    here = os.getpid()
    above: int | None = pid
    while above is not None and above > 1:
        above = parent(above)
        if above == here:
            return True
    return False


def is_alive(pid: int) -> bool:
    """Whether any thread of a process runs; one whose main thread alone has ended looks like a zombie."""
    state = _stat(pid)
    return state is not None and (state[0] not in (b"Z", b"X") or int(state[17]) > 1)


def is_leaving(pid: int) -> bool:
    """Whether a process is gone, or every thread of it is on its way: its descriptors close before it is dead.

    Source: proc(5), /proc/pid/stat, flags; PF_EXITING in the kernel's sched.h.
    """
    try:
        threads = [_stat(f"{pid}/task/{thread}") for thread in os.listdir(f"/proc/{pid}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return all(state is None or int(state[6]) & _PF_EXITING for state in threads)


def parent(pid: int) -> int | None:
    """The parent of a process, or None when it is gone."""
    state = _stat(pid)
    return None if state is None else int(state[1])


def process_group(pid: int) -> int | None:
    """The process group of a process, or None when it is gone."""
    state = _stat(pid)
    return None if state is None else int(state[2])


def posix_session(pid: int) -> int | None:
    """The POSIX session of a process, or None when it is gone."""
    state = _stat(pid)
    return None if state is None else int(state[3])


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal."""
    state = _stat(pid)
    return state is not None and state[0] == b"T"


def start_time(pid: int) -> int | None:
    """When a process was forked, in clock ticks since boot; with the pid it names one process for ever."""
    state = _stat(pid)
    return None if state is None else int(state[19])


def age(pid: int) -> float:
    """Seconds since a process was forked, to a clock tick (10 ms); 0 when it is gone."""
    started = start_time(pid)
    if started is None:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def usage(pid: int) -> tuple[float, int] | None:
    """CPU seconds (with those of reaped children) and resident bytes, or None when it is gone."""
    state = _stat(pid)
    if state is None:
        return None
    ticks = sum(map(int, state[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK"), int(state[21]) * os.sysconf("SC_PAGE_SIZE")


def describe(pid: int) -> str:
    """Why a process may have outlived SIGKILL, in a few words."""
    state = _stat(pid)
    if state is None:
        return "gone"
    try:
        owner = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return "gone"
    if owner != os.getuid() != 0:
        return f"belongs to uid {owner}"
    return "in uninterruptible sleep" if state[0] == b"D" else f"state {state[0].decode()}"


def tag_of(pid: int) -> int:
    """The tag that a process has inherited, or 0.

    The tag is the soft limit of RLIMIT_RTTIME: it goes through fork, exec, setsid and ``env -i``,
    and does nothing to a process without real-time scheduling.
    """
    try:
        soft = resource.prlimit(pid, RLIMIT_RTTIME)[0]
    except PermissionError:
        soft = _tag_from_proc(pid)  # another uid (sudo): the limits file is readable all the same
    except ProcessLookupError:
        return 0
    return soft if soft >= TAG_BASE else 0


def marker_of(pid: int, name: str) -> str | None:
    """The value of a variable in the environment that a process was started with."""
    try:
        environment = _read(f"/proc/{pid}/environ")
    except OSError:
        return None
    prefix = name.encode() + b"="
    for entry in environment.split(b"\0"):
        if entry.startswith(prefix):
            return entry[len(prefix) :].decode("utf-8", "replace")
    return None


@contextmanager
def inherited_limits(tag: int, descriptor_limit: int) -> Iterator[None]:
    """Take on the limits that a child started meanwhile shall inherit: here the tag.

    Under a hard limit there is only the marker to go by.

    Args:
        tag: See ``tag_of``.
        descriptor_limit: The child's soft limit of open descriptors; see ``limit_descriptors``.
    """
    soft, hard = resource.getrlimit(RLIMIT_RTTIME)
    try:
        if hard == resource.RLIM_INFINITY:
            resource.setrlimit(RLIMIT_RTTIME, (tag, hard))
        yield
    finally:
        resource.setrlimit(RLIMIT_RTTIME, (soft, hard))


def limit_descriptors(pid: int, descriptor_limit: int) -> None:
    """Set a new child's soft limit of open descriptors, where it could not inherit it.

    It could not: the C library refuses to hand over descriptors above the limit.
    """
    # Gone, or of another user already (sudo): it runs, and must not be taken for one that could not start.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptor_limit, most))


def limit_running(pid: int, which: int, limits: tuple[int, int] | None = None) -> tuple[int, int]:
    """The soft and the hard limit of a process that runs, and new ones for it.

    Raises:
        OSError: It is gone, or the system refuses.

    Source: prlimit(2).
    """
    return resource.prlimit(pid, which) if limits is None else resource.prlimit(pid, which, limits)


def open_descriptors() -> list[int]:
    """The descriptors that we have open; that of the directory they were read from may be among them."""
    return [int(name) for name in os.listdir("/proc/self/fd")]


def pipe_bytes(descriptor: int) -> int:
    """The most bytes that a pipe can hold.

    Source: fcntl(2), F_GETPIPE_SZ.
    """
    return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)


def reap() -> Iterator[tuple[int, int, resource.struct_rusage]]:
    """Collect every status that waits: ``(pid, status, usage)`` of ended and of freshly stopped children.

    The usage of one that has ended is final, that of its own children included if it has waited for them.
    Only the broker may do this: in a process with other owners of children it would steal.
    """
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status, used


def signal_pinned(pid: int, number: int, *, belongs: Callable[[int], bool]) -> bool:
    """Send a signal to a process only if it provably is the one we mean.

    The pid is pinned with a pidfd first, then checked, and the check holds only if the pinned
    process is still there after it. A pid that was reused in between is never signalled.

    Returns:
        Whether the signal was sent.
    """
    try:
        pinned = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not belongs(pid):
            return False
        signal.pidfd_send_signal(pinned, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(pinned)


def _tag_from_proc(pid: int) -> int:
    try:
        limits = _read(f"/proc/{pid}/limits")
    except OSError:
        return 0
    for line in limits.splitlines():
        if line.startswith(b"Max realtime timeout"):
            soft = line[len(b"Max realtime timeout") :].split()[0]
            return int(soft) if soft.isdigit() else 0
    return 0
