"""Old output goes by itself: what dead brokers left is kept for a while, and within a bound."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vibesbox_kernel.broker.wire import LOG_NAME, RUN_NAME

logger = logging.getLogger(__name__)

MAX_AGE_SECONDS = 7 * 24 * 3600.0
MAX_BYTES = 2 << 30
"""Half of what a user's sessions may store together: what is dead must not take the room of what lives."""

DELETING_PREFIX = ".deleting-"  # no instance's name begins with a dot


@dataclass(frozen=True)
class Remains:
    """A directory on disk: when anything in it was last written, and its size in bytes."""

    directory: Path
    last_used: float
    size: int


def remove_old(root: Path, *, now: float, max_age: float = MAX_AGE_SECONDS, max_bytes: int = MAX_BYTES) -> list[str]:
    """Delete the directories of dead brokers that are too old, then the oldest until the rest fits.

    A living broker's directory is never touched, however old: its guardian holds a lock on its log. Nor is
    one that a run on another machine has not closed: a lock may not be seen across a network's disk.

    Args:
        root: Where all instances keep their state.
        now: Unix time.
        max_age: Seconds since a directory was last used.
        max_bytes: What all dead brokers' directories may hold together.

    Returns:
        The instances whose directories were deleted.
    """
    _finish_deleting(root)
    dead = sorted(_dead_instances(root), key=lambda remains: remains.last_used)
    total = sum(remains.size for remains in dead)
    removed = []
    for remains in dead:
        if now - remains.last_used <= max_age and total <= max_bytes:
            break
        if _remove(remains):
            total -= remains.size
            removed.append(remains.directory.name)
    if removed:
        logger.info("deleted the old output of %d programs that are gone", len(removed))
    return removed


def _finish_deleting(root: Path) -> None:
    """What an earlier clean-up was interrupted at."""
    for directory in root.glob(f"{DELETING_PREFIX}*"):
        shutil.rmtree(directory, ignore_errors=True)


def _dead_instances(root: Path) -> list[Remains]:
    try:
        entries = list(root.iterdir())
    except FileNotFoundError:
        return []
    directories = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    return [measure(directory) for directory in directories if _is_dead(directory)]


def _remove(remains: Remains) -> bool:
    """Delete a directory, unless a broker uses it again.

    It is moved away first: a broker that starts meanwhile either finds no directory and makes its own,
    or waits for the lock on a log that is not at its place any more when it gets it.
    """
    directory = remains.directory
    with locked(directory) as is_dead:
        if not is_dead or is_of_another_host(directory) or measure(directory).last_used > remains.last_used:
            return False
        return delete(directory, directory.parent)


def delete(directory: Path, root: Path) -> bool:
    """Delete a directory, all of it or nothing: it is moved away first, and an interrupted clean-up is finished later.

    Args:
        directory: Below the root.
        root: Where all instances keep their state.

    Returns:
        Whether it is gone.
    """
    doomed = root / f"{DELETING_PREFIX}{secrets.token_hex(8)}"
    try:
        directory.rename(doomed)
    except OSError as error:
        logger.warning("%s: could not be deleted: %s", directory, error)
        return False
    shutil.rmtree(doomed, ignore_errors=True)
    return True


def _is_dead(directory: Path) -> bool:
    with locked(directory) as is_dead:
        return is_dead and not is_of_another_host(directory)


@contextmanager
def locked(directory: Path) -> Iterator[bool]:
    """Hold the lock of a dead broker; gives False where one lives, or is only being made (no log yet)."""
    with contextlib.ExitStack() as stack:
        try:
            log = stack.enter_context((directory / LOG_NAME).open("rb"))
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(log.fileno()), (directory / LOG_NAME).stat())
        except OSError:
            is_ours = False
        yield is_ours


def is_of_another_host(directory: Path) -> bool:
    """Whether a run on another machine may still use an instance's directory: its lock can not be seen here."""
    try:
        run = json.loads((directory / RUN_NAME).read_bytes())
    except (OSError, ValueError):
        return False  # its last run has ended properly, or was never sure of itself
    host = run.get("host") if isinstance(run, dict) else None
    return isinstance(host, str) and host != socket.gethostname()


def measure(directory: Path) -> Remains:
    """How large a directory is, and how old."""
    try:
        size, last_used = 0, directory.stat().st_mtime
    except FileNotFoundError:  # another program has just tidied up
        return Remains(directory, 0.0, 0)
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                found = (Path(folder) / name).lstat()
            except FileNotFoundError:
                continue
            size += found.st_size
            last_used = max(last_used, found.st_mtime)
    return Remains(directory, last_used, size)
