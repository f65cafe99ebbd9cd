"""The log of guardian and broker: one file of bounded size, whose lock says that they live."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from typing import TextIO

MAX_LOG_BYTES = 1 << 20
_KEPT_BYTES = MAX_LOG_BYTES // 2
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


class BoundedLog(logging.StreamHandler[TextIO]):
    """Drops the older half of its file when that has grown too long.

    The file stays the same one: it is locked, and several processes append to it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        with contextlib.suppress(OSError):  # then it is too long for a while
            shorten(self.stream.fileno())
        super().emit(record)


def shorten(descriptor: int) -> None:
    """Leave the last whole lines of a file, open for reading and appending, that is longer than allowed.

    Raises:
        OSError: It can not be read or written.
    """
    size = os.fstat(descriptor).st_size
    if size > MAX_LOG_BYTES:
        kept = os.pread(descriptor, _KEPT_BYTES, size - _KEPT_BYTES)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, kept[kept.find(b"\n") + 1 :])


def log_to(path: str) -> None:
    """Log to a file, and hold a lock on it: nobody tidies up a directory whose broker lives."""
    logging.basicConfig(handlers=[BoundedLog(_open_locked(path))], level=logging.INFO, format=_FORMAT)


def is_still_at(path: str, descriptor: int) -> bool:
    """Whether a path still names the file that is open."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _open_locked(path: str) -> TextIO:
    while True:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # tidied up just now
            log = open(path, "a+", buffering=1)  # noqa: SIM115 - open as long as the process is
            fcntl.flock(log, fcntl.LOCK_SH)
            if is_still_at(path, log.fileno()):
                return log
            log.close()
