"""The processes that probes experiment on. Each blocks on a pipe of ours, so none can outlive us."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from vibesbox_kernel.broker import system

SHELL = "/bin/sh"
SECONDS = 5.0
_BLOCK = ["sh", "-c", "read -r _"]


@contextmanager
def child(environment: Mapping[str, str]) -> Iterator[int]:
    """A child in a POSIX session of its own, started as the broker starts a leader; yields its pid."""
    hold, let_go = os.pipe()
    try:
        actions = [(os.POSIX_SPAWN_DUP2, hold, 0)]
        pid = os.posix_spawn(SHELL, _BLOCK, environment, file_actions=actions, setsid=True)
        try:
            yield pid
        finally:
            os.close(let_go)
            let_go = -1
            _reap(pid)
    finally:
        _close(hold, let_go)


@contextmanager
def daemon(tag: int) -> Iterator[int]:
    """A process that did all it could to get away; yields its pid.

    It was forked twice, has a POSIX session of its own, and was executed with an empty environment.

    Args:
        tag: The mark that it shall inherit.
    """
    hold, let_go = os.pipe()
    hear, say = os.pipe()
    try:
        with marked(tag):
            forked = os.fork()
            if forked == 0:
                _get_away(hold, say)
        os.close(say)
        say = -1
        os.waitpid(forked, 0)
        pid = int(_read_all(hear) or b"0")  # its end is the execution: the pipe is closed by that
        if pid == 0:
            raise OSError("the system did not let a process fork, begin a session, and execute")
        try:
            yield pid
        finally:
            os.close(let_go)
            let_go = -1
            _reap(pid)
    finally:
        _close(hold, let_go, hear, say)


def marked(tag: int) -> AbstractContextManager[None]:
    """Have what is forked meanwhile inherit a tag, as the broker's leaders do."""
    return system.inherited_limits(tag, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def wait_until_parent(pid: int, wanted: int) -> int | None:
    """The parent of a process, once it is the wanted one or the time is up."""
    deadline = time.monotonic() + SECONDS / 5
    while (above := system.parent(pid)) != wanted and time.monotonic() < deadline:
        time.sleep(0.002)
    return above


def has_ended(pinned: int) -> bool:
    """Whether a pidfd says within the time that its process is dead."""
    poll = select.poll()
    poll.register(pinned, select.POLLIN)
    return bool(poll.poll(SECONDS * 1000))


def _get_away(hold: int, say: int) -> None:
    """In the forked child; never returns."""
    try:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.write(say, str(os.getpid()).encode())
            os.dup2(hold, 0)
            os.execve(SHELL, _BLOCK, {})
    finally:
        os._exit(0)


def _read_all(descriptor: int) -> bytes:
    pieces = b""
    while piece := os.read(descriptor, 64):
        pieces += piece
    return pieces


def _reap(pid: int) -> None:
    """Collect what has ended; a process that is not our child is somebody else's to reap."""
    with contextlib.suppress(ChildProcessError):
        deadline = time.monotonic() + SECONDS
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)
