"""What the core's measurements share: a manager of their own, its broker, FIFOs that hold or release many at once."""

from __future__ import annotations

import asyncio
import os
import select
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from vibesbox_kernel.sessions import SessionManager

AT_ONCE = 32
"""How many sessions are being started at the same time, where there are many to start."""


class NotMeasuredError(Exception):
    """What was to be measured did not happen."""


@contextmanager
def managed(*, remembered: int = 100) -> Iterator[SessionManager]:
    """A manager, and at the end neither its sessions, nor its broker, nor its thread.

    Args:
        remembered: How many ended sessions it keeps.
    """
    manager = SessionManager(remembered, owner="benchmark")
    engine = manager.engine
    try:
        yield manager
    finally:
        engine.call(manager.aclose())
        engine.close()


@contextmanager
def directory() -> Iterator[Path]:
    """For FIFOs and files, beside those of the sessions."""
    with tempfile.TemporaryDirectory(prefix="vb-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def guardian_of(pid: int) -> psutil.Process:
    """The guardian that a process has started, whose first child is the broker."""
    for child in psutil.Process(pid).children():
        if any(part.endswith("bootstrap.py") for part in child.cmdline()):
            return child
    raise NotMeasuredError(f"process {pid} has no guardian")


def broker_of(pid: int) -> psutil.Process:
    """The broker that a process has started."""
    return min(guardian_of(pid).children(), key=psutil.Process.create_time)


async def start_many(start: Callable[[], Awaitable[object]], count: int) -> None:
    """Start so many, some at a time."""
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            await start()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


class Gate:
    """A FIFO that processes read and that gives nothing; ``open`` lets all of them read its end at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        self._held = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()

    def open(self) -> None:
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)


class Roll:
    """A FIFO that processes hold: each says a line when it is up, and its end says that the last one is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        self._reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._reading)

    def called(self, lines: int, *, at_most: float) -> None:
        """Wait until so many lines were said.

        Args:
            at_most: Seconds.

        Raises:
            NotMeasuredError: They were not said in that time.
        """
        deadline = time.monotonic() + at_most
        said = 0
        while said < lines:
            data = self._read(deadline)
            said += data.count(b"\n")
            if not data:
                time.sleep(0.001)  # just now nobody holds it: the next one is still on its way
            if time.monotonic() > deadline:
                raise NotMeasuredError(f"{said} of {lines} processes said that they are up")

    def gone(self, *, at_most: float) -> None:
        """Wait until nobody holds it.

        Raises:
            NotMeasuredError: Somebody held it all that time.
        """
        deadline = time.monotonic() + at_most
        while self._read(deadline):
            pass

    def _read(self, deadline: float) -> bytes:
        if not select.select([self._reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise NotMeasuredError(f"nothing more was heard of those who hold {self.path}")
        return os.read(self._reading, 1 << 16)


def wait_reaped(pids: Sequence[int], *, at_most: float) -> None:
    """Wait until no process of these is left, not even as a zombie.

    Raises:
        NotMeasuredError: Some were left all that time.
    """
    deadline = time.monotonic() + at_most
    left = list(pids)
    while left := [pid for pid in left if _exists(pid)]:
        if time.monotonic() > deadline:
            raise NotMeasuredError(f"{len(left)} of {len(pids)} processes were not reaped in {at_most:.0f} s")
        time.sleep(0.005)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
