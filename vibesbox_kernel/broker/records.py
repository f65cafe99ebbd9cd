"""A session's facts on disk, beside its output: ``meta.json`` at its start, ``exit.json`` at its end.

The exit record overwrites a block that is reserved at the start, so that it can be written on a disk
that has filled up since. It says ``running`` until then; if broker and guardian die as well, a later
start can tell that nobody knows how the session ended.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from vibesbox_kernel.broker.wire import EXIT_NAME, META_NAME

MAX_PROBLEM_CHARACTERS = 120
_RESERVED_BYTES = 1024


def write_meta(directory: str, facts: Mapping[str, Any]) -> None:
    """Say what the session is. Never holds its environment: that may be secret.

    Whoever reads meanwhile sees what was said before, or this; never half of it.

    Raises:
        OSError: The disk refuses; what was said before stands.
    """
    path = f"{directory}/{META_NAME}"
    try:
        _write_whole(f"{path}.new", json.dumps(facts).encode())
        os.rename(f"{path}.new", path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(f"{path}.new")
        raise


def read_meta(directory: str) -> dict[str, Any]:
    """What ``write_meta`` said; empty when there is no readable record, as of a prepared session."""
    try:
        with open(f"{directory}/{META_NAME}", "rb") as file:
            facts = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def leaders_not_over(state_directory: str) -> dict[str, int]:
    """The sessions below a directory that were never said to be over, and their leaders; 0 if unknown."""
    found: dict[str, int] = {}
    with os.scandir(state_directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and (read_exit(entry.path) or {}).get("status") != "over":
                pid = read_meta(entry.path).get("pid")
                found[entry.name] = pid if isinstance(pid, int) else 0
    return found


def write_exit(directory: str, facts: Mapping[str, Any]) -> None:
    """Say how the session stands or ended, within the reserved block."""
    body = json.dumps(facts).encode().ljust(_RESERVED_BYTES)
    descriptor = os.open(f"{directory}/{EXIT_NAME}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, body, 0)
    finally:
        os.close(descriptor)


def read_exit(directory: str) -> dict[str, Any] | None:
    """What ``write_exit`` said last, or None when there is no readable record."""
    try:
        with open(f"{directory}/{EXIT_NAME}", "rb") as file:
            facts = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def read_verdict(path: str, *, certain: Sequence[str] | None) -> int | None:
    """The exit code in a file whose last line is a code and a word; None if that word leaves it open.

    Args:
        certain: The words that do not; None for any word.
    """
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _RESERVED_BYTES))
            code, word = file.read().splitlines()[-1].decode().split()
    except (OSError, ValueError, IndexError):
        return None
    if not code.isdigit() or (certain is not None and word not in certain):
        return None
    return int(code) & 0xFF


def touch(path: str) -> None:
    """Make an empty file."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _write_whole(path: str, data: bytes) -> None:
    """A disk that fills up takes a part first, and refuses the rest."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
