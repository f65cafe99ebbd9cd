"""What a cell leaves to the next: the shell's state, ``$?``, and a bash that has taken them on already."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import BrokerError, ShellStateError
from vibesbox_kernel.shell.generations import Generation, Generations
from vibesbox_kernel.shell.other_shells import OtherShellCell, OtherStates
from vibesbox_kernel.shell.recall import Recall
from vibesbox_kernel.shell.spare import HandedOn, Spares, WaitingBash

if TYPE_CHECKING:
    from vibesbox_kernel.models import IoMode
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.cell_files import Driver
    from vibesbox_kernel.shell.descriptors import OpenDescriptors
    from vibesbox_kernel.shell.handing_over import CellEnd
    from vibesbox_kernel.shell.running import Running
    from vibesbox_kernel.shell.settings import Settings
    from vibesbox_kernel.shell.state import ShellState

LATER_SECONDS = 0.003
"""What is not the cell's own affair waits until its outcome is on its way to the user."""

_AS_BEFORE = "the next cell starts from the state before this one"
_OVERTAKEN = "another cell has changed the shell's state meanwhile: this cell's changes are not kept"


class Succession:
    """From cell to cell. Everything of it runs on the manager's engine.

    Args:
        manager: Runs the bashes.
        driver: The bash texts.
        state: What the first cell starts from.
        settings: How its terminal shall be.

    Attributes:
        status: How the last foreground cell ended: the next one's ``$?``.
        others: The states of other shells than bash.
        generations: The states so far.
        recall: The cells so far.
    """

    def __init__(self, manager: SessionManager, driver: Driver, state: ShellState, settings: Settings) -> None:
        self._manager = manager
        self._spares = Spares(manager, driver, settings)
        self.generations = Generations(state)
        self.recall = Recall()
        self._closed = False
        self._soon: asyncio.TimerHandle | None = None
        self.status = 0
        self.others = OtherStates()
        self.prewarm()

    @property
    def newest(self) -> Generation:
        """What the next cell starts from."""
        return self.generations.newest

    @property
    def _handed_on(self) -> HandedOn:
        return HandedOn(self.newest, self.generations.descriptors)

    async def take(self, io: IoMode | None) -> WaitingBash:
        """A bash of the newest generation.

        Raises:
            VibesboxError: None could be started.
        """
        if self._soon is not None:
            self._soon.cancel()  # it would be for a cell after this one, which will leave another state
        return await self._spares.take(self._handed_on, io)

    def begun(self, running: Running) -> None:
        """A cell that hands on what it leaves has what is open now, and no other."""
        opened = running.waiting.descriptors
        if opened is None or not running.foreground or running.script.replacement is not None:
            return
        if self.generations.descriptors == opened:
            self.generations.descriptors = None
        self._spares.give_up()

    async def give_back(self, waiting: WaitingBash) -> None:
        """A bash has not got a cell: end it."""
        self.prewarm()
        await self._spares.discard(waiting)

    def commit(self, running: Running, end: CellEnd) -> tuple[str, ...]:
        """Make a foreground cell's state the newest, or say why not."""
        if end.exit_status is not None:
            self.status = end.exit_status.shell_code
        replacement = running.script.replacement
        if isinstance(replacement, OtherShellCell) and end.begun:
            return self._commit_other(running, end, replacement)
        if not end.begun or replacement is not None:
            with self._releasing(end.descriptors):
                if running.waiting.generation is self.newest:
                    self.generations.descriptors = end.descriptors or self.generations.descriptors
            return ()
        if not running.script.private:
            self.recall.note(running.script.text)
        with self._releasing(end.descriptors):
            return (*self._commit(running, end), *_say_lost(end.lost_descriptors))

    def _commit(self, running: Running, end: CellEnd) -> tuple[str, ...]:
        base = running.waiting.generation
        try:
            state = running.state_after(end)
        except ShellStateError as error:
            opened = running.waiting.descriptors
            but = "" if opened is None else f", but what was open ({_listed(opened.numbers)}) is not any more"
            return (f"{error}: {_AS_BEFORE}{but}",)
        if not self.generations.commit(base, state, origin=running.label, descriptors=end.descriptors):
            return (_OVERTAKEN,)
        return ()

    def _commit_other(self, running: Running, end: CellEnd, cell: OtherShellCell) -> tuple[str, ...]:
        try:
            state = running.other_state_after(end, cell)
        except ShellStateError as error:
            return (f"{error}: {_AS_BEFORE}",)
        if not self.others.commit(cell, state):
            return (_OVERTAKEN,)
        return ()

    def reset(self) -> None:
        """Have the next cell start from the first state again."""
        with self._releasing():
            self.generations.reset()
        self.others.reset()
        self.status = 0
        self.prewarm()

    def go_back(self, cells: int) -> None:
        """Have the next cell start from the state of so many cells ago.

        Raises:
            NoEarlierStateError: So many are not remembered; nothing has changed.
        """
        with self._releasing():
            self.generations.go_back(cells)
        self.prewarm()

    @contextlib.contextmanager
    def _releasing(self, offered: OpenDescriptors | None = None) -> Iterator[None]:
        """Let go, after a change of generations, the descriptors that are not the newest generation's any more."""
        held = {self.generations.descriptors, offered}
        try:
            yield
        finally:
            for one in held - {self.generations.descriptors, None}:
                assert one is not None
                self._manager.engine.start(self._release(one), name="vibesbox-release")

    async def _release(self, descriptors: OpenDescriptors) -> None:
        with contextlib.suppress(BrokerError):  # a broker that is gone holds nothing
            await self._manager.release_descriptors(descriptors.held)

    def prewarm(self) -> None:
        """Have a bash of the newest generation ready."""
        if not self._closed:
            self._spares.prewarm(self._handed_on)

    def prewarm_soon(self) -> None:
        """The same, a moment later, unless a cell has come meanwhile."""
        self._soon = asyncio.get_running_loop().call_later(LATER_SECONDS, self.prewarm)

    async def aclose(self) -> None:
        """Give up the waiting bash."""
        self._closed = True
        await self._spares.aclose()


def _say_lost(descriptors: Sequence[int]) -> tuple[str, ...]:
    if not descriptors:
        return ()
    several = "s" if len(descriptors) > 1 else ""
    return (f"the open descriptor{several} {_listed(descriptors)} can not be handed on to the next cell",)


def _listed(descriptors: Sequence[int]) -> str:
    return ", ".join(map(str, descriptors))
