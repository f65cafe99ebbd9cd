"""A notebook whose cells run on real sessions, and what its tests wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.cell import parse_cell
from vibesbox_kernel.shell.outcome import CellOutcome
from vibesbox_kernel.shell.runner import CellRunner


class Shown:
    """A sink that keeps everything, in order."""

    def __init__(self) -> None:
        self.written = ""
        self.changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        self.written += text
        self._loop.call_soon_threadsafe(self.changed.set)

    def passing(self, text: str) -> None:
        return

    def take_back(self, lines: int) -> None:
        return

    def line(self, text: str) -> None:
        self.text(f"{text}\n" if not self.written or self.written.endswith("\n") else f"\n{text}\n")

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        self.text(str(data))

    def offer_terminal(self, session_id: str) -> None:
        return

    def omitted(self, notice: str) -> None:
        self.text(notice)

    def tail(self, text: str) -> None:
        self.text(text)

    async def contains(self, text: str) -> None:
        while text not in self.written:
            self.changed.clear()
            await self.changed.wait()


class Notebook:
    """Cells one after another.

    Attributes:
        committed: Whether the last one that has ended has left a state to the next.
    """

    def __init__(self, runner: CellRunner) -> None:
        self.runner = runner
        self.shown = Shown()
        self.committed = False
        self._count = 0

    async def run(self, text: str) -> CellOutcome:
        """Run a cell; its output is in ``shown``."""
        self._count += 1
        self.shown = Shown()
        with anyio.fail_after(30):
            await self.runner.start()
            await self.runner.settled()
            before = self.runner.generation
            outcome = await self.runner.run(parse_cell(text), label=f"In[{self._count}]", sink=self.shown)
            await self.runner.settled()
            self.committed = self.runner.generation is not before
        return outcome

    async def output(self, text: str) -> str:
        """Run a cell; what it has written when it ends."""
        await self.run(text)
        return self.shown.written

    def start(self, text: str) -> asyncio.Task[CellOutcome]:
        """Run a cell meanwhile."""
        return asyncio.create_task(self.run(text))


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():
            await anyio.sleep(0.002)


def sleeps(manager: SessionManager, count: int = 1) -> Callable[[], bool]:
    """Whether a cell has come to its `sleep`: a bash that has only forked may lose an interrupt."""

    def is_there() -> bool:
        running = [info.pid for info in manager.list_sessions() if info.is_running and info.pid]
        return ["sleep" in comm(child) for pid in running for child in children(pid)].count(True) == count

    return is_there


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
