"""What somebody waits for: it can be interrupted, and sent to the background."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from vibesbox_kernel.errors import NotInForegroundError, SessionOwnedError
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.references import label

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.escalation import Interruption


LEAVING_SECONDS = 0.3
"""So soon after its interrupt a shutdown or restart is asked for, if it is one (jupyter_client)."""


class Awaited(Protocol):
    """A session that a cell waits for."""

    @property
    def session_id(self) -> str:
        """The session."""

    @property
    def interruption(self) -> Interruption:
        """Its interrupts."""

    def let_go(self) -> None:
        """Do not wait for it any more; it goes on."""


class Foreground:
    """All that somebody waits for, the newest last. Everything of it runs on the manager's engine."""

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._awaited: list[Awaited] = []
        self._beginning = 0
        self._interrupt_early = False
        self._begun = asyncio.Event()
        self._begun.set()
        self._leaving = asyncio.Event()

    @property
    def is_beginning(self) -> bool:
        """Whether something will soon be waited for."""
        return self._beginning > 0

    @property
    def session_ids(self) -> frozenset[str]:
        """All that is waited for."""
        return frozenset(one.session_id for one in self._awaited)

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Something begins: an interrupt meanwhile is for it."""
        if not self._beginning:
            self._interrupt_early = False
        self._beginning += 1
        self._begun.clear()
        try:
            yield
        finally:
            self._beginning -= 1
            if not self._beginning:
                self._begun.set()

    async def begun(self) -> None:
        """Wait until all that is beginning has begun, or has failed to."""
        await self._begun.wait()

    async def add(self, awaited: Awaited) -> None:
        """Somebody waits for it from now on; it gets the interrupt that came before it was there."""
        self._awaited.append(awaited)
        if self._interrupt_early:
            await self._interrupt(awaited)

    def discard(self, awaited: Awaited) -> None:
        """Nobody waits for it any more. Idempotent."""
        if awaited in self._awaited:
            self._awaited.remove(awaited)

    async def interrupt(self) -> None:
        """Interrupt all of it, and what is beginning."""
        self._interrupt_early = self._beginning > 0
        await asyncio.gather(*map(self._interrupt, self._awaited))

    def leave(self) -> None:
        """This program ends: an interrupt is for nothing that is to outlive it."""
        self._leaving.set()

    async def _interrupt(self, awaited: Awaited) -> None:
        """Interrupt, but for what is durable not as the first part of a shutdown: that begins with an interrupt."""
        if self._manager.info(awaited.session_id).durable:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVING_SECONDS):
                    await self._leaving.wait()
                return
        await _interrupt(awaited)

    async def interrupt_one(self, ref: int | str | None = None) -> SessionInfo:
        """Interrupt one session, whether somebody waits for it or not.

        Raises:
            NotInForegroundError: Nothing was named, and it is not plain what is meant.
            SessionNotFoundError: There is no such session.
            SessionEndedError: It is over.
        """
        try:
            awaited = self._find(ref)
        except NotInForegroundError:
            if ref is None:
                raise
            await self._manager.interrupt(ref)
            return self._manager.info(ref)
        await _interrupt(awaited)
        return self._manager.info(awaited.session_id)

    def let_go(self, ref: int | str | None = None) -> SessionInfo:
        """Send something to the background: nobody waits for it any more, and it goes on.

        Args:
            ref: What to call it; not needed when it is the only one.

        Raises:
            NotInForegroundError: Nobody waits for it, or nothing was named and several are waited for, or none.
            SessionNotFoundError: There is no such session.
        """
        awaited = self._find(ref)
        self.discard(awaited)
        awaited.interruption.call_off()
        awaited.let_go()
        return self._manager.info(awaited.session_id)

    def _find(self, ref: int | str | None) -> Awaited:
        wanted = None if ref is None else self._manager.info(ref).session_id
        fitting = [one for one in self._awaited if wanted is None or one.session_id == wanted]
        if not fitting or (wanted is None and len({one.session_id for one in fitting}) > 1):
            known = [label(self._manager.info(one.session_id)) for one in self._awaited]
            raise NotInForegroundError(ref, known)
        return fitting[-1]


async def _interrupt(awaited: Awaited) -> None:
    try:
        await awaited.interruption.request()
    except SessionOwnedError:
        awaited.let_go()  # another program's: all that can be ended is the wait
