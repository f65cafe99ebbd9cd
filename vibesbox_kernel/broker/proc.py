"""Files below ``/proc``.

Source: proc(5).
"""

from __future__ import annotations

import os


def read(path: str, *, limit: int | None = None) -> bytes:
    """All of a file, or no more than its first bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if limit is not None:
            return os.read(descriptor, limit)
        data = os.read(descriptor, 1 << 16)
        if len(data) < 1 << 16:
            return data
        pieces = [data]
        while data := os.read(descriptor, 1 << 20):
            pieces.append(data)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def stat(pid: int | str) -> list[bytes] | None:
    """The fields of /proc/pid/stat from the state on (``[0]`` is the state, ``[1]`` the parent); None when gone."""
    try:
        text = read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(b")") + 2 :].split()
