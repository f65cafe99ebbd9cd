"""Old output goes by itself: what dead brokers left is kept for a while, and within a bound."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from vibesbox_kernel.broker.wire import LOG_NAME

logger = logging.getLogger(__name__)

MAX_AGE_SECONDS = 7 * 24 * 3600.0
MAX_BYTES = 4 << 30


@dataclass(frozen=True)
class _Remains:
    directory: Path
    last_used: float
    size: int


def remove_old(root: Path, *, now: float, max_age: float = MAX_AGE_SECONDS, max_bytes: int = MAX_BYTES) -> list[str]:
    """Delete the directories of dead brokers that are too old, then the oldest until the rest fits.

    A living broker's directory is never touched, however old: its guardian holds a lock on its log.

    Args:
        root: Where all instances keep their state.
        now: Unix time.
        max_age: Seconds since a directory was last used.
        max_bytes: What all dead brokers' directories may hold together.

    Returns:
        The instances whose directories were deleted.
    """
    dead = sorted(_dead_instances(root), key=lambda remains: remains.last_used)
    total = sum(remains.size for remains in dead)
    removed = []
    for remains in dead:
        if now - remains.last_used <= max_age and total <= max_bytes:
            break
        shutil.rmtree(remains.directory, ignore_errors=True)
        total -= remains.size
        removed.append(remains.directory.name)
    if removed:
        logger.info("deleted the old output of %d programs that are gone", len(removed))
    return removed


def _dead_instances(root: Path) -> list[_Remains]:
    try:
        entries = list(root.iterdir())
    except FileNotFoundError:
        return []
    return [_measure(entry) for entry in entries if entry.is_dir() and not entry.is_symlink() and _is_dead(entry)]


def _is_dead(directory: Path) -> bool:
    try:
        with (directory / LOG_NAME).open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # locked: it lives; no log: it is only being made
    return True


def _measure(directory: Path) -> _Remains:
    size, last_used = 0, directory.stat().st_mtime
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                found = (Path(folder) / name).lstat()
            except FileNotFoundError:
                continue
            size += found.st_size
            last_used = max(last_used, found.st_mtime)
    return _Remains(directory, last_used, size)
