"""An interrupt, and what follows when a cell does not heed it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import SessionEndedError, SessionNotFoundError, SessionTimeoutError, SurvivorsError
from vibesbox_kernel.models import SessionStatus

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

TERM_SECONDS = 1.0


class Interruption:
    """The interrupts of one cell: SIGINT; then, asked again or after the grace, SIGTERM; a second later SIGKILL.

    A cell that is still queued is taken from the queue.

    Args:
        manager: Sends the signals.
        session_id: The cell's session.
        grace: Seconds that the cell has after the first interrupt.
        say: Tells the user a step, as one line of the cell's output.
    """

    def __init__(self, manager: SessionManager, session_id: str, *, grace: float, say: Callable[[str], None]) -> None:
        self._manager = manager
        self._session_id = session_id
        self._grace = grace
        self._say = say
        self._again = asyncio.Event()
        self._over = asyncio.Event()
        self._escalation: asyncio.Task[None] | None = None
        self.requested = False
        self.escalated = False

    async def request(self) -> None:
        """The user interrupts, perhaps not for the first time."""
        if self.requested:
            self._again.set()
            return
        self.requested = True
        if self._manager.info(self._session_id).status is SessionStatus.QUEUED:
            await self._manager.terminate_session(self._session_id, force=True)  # nothing of the cell has run
            return
        await self._send(signal.SIGINT)
        self._escalation = self._manager.engine.start(self._escalate(), name="vibesbox-escalation")

    async def end(self) -> None:
        """The cell's shell has handed over or is gone: send nothing more, and finish what has been begun."""
        self._over.set()
        if self._escalation is None:
            return
        if not self.escalated:
            self._escalation.cancel()
        await asyncio.wait([self._escalation])

    async def end_rest(self) -> None:
        """The cell's shell heeded SIGTERM before something that it waited for: end that too."""
        with contextlib.suppress(SessionTimeoutError):
            await self._manager.wait(self._session_id, TERM_SECONDS)
        await self._kill()

    async def _kill(self) -> None:
        info = self._manager.info(self._session_id)
        if not info.is_running:
            return
        left = f": {', '.join(map(str, info.leftovers))}" if info.leftovers else ""
        self._say(f"still running after SIGTERM: SIGKILL to the whole tree of pid {info.pid}{left}")
        try:
            await self._manager.terminate_session(self._session_id, force=True)
        except SurvivorsError as error:
            self._say(str(error))
        else:
            self._say(f"pid {info.pid} and every process that it had started are gone")

    async def _escalate(self) -> None:
        asked_again = await _within(self._again, self._grace)
        if self._over.is_set():
            return
        self.escalated = True
        why = "interrupted again" if asked_again else f"still running {self._grace:g} s after the interrupt"
        pid = self._manager.info(self._session_id).pid
        self._say(f"{why}: SIGTERM to the process group of pid {pid}")
        await self._send(signal.SIGTERM)
        if not await _within(self._over, TERM_SECONDS):
            await self._kill()

    async def _send(self, number: signal.Signals) -> None:
        try:
            if number is signal.SIGINT:
                await self._manager.interrupt(self._session_id)
            else:
                await self._manager.send_signal(self._session_id, number)
        except (SessionEndedError, SessionNotFoundError):
            pass  # it ended at this moment, which is what was asked for


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
