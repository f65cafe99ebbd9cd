"""Who is alive, seen from outside: by the marks that processes inherit, never through the code under test."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

TAG_BASE = 1 << 62
_SEQUENCE_BITS = 24


class Seen(NamedTuple):
    """A process as /proc shows it.

    Attributes:
        tag: The soft limit of RLIMIT_RTTIME where that is a session's tag, else 0.
    """

    pid: int
    state: str
    parent: int
    name: str
    tag: int


class Observer:
    """Finds the processes of sessions that were started under its mark.

    Args:
        variable: Name of an environment variable …
        value: … and the value that only these sessions have.
    """

    def __init__(self, variable: str, value: str) -> None:
        self._mark = f"{variable}={value}".encode()
        self._runs: set[int] = set()

    def learn(self) -> list[Seen]:
        """Look, and remember the runs of the tags that were seen: a scrubbed process has nothing else."""
        found = [one for one in everybody() if one.tag and self._is_marked(one.pid)]
        self._runs |= {one.tag >> _SEQUENCE_BITS for one in found}
        return self.alive()

    def alive(self) -> list[Seen]:
        """Every living process of these sessions."""
        return [one for one in self._all() if one.state not in "ZX"]

    def zombies(self) -> list[Seen]:
        """Those that nobody has reaped yet."""
        return [one for one in self._all() if one.state == "Z"]

    def of(self, pid: int) -> list[Seen]:
        """Every living process that carries the tag of this one."""
        tag = tag_of(pid)
        return [one for one in everybody() if tag and one.tag == tag and one.state not in "ZX"]

    def wait_for(self, name: str, count: int, *, timeout: float = 20) -> list[Seen]:
        """Wait until so many of them have this name, which is that of the program after its exec."""
        return self._wait(lambda found: len(found) == count, name, timeout)

    def wait_for_more(self, count: int, *, timeout: float = 20) -> list[Seen]:
        """Wait until there are more than so many of them."""
        return self._wait(lambda found: len(found) > count, None, timeout)

    def wait_gone(self, *, timeout: float = 10) -> None:
        """Wait until nothing is left, no zombie either.

        Raises:
            AssertionError: Says what is.
        """
        deadline = time.monotonic() + timeout
        while left := self._all():
            if time.monotonic() > deadline:
                raise AssertionError(f"left after {timeout} s: {left}")
            time.sleep(0.01)

    def freeze_and_kill(self) -> None:
        """Clean up what the code under test could not: who stands still does not fork."""
        while moving := [one.pid for one in self.alive() if one.state != "T"]:
            _signal(moving, signal.SIGSTOP)
        while left := self.alive():
            _signal([one.pid for one in left], signal.SIGKILL)

    def _all(self) -> list[Seen]:
        return [one for one in everybody() if one.tag >> _SEQUENCE_BITS in self._runs or self._is_marked(one.pid)]

    def _is_marked(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            return self._mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return False

    def _wait(self, enough: Callable[[list[Seen]], bool], name: str | None, timeout: float) -> list[Seen]:
        deadline = time.monotonic() + timeout
        while not enough(found := [one for one in self.learn() if name in (None, one.name)]):
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(found)} processes after {timeout} s: {found[:20]}")
            time.sleep(0.02)
        return found


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def everybody() -> Iterator[Seen]:
    """Every process of this machine but our own."""
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and int(entry) != os.getpid():
            with contextlib.suppress(OSError, ValueError):
                yield _look(int(entry))


def owned_by(uid: int) -> list[int]:
    """Every living process of a user."""
    found = []
    for one in everybody():
        with contextlib.suppress(OSError):
            if one.state not in "ZX" and os.stat(f"/proc/{one.pid}").st_uid == uid:
                found.append(one.pid)
    return found


def _look(pid: int) -> Seen:
    head, _, tail = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")
    state, parent = tail.split()[:2]
    return Seen(pid, state, int(parent), head.partition("(")[2], 0 if state in "ZX" else tag_of(pid))


def tag_of(pid: int) -> int:
    """The tag that a process carries, or 0."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
            if line.startswith("Max realtime timeout"):
                soft = line.split()[3]
                return int(soft) if soft.isdecimal() and int(soft) >= TAG_BASE else 0
    return 0


def state_of(pid: int) -> str:
    """The letter that /proc shows for a process; empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    return ""


def resident_bytes(pid: int) -> int:
    """What a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


class Deathwatch:
    """Pins processes and tells when the last of them has died, to the moment and without looking at /proc."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pinned: list[int] = []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                self._pinned.append(os.pidfd_open(pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pinned in self._pinned:
            os.close(pinned)

    def wait(self, *, timeout: float = 20) -> float:
        """Wait until all are dead; returns the seconds that it took from now.

        Raises:
            AssertionError: Some are not.
        """
        began = time.monotonic()
        poll = select.poll()
        for pinned in self._pinned:
            poll.register(pinned, select.POLLIN)
        left = len(self._pinned)
        while left:
            ready = poll.poll(max(0.0, began + timeout - time.monotonic()) * 1000)
            if not ready:
                raise AssertionError(f"{left} of {len(self._pinned)} processes live after {timeout} s")
            for pinned, _ in ready:
                poll.unregister(pinned)
            left -= len(ready)
        return time.monotonic() - began
