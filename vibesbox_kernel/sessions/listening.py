"""Which ports processes listen on and whose children they are, as /proc says it; where there is none, nothing is known.

The broker is not asked: the processes are the user's own, and to look for sockets takes longer than it may.

Source: proc(5), /proc/net/tcp and /proc/pid/{fd,stat,environ}.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from vibesbox_kernel.broker.wire import SESSION_MARKER
from vibesbox_kernel.models import ListeningPort

_LISTEN = "0A"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_MOST_ANCESTORS = 100
_MAX_ENVIRONMENT_BYTES = 1 << 20

Sockets = Mapping[int, tuple[str, int]]
"""Address and port by the inode of the socket."""


def listening_sockets() -> Sockets:
    """Every TCP socket in our network namespace on which somebody listens."""
    found: dict[int, tuple[str, int]] = {}
    for table in _TABLES:
        for line in _lines(table)[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN:
                address, _, port = fields[1].partition(":")
                found[int(fields[9])] = (_address(address), int(port, 16))
    return found


def ports_of_sessions(sockets: Sockets, leaders: Mapping[int, str]) -> dict[str, tuple[ListeningPort, ...]]:
    """Which sessions listen on which of these sockets.

    Args:
        sockets: The sockets.
        leaders: The ids of sessions by the pids of their leaders.

    Returns:
        By session, in the order of the ports; sessions that listen on none are left out.
    """
    found: defaultdict[str, dict[int, ListeningPort]] = defaultdict(dict)
    for pid, inode in _holders(sockets):
        session_id = _session_of(pid, leaders)
        if session_id is not None:
            address, port = sockets[inode]
            found[session_id].setdefault(port, ListeningPort(port=port, address=address, pid=pid))
    return {session_id: tuple(ports[port] for port in sorted(ports)) for session_id, ports in found.items()}


def parent_of(pid: int) -> int | None:
    """The parent of a process; None if it is gone."""
    relatives = _relatives(pid)
    return None if relatives is None else relatives[0]


def _holders(sockets: Collection[int]) -> Iterator[tuple[int, int]]:
    """Each of our processes that has one of these sockets open, and its inode."""
    if not sockets:
        return
    wanted = {f"socket:[{inode}]": inode for inode in sockets}
    for pid in _pids():
        for name in _names(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                inode = wanted.get(os.readlink(f"/proc/{pid}/fd/{name}"))
                if inode is not None:
                    yield pid, inode


def _session_of(pid: int, leaders: Mapping[int, str]) -> str | None:
    """By descent, by POSIX session, or for what has left both by the mark in its environment."""
    at: int | None = pid
    for _ in range(_MOST_ANCESTORS):
        if at is None or at <= 1:
            break
        if at in leaders:
            return leaders[at]
        relatives = _relatives(at)
        at = None if relatives is None else relatives[0]
        if relatives is not None and relatives[1] in leaders:
            return leaders[relatives[1]]
    mark = _mark(pid)
    return mark if mark in leaders.values() else None


def _relatives(pid: int) -> tuple[int, int] | None:
    """A process's parent and its POSIX session."""
    lines = _lines(f"/proc/{pid}/stat")
    if not lines:
        return None
    after_name = lines[0].rpartition(")")[2].split()
    return int(after_name[1]), int(after_name[3])


def _mark(pid: int) -> str | None:
    prefix = f"{SESSION_MARKER}=".encode()
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read(_MAX_ENVIRONMENT_BYTES).split(b"\0")
    except OSError:
        return None
    return next((one.removeprefix(prefix).decode() for one in environment if one.startswith(prefix)), None)


def _address(digits: str) -> str:
    """An address as the kernel prints it: 32-bit words in the machine's own order."""
    words = (digits[start : start + 8] for start in range(0, len(digits), 8))
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _pids() -> list[int]:
    return [int(name) for name in _names("/proc") if name.isdecimal()]


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # gone, or another user's
        return []


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []
