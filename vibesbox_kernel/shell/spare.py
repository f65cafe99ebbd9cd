"""The bash of the next cell, started before it is needed: it has taken on the state and waits for its control pipe."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.models import IoMode
from vibesbox_kernel.shell.cell_files import CellDirectory, Driver
from vibesbox_kernel.shell.descriptors import OpenDescriptors
from vibesbox_kernel.shell.environment import unspeakable
from vibesbox_kernel.shell.generations import Generation

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HandedOn:
    """What a bash takes on.

    Attributes:
        generation: The state.
        descriptors: What is open besides.
    """

    generation: Generation
    descriptors: OpenDescriptors | None = None


@dataclass(frozen=True)
class WaitingBash:
    """A bash that waits for its cell.

    Attributes:
        generation: The state that it has taken on.
        descriptors: What else it has open.
        cwd: Where its process was started, which is what listings show.
    """

    session_id: str
    pid: int
    directory: CellDirectory
    generation: Generation
    descriptors: OpenDescriptors | None
    io: IoMode
    cwd: str


class Spares:
    """Keeps one waiting bash of the newest generation. Runs on the manager's engine.

    Args:
        manager: Runs the bashes, as prepared sessions.
        driver: The bash texts.
    """

    def __init__(self, manager: SessionManager, driver: Driver) -> None:
        self._manager = manager
        self._driver = driver
        self._spare: asyncio.Task[WaitingBash] | None = None
        self._wanted: tuple[HandedOn, str] | None = None
        self._environment: Mapping[str, str] = unspeakable(os.environ)

    def prewarm(self, handed_on: HandedOn, cwd: str) -> None:
        """Have a spare with this soon; another one is given up."""
        if self._spare is not None and self._wanted == (handed_on, cwd):
            return
        self.give_up()
        self._wanted = (handed_on, cwd)
        self._spare = asyncio.create_task(self._prepare(handed_on, IoMode.PTY, cwd), name="vibesbox-spare")
        self._spare.add_done_callback(_log_failure)

    async def take(self, handed_on: HandedOn, io: IoMode, cwd: str) -> WaitingBash:
        """A bash for a cell: the spare, if it fits, or else a new one.

        Raises:
            VibesboxError: None could be started.
        """
        if io is IoMode.PTY and self._spare is not None and self._wanted == (handed_on, cwd):
            spare, self._spare = self._spare, None
            try:
                return await spare
            except VibesboxError:
                pass  # logged; what was in its way may be gone by now
        return await self._prepare(handed_on, io, cwd)

    async def discard(self, waiting: WaitingBash) -> None:
        """End a bash that has not got a cell."""
        await self._manager.discard_session(waiting.session_id)
        waiting.directory.remove()

    async def aclose(self) -> None:
        """Give the spare up."""
        spare, self._spare = self._spare, None
        if spare is not None:
            await self._discard_when_there(spare)

    def give_up(self) -> None:
        """End the spare, if there is one."""
        spare, self._spare = self._spare, None
        if spare is not None:
            self._manager.engine.start(self._discard_when_there(spare), name="vibesbox-discard-spare")

    async def _discard_when_there(self, spare: asyncio.Task[WaitingBash]) -> None:
        try:
            waiting = await spare
        except VibesboxError:
            return
        await self.discard(waiting)

    async def _prepare(self, handed_on: HandedOn, io: IoMode, cwd: str) -> WaitingBash:
        generation, descriptors = handed_on.generation, handed_on.descriptors
        environment = {**self._environment, **await self._manager.displays.open()}
        directory = self._driver.new_directory()
        try:
            directory.write_state(generation.state, private=() if descriptors is None else descriptors.private)
            prepared = await self._manager.prepare_session(
                self._driver.cell_argv(directory),
                env=environment,
                cwd=cwd,
                io=io,
                descriptors=None if descriptors is None else descriptors.held,
            )
        except BaseException:
            directory.remove()
            raise
        return WaitingBash(prepared.session_id, prepared.pid, directory, generation, descriptors, io, cwd)


def _log_failure(spare: asyncio.Task[WaitingBash]) -> None:
    if not spare.cancelled() and (error := spare.exception()) is not None:
        logger.warning("no spare shell could be started: %s", error)
