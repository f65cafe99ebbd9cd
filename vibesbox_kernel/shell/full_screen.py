"""What a cell says of a program that draws on the whole screen, and when that is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import BrokerError, SessionEndedError, SessionNotFoundError
from vibesbox_kernel.models import ProcessInfo
from vibesbox_kernel.shell.process_names import named

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.pacing import Clock

LOOK_SECONDS = 0.5
STAY_SECONDS = 0.25
"""Who is gone by then has helped a shell that draws by itself (``tput``, ``seq``): its end is not the screen's."""


class FullScreen:
    """One session's program that draws, found when it begins.

    Args:
        manager: Whose session it is.
        session_id: The session.
        clock: Time.
    """

    def __init__(self, manager: SessionManager, session_id: str, clock: Clock) -> None:
        self._clock = clock
        self._manager = manager
        self._session_id = session_id
        self._program: ProcessInfo | None = None
        self._looked_at = 0.0

    async def began(self) -> str:
        """Find the program that has begun to draw; returns what the user should be told.

        Takes ``STAY_SECONDS``, in which it must stay.
        """
        candidates = await self._processes(awaited=True)
        await self._clock.wait(asyncio.Event(), STAY_SECONDS)
        stayed = [one for one in await self._processes(awaited=True) if one in candidates[-1:]]
        self._program = stayed[-1] if stayed else None
        info = self._manager.info(self._session_id)
        who = named([self._program], leader=info.pid) if self._program else "a program"
        ref = info.name or info.pid
        return (
            f"{who} draws on the whole screen, which a cell does not show; in a notebook a button, or %fg -w {ref}, "
            f"opens a terminal for it; %send {ref} TEXT types into it, and %kill {ref} or a second interrupt "
            "ends it in any case"
        )

    async def is_over(self, *, now: bool) -> bool:
        """Whether the program that has begun to draw is known to be gone.

        Args:
            now: Look in any case; otherwise not again and again, since a program may draw sixty times a second.
        """
        if not now and self._clock.now() < self._looked_at + LOOK_SECONDS:
            return False
        self._looked_at = self._clock.now()
        return self._program is not None and self._program not in await self._processes()

    async def _processes(self, *, awaited: bool = False) -> tuple[ProcessInfo, ...]:
        try:
            return await self._manager.processes(self._session_id, awaited=awaited)
        except (BrokerError, SessionEndedError, SessionNotFoundError):
            return ()
