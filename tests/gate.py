"""A FIFO that a program waits at, with ``read go <FIFO``, until the test has seen what it wants to."""

from __future__ import annotations

import os
from pathlib import Path


class Gate:
    """Open all the time: one that is shut while who has passed it is at it again would be the end of its file.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> None:
        """Let one who waits, or who comes next, go on."""
        os.write(self._descriptor, b"go\n")

    def close(self) -> None:
        """It is not needed any more."""
        os.close(self._descriptor)
