"""Find what a test left behind: processes, zombies, descriptors and threads, all seen from outside.

A process is known by a mark that it inherited from the test: a variable of its environment and an odd soft
limit of a resource that nobody uses. The second survives ``env -i`` too; the first survives a changed limit.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import resource
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

DEADLINE_SECONDS = 5.0
_PROC = Path("/proc")
_Found = TypeVar("_Found")


class Process(NamedTuple):
    """A process as /proc shows it; pid and start time together are never used twice."""

    pid: int
    started: int
    state: str
    parent: int
    command: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.state}) {self.command}"


class Mark:
    """A mark that every process started under it inherits.

    Args:
        variable: The name of the environment variable.
    """

    def __init__(self, variable: str) -> None:
        self._variable = variable
        self._token = uuid.uuid4().hex
        self._hard = resource.getrlimit(resource.RLIMIT_MSGQUEUE)[1]
        ceiling = self._hard if 0 < self._hard < 2**31 else 2**31
        # With a hard limit of 0 every process has the same soft one: then only the variable tells.
        self._limit = random.randrange(1, ceiling) if self._hard else None

    def put(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Mark this process, so that its children are born with it."""
        monkeypatch.setenv(self._variable, self._token)
        self.put_limit()

    def put_limit(self) -> None:
        """Only the limit; another mark's limit ends by it."""
        if self._limit is not None:
            resource.setrlimit(resource.RLIMIT_MSGQUEUE, (self._limit, self._hard))

    def processes(self) -> list[Process]:
        """Every living process that has the mark, this one excepted."""
        return [one for one in _all_processes() if one.state != "Z" and self._is_on(one.pid)]

    def _is_on(self, pid: int) -> bool:
        with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
            if f"{self._variable}={self._token}".encode() in (_PROC / f"{pid}/environ").read_bytes().split(b"\0"):
                return True
        return self._limit is not None and self._limit == _message_queue_limit(pid)


def _message_queue_limit(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        for line in (_PROC / f"{pid}/limits").read_text().splitlines():
            if line.startswith("Max msgqueue size"):
                soft = line.split()[3]
                return int(soft) if soft.isdecimal() else None
    return None


def _all_processes() -> Iterator[Process]:
    for entry in os.listdir(_PROC):
        if entry.isdecimal() and int(entry) != os.getpid():
            with contextlib.suppress(OSError):
                yield _process(int(entry))


def _process(pid: int) -> Process:
    head, _, tail = (_PROC / f"{pid}/stat").read_text(errors="replace").rpartition(")")
    fields = tail.split()
    words = (_PROC / f"{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return Process(pid, int(fields[19]), fields[0], int(fields[1]), words[:200] or head.partition("(")[2])


def zombies() -> set[Process]:
    """This process's own children that nobody has waited for."""
    return {one for one in _all_processes() if one.state == "Z" and one.parent == os.getpid()}


def descriptors() -> dict[int, str]:
    """This process's open descriptors and what each refers to."""
    found = {}
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists the directory
            found[int(entry)] = os.readlink(f"/proc/self/fd/{entry}")
    return found


def threads() -> set[threading.Thread]:
    """The threads that live."""
    return set(threading.enumerate())


def left_after_deadline(look: Callable[[], list[_Found]]) -> list[_Found]:
    """What a look still finds when the deadline is over; empty as soon as it finds nothing."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    found = look()
    if found:
        gc.collect()  # a cycle may hold a descriptor that is no leak
        found = look()
    while found and time.monotonic() < deadline:
        time.sleep(0.02)
        found = look()
    return found


def end(processes: list[Process]) -> None:
    """Kill what was found, so that one test's leak is not the next one's; never a pid that was used again."""
    for one in processes:
        with contextlib.suppress(OSError):
            pidfd = os.pidfd_open(one.pid)
            try:
                if _process(one.pid).started == one.started:
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)


class Watch:
    """Remembers what was there before a test and says what is new after it."""

    def __init__(self, mark: Mark) -> None:
        self._mark = mark
        self._zombies = zombies()
        self._descriptors = descriptors()
        self._threads = threads()

    def end_processes(self) -> list[str]:
        """Give the test's processes the deadline to go, kill what is left, and name it."""
        left = left_after_deadline(self._mark.processes)
        end(left)
        return [f"process {one}" for one in left]

    def new_zombies(self) -> list[str]:
        """Children that nobody has waited for."""
        return [f"zombie {one}" for one in left_after_deadline(lambda: list(zombies() - self._zombies))]

    def new_descriptors(self) -> list[str]:
        """Descriptors that the test has not closed."""
        left = left_after_deadline(lambda: list(descriptors().items() - self._descriptors.items()))
        return [f"descriptor {number} -> {target}" for number, target in left]

    def new_threads(self) -> list[str]:
        """Threads that the test has not ended."""
        return [f"thread {one.name}" for one in left_after_deadline(lambda: list(threads() - self._threads))]
