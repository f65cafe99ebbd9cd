"""What a cell leaves to the next: the shell's state, ``$?``, and a bash that has taken them on already."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import ShellStateError
from vibesbox_kernel.shell.generations import Generation, Generations
from vibesbox_kernel.shell.other_shells import OtherShellCell, OtherStates
from vibesbox_kernel.shell.script import existing_directory
from vibesbox_kernel.shell.spare import Spares, WaitingBash

if TYPE_CHECKING:
    from vibesbox_kernel.models import IoMode
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.cell_files import Driver
    from vibesbox_kernel.shell.handing_over import CellEnd
    from vibesbox_kernel.shell.running import Running
    from vibesbox_kernel.shell.state import ShellState

LATER_SECONDS = 0.001
"""What is not the cell's own affair waits until its outcome is on its way to the user."""

_OVERTAKEN = "another cell has changed the shell's state meanwhile: this cell's changes are not kept"


class Succession:
    """From cell to cell. Everything of it runs on the manager's engine.

    Args:
        manager: Runs the bashes.
        driver: The bash texts.
        state: What the first cell starts from.

    Attributes:
        status: How the last foreground cell ended: the next one's ``$?``.
        others: The states of other shells than bash.
    """

    def __init__(self, manager: SessionManager, driver: Driver, state: ShellState) -> None:
        self._spares = Spares(manager, driver)
        self._generations = Generations()
        self._generations.begin(state)
        self._closed = False
        self.status = 0
        self.others = OtherStates()
        self.prewarm()

    @property
    def newest(self) -> Generation:
        """What the next cell starts from."""
        return self._generations.newest

    async def take(self, io: IoMode, cwd: str) -> WaitingBash:
        """A bash of the newest generation.

        Raises:
            VibesboxError: None could be started.
        """
        return await self._spares.take(self.newest, io, cwd)

    async def give_back(self, waiting: WaitingBash) -> None:
        """A bash has not got a cell: end it."""
        self.prewarm()
        await self._spares.discard(waiting)

    def commit(self, running: Running, end: CellEnd) -> tuple[str, ...]:
        """Make a foreground cell's state the newest, or say why not."""
        if end.exit_status is not None:
            self.status = end.exit_status.shell_code
        replacement = running.script.replacement
        if isinstance(replacement, OtherShellCell):
            return self._commit_other(running, end, replacement)
        if end.syntax_error is not None or replacement is not None:
            return ()
        try:
            state = running.state_after(end)
        except ShellStateError as error:
            return (f"{error}: the state is as before the cell",)
        if not self._generations.commit(running.waiting.generation, state):
            return (_OVERTAKEN,)
        return ()

    def _commit_other(self, running: Running, end: CellEnd, cell: OtherShellCell) -> tuple[str, ...]:
        try:
            state = running.other_state_after(end, cell)
        except ShellStateError as error:
            return (f"{error}: its state is as before the cell",)
        if not self.others.commit(cell, state):
            return (_OVERTAKEN,)
        return ()

    def prewarm(self) -> None:
        """Have a bash of the newest generation ready."""
        if not self._closed:
            self._spares.prewarm(self.newest, existing_directory(self.newest.state.cwd))

    def prewarm_soon(self) -> None:
        """The same, a moment later."""
        asyncio.get_running_loop().call_later(LATER_SECONDS, self.prewarm)

    async def aclose(self) -> None:
        """Give up the waiting bash."""
        self._closed = True
        await self._spares.aclose()
