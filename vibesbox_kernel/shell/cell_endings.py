"""A cell's way from its last command on: its outcome is told, what it leaves to the next is taken, it is closed.

The outcome of a brief cell is told before its state is there. Who needs the state waits (``settled``).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.errors import SessionNotFoundError, SessionTimeoutError
from vibesbox_kernel.models import EndReason
from vibesbox_kernel.shell.foreground import Foreground
from vibesbox_kernel.shell.handing_over import CellEnd, wait_for_end
from vibesbox_kernel.shell.notes import say, say_how_it_ended
from vibesbox_kernel.shell.outcome import CellOutcome, outcome_not_started, outcome_of
from vibesbox_kernel.shell.running import Running, while_ours
from vibesbox_kernel.shell.succession import LATER_SECONDS, Succession
from vibesbox_kernel.shell.turn import why_never

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

BRIEF_SECONDS = 0.1
"""A cell that took longer is told of when all that is known of it, some milliseconds later."""

REAPED_SECONDS = 0.1


class CellEndings:
    """Sees cells to their ends. Everything of it runs on the manager's engine.

    Args:
        manager: Whose sessions they are.
        succession: Takes what they leave to the next.
        foreground: Has those that somebody waits for.
        notices: What is to be told with the next outcome.

    Attributes:
        succession: Where the newest state is, and the bash of the next cell.
    """

    def __init__(
        self, manager: SessionManager, succession: Succession, foreground: Foreground, notices: list[str]
    ) -> None:
        self._manager = manager
        self.succession = succession
        self._foreground = foreground
        self._notices = notices
        self._handing_over: dict[asyncio.Task[Any], Running] = {}
        self._hurry = asyncio.Event()

    async def see_to_its_end(self, running: Running) -> None:
        """Tell a cell's outcome and take what it leaves, until nothing of it is left to be done."""
        try:
            if not await running.turn.wait():
                running.tell(self._not_started(running))
                return
            if running.foreground:
                await self._tell_ahead(running)
            running.tell(await self._whole_end(running))
        except BaseException as error:
            if not running.fail(error):
                raise
        finally:
            await running.interruption.end()
            running.view.attend_no_more()
            self._foreground.discard(running)
            if running.goes_on:
                closing = while_ours(running.session, say_how_it_ended(self._manager, running))
                self._manager.engine.start(closing, name="vibesbox-closing")
            if not running.outlives_us:
                asyncio.get_running_loop().call_later(LATER_SECONDS, running.waiting.directory.remove)

    async def _tell_ahead(self, running: Running) -> None:
        """Tell the outcome of a cell that was brief and calm as soon as it is announced, before its state is there."""
        handover = await self._manager.wait_handover(running.waiting.session_id, announced=True)
        took = time.monotonic() - running.turn.came_at
        if (
            not (handover.announced or handover.settled)
            or took > BRIEF_SECONDS
            or running.interruption.requested
            or not running.foreground
        ):
            return
        await self._flush(running)
        end = CellEnd(handover.exit_status, None, handover.others, None if handover.others else EndReason.EXITED)
        running.tell(outcome_of(running, end, took=took, notices=self.take_notices(running)))
        self._foreground.discard(running)
        task = asyncio.current_task()
        assert task is not None
        self._handing_over[task] = running
        task.add_done_callback(self._handing_over.pop)
        await self._let_the_outcome_out()

    async def _whole_end(self, running: Running) -> CellOutcome:
        end = await wait_for_end(
            self._manager,
            running.waiting,
            sent=lambda: running.interruption.sent,
            hands_on=lambda: running.foreground and running.script.replacement is None,
        )
        took = time.monotonic() - running.turn.came_at
        await running.interruption.end()
        if running.interruption.escalated and end.others:
            await running.interruption.end_rest()
        await self._flush(running)
        if not end.others and took > BRIEF_SECONDS:
            # What it has used is known when it is reaped, milliseconds later: no brief cell is held up for that.
            with contextlib.suppress(SessionNotFoundError, SessionTimeoutError):
                await self._manager.wait(running.waiting.session_id, REAPED_SECONDS)
        notices: tuple[str, ...] = ()
        if running.foreground:
            notices = (*self.take_notices(running), *self.succession.commit(running, end))
            if running.outcome.done():
                self.succession.prewarm()
            else:
                self.succession.prewarm_soon()
        return outcome_of(running, end, took=took, notices=notices)

    def _not_started(self, running: Running) -> CellOutcome:
        """A cell has left its queue: the shell is as if it had never been."""
        why = why_never(self._manager, running.waiting.session_id)
        notices: tuple[str, ...] = ()
        if running.foreground:
            notices = self.take_notices(running)
            self.succession.prewarm_soon()
        else:
            say(running.view.sink, f"not started: {why}")
        return outcome_not_started(running, why=why, notices=notices)

    async def _let_the_outcome_out(self) -> None:
        """Leave the interpreter to whoever brings the outcome to the user, unless the state is waited for."""
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LATER_SECONDS):
                await self._hurry.wait()

    async def settled(self) -> None:
        """Wait until every cell whose outcome was told has handed over."""
        if self._handing_over:
            self._hurry.set()
            await asyncio.wait(list(self._handing_over))

    async def _flush(self, running: Running) -> None:
        cursor = self._manager.exited_cursor(running.waiting.session_id)
        if cursor is not None:
            await running.view.pump.flush_to(cursor)
        running.view.attend_no_more()

    def take_notices(self, running: Running) -> tuple[str, ...]:
        """What is to be told with a cell's outcome, once."""
        if running.outcome.done():
            return ()
        notices = (*self._notices, *running.script.notices)
        self._notices.clear()
        return notices

    async def interrupt(self) -> None:
        """Interrupt what a cell that is to begin waits for: those that do not hand over."""
        for running in list(self._handing_over.values()):
            await running.interruption.request()
