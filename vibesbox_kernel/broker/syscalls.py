"""What a process waits for, from the system call that each of its threads is in. Linux.

No privilege is needed for what descends from us; a set-uid program can not be seen.

Source: proc(5): syscall (PTRACE_MODE_ATTACH, see ptrace(2)), mem, fdinfo; syscall(2).
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import struct
import termios
from collections.abc import Iterator

from vibesbox_kernel.broker import proc
from vibesbox_kernel.broker.blocked import Blocked, Reading, Source, source_of, terminal

MAX_THREADS = 128
"""Threads of one process that are looked at."""
MAX_DESCRIPTORS = 1024
"""Descriptors of one poll that are looked at."""

_NUMBERS = {
    "x86_64": {
        "read": (0,),
        "readv": (19,),
        "splice": (275,),
        "poll": (7, 271),
        "select": (23, 270),
        "epoll": (232, 281, 441),
    },
    "aarch64": {"read": (63,), "readv": (65,), "splice": (76,), "poll": (73,), "select": (72,), "epoll": (22, 441)},
}
_KIND_OF = {number: kind for kind, numbers in _NUMBERS.get(platform.machine(), {}).items() for number in numbers}
_TIOCGPTN = 0x80045430
_DEV_TTY = os.makedev(5, 0)
_POLLFD = struct.Struct("iHH")
_POLLIN = EPOLLIN = 1
_EPOLL_ENTRY = re.compile(rb"tfd:\s+(\d+) events:\s+([0-9a-f]+)")


def blocked(pid: int) -> Blocked | None:
    """What a process waits for just now; None when it is gone."""
    state = proc.stat(pid)
    if state is None:
        return None
    controlling = terminal(_device(int(state[4]))) if state[4] != b"0" else None
    found = Blocked(int(state[2]), asleep=state[0] not in (b"R", b"D"), hidden=False, controlling=controlling)
    if state[0] in (b"Z", b"X", b"T") and int(state[17]) <= 1:
        return found
    try:
        return _look(pid, int(state[17]), found)
    except PermissionError:
        return found._replace(hidden=True)
    except (FileNotFoundError, ProcessLookupError):
        return None


def input_source(descriptor: int, *, is_terminal: bool) -> Source:
    """What a session's processes read from, by our end of it.

    Args:
        descriptor: The master of its terminal, or the write end of its pipe.
        is_terminal: Which of both.
    """
    if not is_terminal:
        return source_of(os.fstat(descriptor))
    return source_of(os.stat(_name_of(descriptor)))


def terminal_modes(pid: int, descriptor: int) -> tuple[bool, bool] | None:
    """Whether the terminal behind a process's descriptor echoes, and whether it gives whole lines.

    None when that can not be asked.
    """
    try:
        opened = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        modes = termios.tcgetattr(opened)[3]
    except termios.error:
        return None
    finally:
        os.close(opened)
    return bool(modes & termios.ECHO), bool(modes & termios.ICANON)


def _name_of(master: int) -> str:
    """The path of the terminal behind a master; ``os.ptsname`` came with Python 3.13.

    Source: ioctl_tty(2), TIOCGPTN.
    """
    return f"/dev/pts/{struct.unpack('I', fcntl.ioctl(master, _TIOCGPTN, bytes(4)))[0]}"


def _look(pid: int, count: int, found: Blocked) -> Blocked:
    reads: list[Reading] = []
    polls: list[Source] = []
    threads = [str(pid)] if count == 1 else os.listdir(f"/proc/{pid}/task")[:MAX_THREADS]
    for thread in threads:
        call = proc.read(f"/proc/{pid}/task/{thread}/syscall").split()
        kind = _KIND_OF.get(int(call[0])) if len(call) > 6 else None  # fewer words: it runs
        if kind is None:
            continue
        arguments = [int(one, 16) for one in call[1:7]]
        if kind in ("read", "readv", "splice"):
            source = _source(pid, arguments[0], found.controlling)
            reads += [Reading(source, arguments[0])] if source else []
        else:
            sources = (_source(pid, one, found.controlling) for one in _awaited(pid, kind, arguments))
            polls += [source for source in sources if source]
    return found._replace(reads=tuple(reads), polls=tuple(polls))


def _awaited(pid: int, kind: str, arguments: list[int]) -> Iterator[int]:
    """The descriptors that a call waits to be able to read from."""
    if kind == "epoll":
        entries = _EPOLL_ENTRY.findall(proc.read(f"/proc/{pid}/fdinfo/{arguments[0]}"))
        yield from (int(one) for one, events in entries if int(events, 16) & EPOLLIN)
    elif kind == "poll" and arguments[0]:
        raw = _memory(pid, arguments[0], _POLLFD.size * min(arguments[1], MAX_DESCRIPTORS))
        whole = raw[: len(raw) // _POLLFD.size * _POLLFD.size]
        yield from (one for one, events, _ in _POLLFD.iter_unpack(whole) if events & _POLLIN and one >= 0)
    elif kind == "select" and arguments[1]:
        raw = _memory(pid, arguments[1], (min(arguments[0], MAX_DESCRIPTORS) + 7) // 8)
        yield from (8 * place + bit for place, byte in enumerate(raw) for bit in range(8) if byte >> bit & 1)


def _memory(pid: int, address: int, size: int) -> bytes:
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, address)
    except OSError:
        return b""  # it has gone on meanwhile
    finally:
        os.close(descriptor)


def _source(pid: int, descriptor: int, controlling: Source | None) -> Source | None:
    try:
        source = source_of(os.stat(f"/proc/{pid}/fd/{descriptor}"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    # Whoever opens /dev/tty reads from the terminal that controls it.
    return controlling if source == terminal(_DEV_TTY) else source


def _device(number: int) -> int:
    """The device number that ``/proc/pid/stat`` packs in a way of its own."""
    return os.makedev(number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00)
