"""Starts the true broker with a fault: copied beside its orders and run in place of ``broker/bootstrap.py``.

It must stand alone: it runs isolated, without the site's packages. ``faulty.json`` beside it holds the orders:

- ``bootstrap``: the true file.
- ``die_at``: the number of the call of the operating system at which the broker kills itself; 0 for never.
- ``after``: once that call is done, else before it.
- ``count``: a file that is told how many calls a broker made that left by itself.
- ``jump``: a file that holds the seconds by which the wall clock is wrong.
- ``no_forks``: while this file exists, nothing can be started.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import runpy
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

_OF_OS = (
    "open read write pwrite close pipe2 openpty posix_spawn waitpid kill killpg pidfd_open mkdir makedirs unlink "
    "rename replace chdir umask dup listdir scandir set_blocking fsync ftruncate posix_fallocate stat chmod rmdir"
)
_OF_SOCKET = "send recv accept close"


class Fault:
    """Counts the broker's calls and dies at one of them."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._die_at: int = orders["die_at"]
        self._after: bool = orders["after"]
        self._guardian = os.getpid()
        self._calls = 0
        self._kill = os.kill
        self._count: str = orders["count"]
        self._open = open
        self._exit = os._exit
        os._exit = self._leave

    def wrap(self, where: Any, name: str) -> None:
        """Count the calls of a function, where this system has it."""
        true = getattr(where, name, None)
        if true is not None:
            setattr(where, name, self._counted(true))

    def _counted(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            dies = self._is_the_one()
            if dies and not self._after:
                self._die()
            try:
                return true(*arguments, **more)
            finally:
                if dies:
                    self._die()

        return counted

    def _is_the_one(self) -> bool:
        if os.getpid() == self._guardian:
            return False
        self._calls += 1
        return self._calls == self._die_at

    def _leave(self, status: int) -> NoReturn:
        calls, self._die_at = self._calls, 0
        with self._open(self._count, "w", encoding="ascii") as file:
            file.write(str(calls))
        self._exit(status)

    def _die(self) -> None:
        self._kill(os.getpid(), signal.SIGKILL)


def _jump(path: str) -> None:
    """Let the wall clock be wrong by what a file says."""
    true, opened = time.time, open

    def jumping() -> float:
        with opened(path, encoding="ascii") as file:
            return true() + float(file.read() or 0)

    time.time = jumping


def _refuse_forks(path: str) -> None:
    """Let the system have no room for another process as long as a file exists (fork(2), EAGAIN)."""
    true, exists = os.posix_spawn, os.path.exists

    def refusing(*arguments: Any, **more: Any) -> int:
        if exists(path):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return true(*arguments, **more)

    os.posix_spawn = refusing


def main() -> None:
    """Become the broker, with its fault."""
    orders = json.loads(Path(__file__).with_name("faulty.json").read_text("utf-8"))
    if orders.get("count"):
        fault = Fault(orders)
        for name in _OF_OS.split():
            fault.wrap(os, name)
        for name in _OF_SOCKET.split():
            fault.wrap(socket.socket, name)
        fault.wrap(resource, "prlimit")
        fault.wrap(resource, "setrlimit")
        fault.wrap(signal, "pidfd_send_signal")
    if orders.get("jump"):
        _jump(orders["jump"])
    if orders.get("no_forks"):
        _refuse_forks(orders["no_forks"])
    sys.argv[0] = orders["bootstrap"]
    runpy.run_path(orders["bootstrap"], run_name="__main__")


if __name__ == "__main__":
    main()
