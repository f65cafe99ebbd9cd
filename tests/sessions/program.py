"""A program that owns sessions, in a process of its own, so that a test can end it in any way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SOURCE = """
import asyncio, json, os, sys, time
from vibesbox_kernel.sessions import SessionManager

async def main():
    commands, block, instance, options = json.loads(sys.argv[1])
    manager = SessionManager(instance=instance)
    pids = [await manager.start_session(command, shell, **options) for command, shell in commands]
    print(json.dumps(pids), flush=True)
    if block:
        time.sleep(600)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@dataclass
class Program:
    """The running program.

    Attributes:
        pids: The leaders of its sessions.
        guardian: Its broker's parent.
    """

    process: subprocess.Popen[str]
    pids: list[int]
    guardian: int

    @property
    def broker(self) -> int:
        """The guardian's first child."""
        return _children(self.guardian)[0]

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the program and reap it."""
        self.process.send_signal(number)
        self.process.wait(10)


def guardian_of(pid: int) -> int:
    """The guardian that a process has started."""
    (found,) = [child for child in _children(pid) if b"bootstrap.py" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return found


def broker_of(pid: int) -> int:
    """The broker of a process."""
    return _children(guardian_of(pid))[0]


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


@contextmanager
def running(
    commands: list[tuple[str, str]], *, block: bool = False, instance: str | None = None, **options: object
) -> Iterator[Program]:
    """Start it with sessions of these commands and shells.

    Args:
        options: Of each session.
        block: Let its main thread sleep in one long call, its event loop included.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _SOURCE, json.dumps([commands, block, instance, options])],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield Program(process, json.loads(process.stdout.readline()), guardian_of(process.pid))
        finally:
            process.kill()
