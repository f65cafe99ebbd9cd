"""An interrupt, and what follows when a session does not heed it. Each step is told, with whom it was for."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import SessionEndedError, SessionNotFoundError, SessionTimeoutError, SurvivorsError
from vibesbox_kernel.models import SessionStatus
from vibesbox_kernel.shell.process_names import interrupt_in_words, named

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

TERM_SECONDS = 1.0
LAST_WORD_SECONDS = 0.5
"""How long the end of a cell is held up for the word on its interrupt."""


class Interruption:
    """The interrupts of one session: SIGINT; then, asked again or after the grace, SIGTERM; a second later SIGKILL.

    SIGINT is for what the session waits for, and leaves its background jobs alone; the others are for its whole tree.
    A session that is still queued is taken from the queue.

    Args:
        manager: Sends the signals.
        session_id: The session.
        grace: Seconds that it has after the first interrupt.
        say: Tells the user a step, as one line of the cell's output.
    """

    def __init__(self, manager: SessionManager, session_id: str, *, grace: float, say: Callable[[str], None]) -> None:
        self._manager = manager
        self._session_id = session_id
        self._grace = grace
        self._say = say
        self._asked = asyncio.Event()
        self._again = asyncio.Event()
        self._over = asyncio.Event()
        self._escalation: asyncio.Task[None] | None = None
        self.requested = False
        self.escalated = False

    @property
    def sent(self) -> signal.Signals | None:
        """What was sent last, as far as a program can see it: SIGINT, or SIGTERM; None before."""
        if not self.requested:
            return None
        return signal.SIGTERM if self.escalated else signal.SIGINT

    async def request(self) -> None:
        """The user interrupts, perhaps not for the first time.

        Raises:
            SessionOwnedError: It is not ours to interrupt.
        """
        if self.requested:
            self._again.set()
            return
        self.requested = True
        try:
            await self._ask()
        finally:
            self._asked.set()

    async def end(self) -> None:
        """The session's shell has handed over or is gone: send nothing more, and finish what has been begun."""
        if self.requested:
            await _within(self._asked, LAST_WORD_SECONDS)
        self._over.set()
        if self._escalation is None:
            return
        if not self.escalated:
            self._escalation.cancel()
        await asyncio.wait([self._escalation])

    def call_off(self) -> None:
        """Nobody waits for the session any more: let it be, unless it is being ended already."""
        if not self.escalated:
            self._over.set()
            if self._escalation is not None:
                self._escalation.cancel()

    async def end_rest(self) -> None:
        """The session's shell heeded SIGTERM before something that it waited for: end that too."""
        with contextlib.suppress(SessionTimeoutError):
            await self._manager.wait(self._session_id, TERM_SECONDS)
        await self._kill()

    async def _ask(self) -> None:
        if self._manager.info(self._session_id).status is SessionStatus.QUEUED:
            await self._manager.terminate_session(self._session_id, force=True)  # nothing of it has run
            return
        self._escalation = self._manager.engine.start(self._escalate(), name="vibesbox-escalation")
        with contextlib.suppress(SessionEndedError, SessionNotFoundError):  # at this moment, as was asked for
            report = await self._manager.interrupt(self._session_id)
            self._say(interrupt_in_words(report, leader=self._leader))

    async def _escalate(self) -> None:
        asked_again = await _within(self._again, self._grace)
        if self._over.is_set():
            return
        self.escalated = True
        why = "interrupted again" if asked_again else f"still running {self._grace:g} s after the interrupt"
        with contextlib.suppress(SessionEndedError, SessionNotFoundError):
            self._say(f"{why}: SIGTERM to {await self._who()}")
            await self._manager.send_signal(self._session_id, signal.SIGTERM, whole_tree=True)
        if not await _within(self._over, TERM_SECONDS):
            await self._kill()

    async def _kill(self) -> None:
        if not self._manager.info(self._session_id).is_running:
            return
        try:
            self._say(f"still running {TERM_SECONDS:g} s after SIGTERM: SIGKILL to {await self._who()}")
            await self._manager.terminate_session(self._session_id, force=True)
        except (SessionEndedError, SessionNotFoundError):
            pass
        except SurvivorsError as error:
            self._say(str(error))
        else:
            self._say("nothing of the session is left")

    async def _who(self) -> str:
        return named(await self._manager.processes(self._session_id), leader=self._leader)

    @property
    def _leader(self) -> int | None:
        return self._manager.info(self._session_id).pid


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
