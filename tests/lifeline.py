"""A FIFO held open by a process tree: it tells, without a pid and without a clock, that the tree lives or is gone."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

import anyio


class _Fifo:
    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        # Open for reading before anybody writes: a writer's open() would wait for us otherwise.
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._seen = b""

    def close(self) -> None:
        os.close(self.descriptor)
        self.path.unlink()

    def _read(self) -> bool:
        """Take what is there; False at end of file. A FIFO is not at its end before its first writer came."""
        data = os.read(self.descriptor, 65536)
        self._seen += data
        return bool(data)

    def _has(self, lines: int) -> bool:
        return self._seen.count(b"\n") >= lines if lines else bool(self._seen)

    def _lines(self) -> list[str]:
        return self._seen.decode().splitlines()

    def _too_early(self) -> AssertionError:
        return AssertionError(f"every holder of {self.path} is gone, and all that it wrote is {self._seen!r}")


class Lifeline(_Fifo):
    """For async tests.

    Example:
        >>> pid = await manager.start_session(f"exec 9>{lifeline.path}; (sleep 600 & echo alive >&9); wait")
        >>> with anyio.fail_after(5):
        ...     await lifeline.held()
        ...     await manager.terminate_session(pid, force=True)
        ...     await lifeline.released()
    """

    async def held(self) -> None:
        """Wait for the first byte: it proves that the tree runs."""
        await self._filled(0)

    async def lines(self, count: int) -> list[str]:
        """Wait for ``count`` lines, one from each of several holders (their pids, for example); all seen so far."""
        await self._filled(count)
        return self._lines()

    async def released(self) -> None:
        """Wait for end of file: the last process that held the FIFO is gone. Call ``held`` before it."""
        assert self._seen, "released() means something only after held()"
        while True:
            await anyio.wait_readable(self.descriptor)
            if not self._read():
                return

    async def _filled(self, lines: int) -> None:
        while not self._has(lines):
            await anyio.wait_readable(self.descriptor)
            if not self._read():
                raise self._too_early()


class BlockingLifeline(_Fifo):
    """The same verbs for synchronous tests, each with its deadline in seconds."""

    def held(self, timeout: float = 5) -> None:
        """Wait for the first byte: it proves that the tree runs."""
        self._filled(0, timeout)

    def lines(self, count: int, timeout: float = 5) -> list[str]:
        """Wait for ``count`` lines, one from each of several holders; all seen so far."""
        self._filled(count, timeout)
        return self._lines()

    def released(self, timeout: float = 5) -> None:
        """Wait for end of file: the last process that held the FIFO is gone. Call ``held`` before it."""
        assert self._seen, "released() means something only after held()"
        deadline = time.monotonic() + timeout
        while True:
            self._wait_readable(deadline, "is still held")
            if not self._read():
                return

    def is_held(self) -> bool:
        """Whether anybody holds it now, without waiting."""
        while select.select([self.descriptor], [], [], 0)[0]:
            if not self._read():
                return False
        return bool(self._seen)

    def _filled(self, lines: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self._has(lines):
            self._wait_readable(deadline, f"gave only {self._seen!r}")
            if not self._read():
                raise self._too_early()

    def _wait_readable(self, deadline: float, otherwise: str) -> None:
        if not select.select([self.descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
            raise TimeoutError(f"{self.path} {otherwise}")
