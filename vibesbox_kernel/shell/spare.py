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

from vibesbox_kernel.errors import SessionEndedError, VibesboxError
from vibesbox_kernel.models import IoMode
from vibesbox_kernel.shell.cell_files import TAKE_ON, CellDirectory, Driver, laying_out
from vibesbox_kernel.shell.descriptors import OpenDescriptors
from vibesbox_kernel.shell.environment import unspeakable
from vibesbox_kernel.shell.generations import Generation

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.settings import Settings

logger = logging.getLogger(__name__)

NEXT_BLANK_SECONDS = 0.003
"""A blank bash is started when the cell that was just begun has had a little time for itself."""

BLANKS_WITH_LIBRARY = 3
"""So many are kept ready where each has much to read before it is."""


@dataclass(frozen=True)
class Streams:
    """What a bash reads and writes; its size is a terminal's."""

    io: IoMode
    rows: int
    columns: int


@dataclass(frozen=True)
class BlankBash:
    """A bash that runs and has not taken on any state."""

    session_id: str
    pid: int
    directory: CellDirectory
    streams: Streams


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
    """Keeps one waiting bash of the newest generation, and blank ones. Runs on the manager's engine.

    Args:
        manager: Runs the bashes, as prepared sessions.
        driver: The bash texts.
        settings: What streams cells usually have.
    """

    def __init__(self, manager: SessionManager, driver: Driver, settings: Settings) -> None:
        self._manager = manager
        self._driver = driver
        self._settings = settings
        self._blanks: list[asyncio.Task[BlankBash]] = []
        self._spare: asyncio.Task[WaitingBash] | None = None
        self._wanted: tuple[HandedOn, Streams] | None = None
        self._environment: Mapping[str, str] = unspeakable(os.environ)

    def prewarm(self, handed_on: HandedOn) -> None:
        """Have a spare with this soon; another one is given up."""
        wanted = handed_on, self._streams()
        if self._spare is not None and self._wanted == wanted:
            return
        self.give_up()
        self._wanted = wanted
        self._spare = asyncio.create_task(self._prepare(*wanted), name="vibesbox-spare")
        self._spare.add_done_callback(_log_failure)

    async def take(self, handed_on: HandedOn, io: IoMode | None) -> WaitingBash:
        """A bash for a cell: the spare, if it fits, or else a new one.

        Args:
            handed_on: What it takes on.
            io: Its streams; None for the usual ones.

        Raises:
            VibesboxError: None could be started.
        """
        wanted = handed_on, self._streams(io)
        if self._spare is not None and self._wanted == wanted:
            spare, self._spare = self._spare, None
            try:
                return await spare
            except VibesboxError:
                pass  # logged; what was in its way may be gone by now
        return await self._prepare(*wanted)

    async def discard(self, waiting: WaitingBash | BlankBash) -> None:
        """End a bash that has not got a cell."""
        await self._manager.discard_session(waiting.session_id)
        waiting.directory.remove()

    async def aclose(self) -> None:
        """Give up what waits."""
        while self._spare is not None or self._blanks:  # a spare that is still coming to be has a blank one started
            spare, self._spare = self._spare, None
            blanks, self._blanks = self._blanks, []
            if spare is not None:
                await self._discard_when_there(spare)
            for blank in blanks:
                await self._discard_when_there(blank)

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

    def _streams(self, io: IoMode | None = None) -> Streams:
        now = self._settings.now
        return Streams(io or IoMode(now.io), now.rows, now.columns)

    async def _prepare(self, handed_on: HandedOn, streams: Streams) -> WaitingBash:
        """A bash that has taken on a state, from the blank one if that will do."""
        generation, descriptors = handed_on.generation, handed_on.descriptors
        self._driver.libraries.fit(generation.state)
        if streams == self._streams() and descriptors is None:
            for task in tuple(self._blanks):
                blank = await self._take_blank(task, streams)
                if blank is None:
                    continue
                try:
                    return await self._take_on(blank, generation)
                except SessionEndedError as error:
                    logger.info("a shell is gone that waited: %s", error)  # it was killed, or its broker was
            self._stock_up(streams)
        blank, descriptors = await self._start_with(descriptors, streams)
        return await self._take_on(blank, generation, descriptors)

    async def _take_on(
        self, blank: BlankBash, generation: Generation, descriptors: OpenDescriptors | None = None
    ) -> WaitingBash:
        try:
            with laying_out(blank.pid):
                blank.directory.write_state(
                    generation.state, private=() if descriptors is None else descriptors.private
                )
            await self._manager.tell_session(blank.session_id, TAKE_ON)
        except BaseException:
            await self.discard(blank)
            raise
        return WaitingBash(blank.session_id, blank.pid, blank.directory, generation, descriptors, blank.streams.io)

    async def _start_with(
        self, descriptors: OpenDescriptors | None, streams: Streams
    ) -> tuple[BlankBash, OpenDescriptors | None]:
        """A bash with what is open, or without it if it is held no more; returns what it has."""
        try:
            return await self._start(streams, descriptors), descriptors
        except SessionEndedError as error:
            logger.warning("what a cell has left open is lost: %s", error)  # with the broker that held it
            return await self._start(streams), None

    async def _take_blank(self, task: asyncio.Task[BlankBash], streams: Streams) -> BlankBash | None:
        """A blank bash that was started before, if it is of the right kind; there will be another soon."""
        if task not in self._blanks:
            return None  # meanwhile another cell's
        self._blanks.remove(task)
        self._stock_up(streams)
        try:
            blank = await task
        except VibesboxError:
            return None  # logged; what was in its way may be gone by now
        if blank.streams == streams and blank.directory.library is self._driver.libraries.current:
            return blank
        await self.discard(blank)
        return None

    def _stock_up(self, streams: Streams) -> None:
        wanted = 1 if self._driver.libraries.current is None else BLANKS_WITH_LIBRARY
        for place in range(len(self._blanks), wanted):
            task = asyncio.create_task(self._start_soon(streams, place), name="vibesbox-blank")
            task.add_done_callback(_log_failure)
            self._blanks.append(task)

    async def _start_soon(self, streams: Streams, place: int) -> BlankBash:
        await asyncio.sleep(NEXT_BLANK_SECONDS * (1 + place))
        return await self._start(streams)

    async def _start(self, streams: Streams, descriptors: OpenDescriptors | None = None) -> BlankBash:
        environment = {**self._environment, **await self._manager.displays.open()}
        with laying_out():
            directory = self._driver.new_directory()
        try:
            prepared = await self._manager.prepare_session(
                self._driver.cell_argv(directory),
                env=environment,
                cwd="/",
                io=streams.io,
                rows=streams.rows,
                columns=streams.columns,
                descriptors=None if descriptors is None else descriptors.held,
            )
        except BaseException:
            directory.remove()
            raise
        return BlankBash(prepared.session_id, prepared.pid, directory, streams)


def _log_failure(task: asyncio.Task[WaitingBash] | asyncio.Task[BlankBash]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("no spare shell could be started: %s", error)
