"""The bash of the next cell, started before it is needed.

It comes to be in two steps, because its start takes longer than all else: as soon as one bash has got its cell, another
is started that knows nothing yet (*blank*); when the cell's state is there, it takes that on, and waits for a cell.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.models import IoMode
from vibesbox_kernel.shell.cell_files import TAKE_ON, CellDirectory, Driver
from vibesbox_kernel.shell.descriptors import OpenDescriptors
from vibesbox_kernel.shell.environment import unspeakable
from vibesbox_kernel.shell.generations import Generation

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

logger = logging.getLogger(__name__)

NEXT_BLANK_SECONDS = 0.003
"""A blank bash is started when the cell that was just begun has had a little time for itself."""


@dataclass(frozen=True)
class BlankBash:
    """A bash that runs and has not taken on any state."""

    session_id: str
    pid: int
    directory: CellDirectory
    io: IoMode


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
    """

    session_id: str
    pid: int
    directory: CellDirectory
    generation: Generation
    descriptors: OpenDescriptors | None
    io: IoMode


class Spares:
    """Keeps one waiting bash of the newest generation, and one blank. Runs on the manager's engine.

    Args:
        manager: Runs the bashes, as prepared sessions.
        driver: The bash texts.
    """

    def __init__(self, manager: SessionManager, driver: Driver) -> None:
        self._manager = manager
        self._driver = driver
        self._blank: asyncio.Task[BlankBash] | None = None
        self._spare: asyncio.Task[WaitingBash] | None = None
        self._wanted: HandedOn | None = None
        self._environment: Mapping[str, str] = unspeakable(os.environ)

    def prewarm(self, handed_on: HandedOn) -> None:
        """Have a spare with this soon; another one is given up."""
        if self._spare is not None and self._wanted == handed_on:
            return
        self.give_up()
        self._wanted = handed_on
        self._spare = asyncio.create_task(self._prepare(handed_on, IoMode.PTY), name="vibesbox-spare")
        self._spare.add_done_callback(_log_failure)

    async def take(self, handed_on: HandedOn, io: IoMode) -> WaitingBash:
        """A bash for a cell: the spare, if it fits, or else a new one.

        Raises:
            VibesboxError: None could be started.
        """
        if io is IoMode.PTY and self._spare is not None and self._wanted == handed_on:
            spare, self._spare = self._spare, None
            try:
                return await spare
            except VibesboxError:
                pass  # logged; what was in its way may be gone by now
        return await self._prepare(handed_on, io)

    async def discard(self, waiting: WaitingBash | BlankBash) -> None:
        """End a bash that has not got a cell."""
        await self._manager.discard_session(waiting.session_id)
        waiting.directory.remove()

    async def aclose(self) -> None:
        """Give up what waits."""
        for task in (self._spare, self._blank):
            if task is not None:
                await self._discard_when_there(task)
        self._spare = self._blank = None

    def give_up(self) -> None:
        """End the spare, if there is one."""
        spare, self._spare = self._spare, None
        if spare is not None:
            self._manager.engine.start(self._discard_when_there(spare), name="vibesbox-discard-spare")

    async def _discard_when_there(self, spare: asyncio.Task[WaitingBash] | asyncio.Task[BlankBash]) -> None:
        try:
            waiting = await spare
        except VibesboxError:
            return
        await self.discard(waiting)

    async def _prepare(self, handed_on: HandedOn, io: IoMode) -> WaitingBash:
        """A bash that has taken on a state, from the blank one if that will do."""
        generation, descriptors = handed_on.generation, handed_on.descriptors
        if io is IoMode.PTY and descriptors is None:
            blank = await self._take_blank()
        else:
            blank = await self._start(io, descriptors)
        try:
            blank.directory.write_state(generation.state, private=() if descriptors is None else descriptors.private)
            await self._manager.tell_session(blank.session_id, TAKE_ON)
        except BaseException:
            await self.discard(blank)
            raise
        return WaitingBash(blank.session_id, blank.pid, blank.directory, generation, descriptors, io)

    async def _take_blank(self) -> BlankBash:
        task = self._blank
        self._blank = asyncio.create_task(self._start_soon(), name="vibesbox-blank")
        self._blank.add_done_callback(_log_failure)
        if task is not None:
            try:
                return await task
            except VibesboxError:
                pass  # logged; what was in its way may be gone by now
        return await self._start(IoMode.PTY)

    async def _start_soon(self) -> BlankBash:
        await asyncio.sleep(NEXT_BLANK_SECONDS)
        return await self._start(IoMode.PTY)

    async def _start(self, io: IoMode, descriptors: OpenDescriptors | None = None) -> BlankBash:
        environment = {**self._environment, **await self._manager.displays.open()}
        directory = self._driver.new_directory()
        try:
            prepared = await self._manager.prepare_session(
                self._driver.cell_argv(directory),
                env=environment,
                cwd="/",
                io=io,
                descriptors=None if descriptors is None else descriptors.held,
            )
        except BaseException:
            directory.remove()
            raise
        return BlankBash(prepared.session_id, prepared.pid, directory, io)


def _log_failure(task: asyncio.Task[WaitingBash] | asyncio.Task[BlankBash]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("no spare shell could be started: %s", error)
