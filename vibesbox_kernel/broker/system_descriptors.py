"""The descriptors of another process, on Linux: which it has, and one of them as our own."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os

from vibesbox_kernel.broker import proc

_SYS_PIDFD_GETFD = 438
"""The same on every architecture."""

_FORBIDDEN = (errno.EPERM, errno.EACCES, errno.ENOSYS)
_NEVER_AGAIN = os.O_CREAT | os.O_EXCL | os.O_TRUNC
_CONTROLLING_TERMINAL = os.makedev(5, 0)

_libc = ctypes.CDLL(None, use_errno=True)


def inherited_descriptors(pid: int) -> list[int]:
    """The descriptors above 2 that a process hands on to its children; none if it is gone.

    Source: proc(5), /proc/pid/fdinfo.
    """
    try:
        numbers = [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
    return sorted(number for number in numbers if number > 2 and not _flags(pid, number) & os.O_CLOEXEC)


def take_descriptor(pid: int, number: int) -> int:
    """A descriptor of a stopped child as our own: the same open file, with its offset and its locks.

    Where the system forbids that, the file is opened again, at the same place in it.

    Raises:
        OSError: It is not open, or can not be had.

    Source: pidfd_getfd(2); proc(5), /proc/pid/fd.
    """
    pinned = os.pidfd_open(pid)
    try:
        taken: int = _libc.syscall(_SYS_PIDFD_GETFD, pinned, number, 0)
        error = ctypes.get_errno()
    finally:
        os.close(pinned)
    if taken >= 0:
        return taken
    if error in _FORBIDDEN:
        return open_again(pid, number)
    raise OSError(error, os.strerror(error))


def open_again(pid: int, number: int) -> int:
    """Open what a process has open; see ``take_descriptor``."""
    flags = _flags(pid, number) & ~_NEVER_AGAIN
    # Not to wait for the other end of a pipe: that may be a process that waits for us.
    taken = os.open(f"/proc/{pid}/fd/{number}", flags | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    os.set_blocking(taken, not flags & os.O_NONBLOCK)
    with contextlib.suppress(OSError):  # what is no file has no place in it
        os.lseek(taken, int(_fdinfo(pid, number, b"pos")), os.SEEK_SET)
    return taken


def is_terminal_of(pid: int, descriptor: int) -> bool:
    """Whether a descriptor of ours is a process's controlling terminal."""
    state = proc.stat(pid)
    terminal = 0 if state is None else int(state[4])
    return terminal != 0 and os.fstat(descriptor).st_rdev in (terminal, _CONTROLLING_TERMINAL)


def _flags(pid: int, number: int) -> int:
    return int(_fdinfo(pid, number, b"flags") or b"2000000", 8)


def _fdinfo(pid: int, number: int, field: bytes) -> bytes:
    """A field of what the system says of a descriptor; empty if it is not open."""
    try:
        lines = proc.read(f"/proc/{pid}/fdinfo/{number}").splitlines()
    except OSError:
        return b""
    return next((line.partition(b":")[2].strip() for line in lines if line.startswith(field + b":")), b"")
