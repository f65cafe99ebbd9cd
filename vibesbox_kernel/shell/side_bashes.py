"""Keeps one side bash that knows the newest state."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import ShellStateError, VibesboxError
from vibesbox_kernel.shell.environment import unspeakable
from vibesbox_kernel.shell.generations import Generation
from vibesbox_kernel.shell.side_bash import Said, SideBash
from vibesbox_kernel.shell.state import ShellState

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.runner import CellRunner

logger = logging.getLogger(__name__)

QUIET_SECONDS = 0.3
"""So long no cell may have ended before the side bash is told of the new state ahead of the next question."""

UPDATE_SECONDS = 10.0
"""A state that takes longer to be taken on will not be."""


class SideBashes:
    """Answers questions by a side bash that knows the newest state. Everything of it runs on the manager's engine.

    Args:
        manager: Runs it.
        runner: Whose state it knows.
    """

    def __init__(self, manager: SessionManager, runner: CellRunner) -> None:
        self._manager = manager
        self._runner = runner
        self._side: SideBash | None = None
        self._known: Generation | None = None
        self._updating: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._asked = False
        self._closed = False

    async def state(self) -> ShellState:
        """The newest state, as soon as there is one.

        Raises:
            VibesboxError: There is no shell.
        """
        await self._runner.start()
        await self._runner.settled()
        return self._runner.generation.state

    async def ask(self, function: str, *arguments: str) -> Said:
        """What a side bash says. If the caller does not wait for the end, that is the end of this side bash.

        Raises:
            VibesboxError: It does not answer.
        """
        self._asked = True
        side = await self._up_to_date()
        try:
            return await side.ask(function, *arguments)
        finally:
            if not side.alive:
                self._drop(side)

    def refresh_soon(self) -> None:
        """The state may have changed: let the side bash know when there is a moment of quiet.

        Not before somebody has asked for the first time: where a notebook is only run, nobody ever does.
        """
        if self._timer is not None:
            self._timer.cancel()
        if self._asked and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._refresh)

    async def aclose(self) -> None:
        """End the side bash."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._updating is not None:
            self._updating.cancel()
        side, self._side = self._side, None
        if side is not None:
            await side.close()

    def _refresh(self) -> None:
        self._manager.engine.start(self._refresh_quietly(), name="vibesbox-side-bash")

    async def _refresh_quietly(self) -> None:
        try:
            await self._up_to_date()
        except VibesboxError as error:
            logger.debug("no side bash: %s", error)

    async def _up_to_date(self) -> SideBash:
        await self.state()
        while self._side is None or not self._side.alive or self._known is not self._runner.generation:
            if self._updating is None or self._updating.done():
                self._updating = asyncio.create_task(self._update(), name="vibesbox-update-side-bash")
                self._updating.add_done_callback(_retrieve)
            # A caller that gives up does not undo what the next one would have to begin again.
            await asyncio.shield(self._updating)
        return self._side

    async def _update(self) -> None:
        try:
            async with asyncio.timeout(UPDATE_SECONDS):
                await self._tell_or_replace(self._runner.generation)
        except TimeoutError as error:
            raise ShellStateError(f"the side bash does not take on the state within {UPDATE_SECONDS:g} s") from error

    async def _tell_or_replace(self, newest: Generation) -> None:
        side, known = self._side, self._known
        changes = None
        if side is not None and side.alive and known is not None:
            changes = changes_between(known.state, newest.state)
        if side is None or changes is None:
            await self._replace(newest)
            return
        if changes:
            await side.take_on(changes)
        self._known = newest

    async def _replace(self, newest: Generation) -> None:
        if self._closed:
            raise ShellStateError("the side bash was given up")
        if self._side is not None:
            self._drop(self._side)
        bash = shutil.which("bash") or "/bin/bash"
        self._side = await SideBash.start(self._manager, newest.state, bash=bash, env=unspeakable(os.environ))
        self._known = newest

    def _drop(self, side: SideBash) -> None:
        """Give one up; the next question, or the next moment of quiet, starts another."""
        if self._side is side:
            self._side = self._known = None
            self.refresh_soon()
        self._manager.engine.start(side.close(), name="vibesbox-end-side-bash")


def _retrieve(task: asyncio.Task[None]) -> None:
    """Whoever waits for it gets what it raises; if nobody does any more, it matters to nobody."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.debug("the side bash could not be brought up to date: %s", error)


def changes_between(old: ShellState, new: ShellState) -> bytes | None:
    """The text by which a bash that knows one state comes to know another; None if it must be another bash.

    A variable is quickly said, and most cells change no more. A function that is gone, an alias, an option: seldom.
    """
    if _without_variables(old) != _without_variables(new):
        return None
    gone = [name for name, text in old.variables.items() if new.variables.get(name) != text]
    come = [text for name, text in new.variables.items() if old.variables.get(name) != text]
    return b"\n".join([*(b"builtin unset -v " + name for name in gone), *come])


def _without_variables(state: ShellState) -> tuple[object, ...]:
    return state.functions, state.aliases, state.completions, state.disabled, state.shopts, state.options
