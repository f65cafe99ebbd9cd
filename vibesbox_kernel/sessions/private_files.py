"""Files that nobody else can read, whatever the umask."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, data: bytes, *, mode: int = 0o600, new: bool = False) -> None:
    """Write a file, made with this mode if it is not there.

    Args:
        path: The file.
        data: All that it shall hold.
        mode: Its mode, if it is made.
        new: It must not be there yet.

    Raises:
        FileExistsError: It is there.
    """
    there = os.O_EXCL if new else os.O_TRUNC
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | there, mode)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)
