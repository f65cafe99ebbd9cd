"""The seam for macOS: descent, POSIX sessions and the marker; see ``system`` for what it promises.

macOS has no subreapers, no pidfds and no limit that could serve as a tag. Orphans are launchd's children,
among which we look for ours; a pid is proved by the time of its process's birth. Everything is asked of
``kernel``, which a test replaces; nothing here has run on a Mac yet.
"""

from __future__ import annotations

import errno
import os
import resource
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from vibesbox_kernel.broker.blocked import Blocked, Source, source_of
from vibesbox_kernel.broker.system_libproc import RUNNING_STATES, STOPPED, ZOMBIE, Kernel, ProcessInfo

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

ADOPTS_ORPHANS = False
"""An orphan becomes launchd's child: we learn of its end by looking, and its pid may be reused."""

TAG_BASE = 1 << 62
"""Where tags lie; no process has one here."""

WEAKNESSES: tuple[str, ...] = (
    "Vibesbox's code for macOS has been tested against a stand-in for its kernel only, not yet on a Mac.",
    "A process whose parent has died is found only by its POSIX session or by VIBESBOX_SESSION in its environment: "
    "a daemon that has left both behind is not ended with its session, nor when the kernel dies.",
    "The system hides the environment of its own programs (those in /bin and /usr/bin) while System Integrity "
    "Protection is on: such a program that has called setsid and lost its parent is not found.",
    "A process can not be pinned: it is checked by the time of its birth just before each signal, and if its number "
    "is given to another within the microseconds between, that one gets the signal.",
    "If kernel, broker and guardian are killed at once, the next start does not find what they left running.",
    "A limit of CPU seconds can be given to a command, but not to a cell whose shell was started ahead of it.",
    "Of the programs that wait for input only those that ask for a password, with the echo off, are noticed.",
    "Descriptors that a cell opens (exec 3>file) and its coprocesses end with that cell.",
    "The end of a process whose parent has died is seen at the next look, and its exit status is never known.",
)
"""What this system can not give, in words for users."""

kernel = Kernel()
_LAUNCHD = 1
_PIPE_BYTES = 1 << 16  # what a pipe grows to
_strangers: dict[int, int] = {}  # launchd's children that are nobody's here, and when they were born


def become_subreaper() -> None:
    """Do nothing: orphans are launchd's."""


def ask_for_short_turns() -> None:
    """Do nothing: the system decides that by itself."""


def blocked(pid: int) -> Blocked | None:
    """What a process waits for, which is hidden here; None when it is gone."""
    info = kernel.info(pid)
    return None if info is None else Blocked(info.group, asleep=True, hidden=True)


def input_source(descriptor: int, *, is_terminal: bool) -> Source:
    """What a session's processes read from, by our end of it."""
    return source_of(os.fstat(descriptor))


def terminal_modes(pid: int, descriptor: int) -> tuple[bool, bool] | None:
    """Whether the terminal behind a process's descriptor echoes and gives whole lines: that can not be asked."""
    return None


def children(pid: int) -> list[int]:
    """The live and the unreaped children of a process.

    Source: <libproc.h>, proc_listchildpids.
    """
    return kernel.children(pid)


def descendants(roots: list[int]) -> list[int]:
    """The roots and everything below them, parents before children."""
    found = list(roots)
    for pid in found:
        found += children(pid)
    return found


def all_pids() -> list[int]:
    """Every process that we can see, other users' too."""
    return kernel.all_pids()


def orphans(marker: str, leaders: Collection[int]) -> list[int]:
    """The processes in which a session's orphans are to be looked for: launchd's children of our user.

    One that has neither mark now will not get one: it is not asked again.

    Args:
        marker: The environment variable that names a session.
        leaders: The leaders of all sessions of which something may be left.
    """
    found: list[int] = []
    strangers: dict[int, int] = {}
    for pid in children(_LAUNCHD):
        info = kernel.info(pid)
        if info is None or info.uid != os.getuid():
            continue
        if _strangers.get(pid) != info.started and (
            posix_session(pid) in leaders or marker_of(pid, marker) is not None
        ):
            found.append(pid)
        else:
            strangers[pid] = info.started
    _strangers.clear()
    _strangers.update(strangers)
    return found


def remains(marker: str, sessions: Mapping[str, int]) -> list[int]:
    """What a broker that has died left: our user's processes that bear a mark of its sessions, and all below.

    Args:
        marker: The environment variable that names a session.
        sessions: The broker's sessions that are not over, and their leaders; 0 for an unknown one.
    """
    marked = [pid for pid in all_pids() if _is_marked(pid, marker, sessions)]
    return [pid for pid in dict.fromkeys(descendants(marked)) if pid != os.getpid()]


def is_left(pid: int, marker: str, sessions: Mapping[str, int]) -> bool:
    """Whether a process is one of ``remains``."""
    above: int | None = pid
    while above is not None and above > _LAUNCHD:
        if _is_marked(above, marker, sessions):
            return pid != os.getpid()
        above = parent(above)
    return False


def is_alive(pid: int) -> bool:
    """Whether a process runs and is no zombie."""
    info = kernel.info(pid)
    return info is not None and info.status != ZOMBIE


def is_leaving(pid: int) -> bool:
    """Whether a process is gone, as far as can be told."""
    return not is_alive(pid)


def parent(pid: int) -> int | None:
    """The parent of a process, or None when it is gone."""
    info = kernel.info(pid)
    return None if info is None else info.parent


def process_group(pid: int) -> int | None:
    """The process group of a process, or None when it is gone."""
    info = kernel.info(pid)
    return None if info is None else info.group


def posix_session(pid: int) -> int | None:
    """The POSIX session of a process, or None when it is gone."""
    return kernel.posix_session(pid)


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal."""
    info = kernel.info(pid)
    return info is not None and info.status == STOPPED


def start_time(pid: int) -> int | None:
    """When a process was forked, in microseconds since 1970; with the pid it names one process.

    0 for another user's, which we could not signal anyway.
    """
    info = kernel.info(pid)
    return None if info is None else info.started


def age(pid: int) -> float:
    """Seconds since a process was forked; 0 when it is gone."""
    info = kernel.info(pid)
    return 0.0 if info is None else time.time() - info.started / 1e6


def usage(pid: int) -> tuple[float, int] | None:
    """CPU seconds (with those of reaped children) and resident bytes, or None when it is gone."""
    figures = kernel.figures(pid)
    return None if figures is None else (figures.cpu, figures.rss)


def describe(pid: int) -> str:
    """Why a process may have outlived SIGKILL, in a few words."""
    info = kernel.info(pid)
    if info is None:
        return "gone"
    if info.uid != os.getuid() != 0:
        return f"belongs to uid {info.uid}"
    return "in uninterruptible sleep" if info.status in RUNNING_STATES else f"state {info.status}"


def tag_of(pid: int) -> int:
    """The tag that a process has inherited: always 0, there is nothing that it could lie in."""
    return 0


def marker_of(pid: int, name: str) -> str | None:
    """The value of a variable in the environment that a process was started with.

    Source: sysctl(3), KERN_PROCARGS2. It tells nothing of programs that System Integrity Protection covers.
    """
    prefix = name.encode() + b"="
    for entry in kernel.environment(pid):
        if entry.startswith(prefix):
            return entry[len(prefix) :].decode("utf-8", "replace")
    return None


@contextmanager
def inherited_limits(tag: int, descriptor_limit: int) -> Iterator[None]:
    """Take on the limits that a child started meanwhile shall inherit: here that of open descriptors.

    Args:
        tag: Goes nowhere; see ``tag_of``.
        descriptor_limit: The child's soft limit of open descriptors.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptor_limit, hard))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def limit_descriptors(pid: int, descriptor_limit: int) -> None:
    """Do nothing: the child has inherited its limit, and nobody can set another's."""


def limit_running(pid: int, which: int, limits: tuple[int, int] | None = None) -> tuple[int, int]:
    """Refuse: macOS lets a process set nobody's limits but its own.

    Raises:
        OSError: Always.
    """
    raise OSError(errno.ENOTSUP, "macOS sets no limit on a process that runs")


def inherited_descriptors(pid: int) -> list[int]:
    """The descriptors above 2 that a process hands on to its children: not known here."""
    return []


def take_descriptor(pid: int, number: int) -> int:
    """A descriptor of a stopped child as our own: not to be had here."""
    raise OSError(errno.ENOTSUP, "nobody can take another's descriptors here")


def is_terminal_of(pid: int, descriptor: int) -> bool:
    """Whether a descriptor of ours is a process's controlling terminal: never, since none can be taken."""
    return False


def open_descriptors() -> list[int]:
    """The descriptors that we have open; that of the directory they were read from may be among them."""
    return [int(name) for name in os.listdir("/dev/fd") if name.isdigit()]


def pipe_bytes(descriptor: int) -> int:
    """The most bytes that a pipe can hold."""
    return _PIPE_BYTES


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
    """Send a signal to a process only if it is the one we mean, as far as can be told here.

    The time of its birth must be the same before and after the check: what lies between that and the
    signal are microseconds.

    Returns:
        Whether the signal was sent.
    """
    born = start_time(pid)
    if born is None or not belongs(pid) or start_time(pid) != born:
        return False
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_marked(pid: int, marker: str, sessions: Mapping[str, int]) -> bool:
    info: ProcessInfo | None = kernel.info(pid)
    if info is None or info.uid != os.getuid():
        return False
    return (posix_session(pid) or -1) in sessions.values() or marker_of(pid, marker) in sessions
