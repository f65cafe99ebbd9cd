"""When what is shown of sessions is worth showing anew."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from vibesbox_kernel.models import EventKind, SessionEvent

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

MAX_SECONDS = 1.0
"""At least this often: elapsed times and figures change by themselves."""
MIN_SECONDS = 0.25
"""And at most this often, however much happens."""


class Changes:
    """What happens to sessions, at a pace that an eye can follow. To be used on the manager's engine.

    Args:
        manager: Whose sessions are shown.
        session_id: The only one that is; None for all.
    """

    def __init__(self, manager: SessionManager, session_id: str | None = None) -> None:
        self._session_id = session_id
        self._events = manager.events()
        self._shown_at: float | None = None

    async def wait(self) -> None:
        """Until there may be something new to show: at once the first time.

        Output alone can wait until a second has passed.
        """
        if self._shown_at is not None:
            with contextlib.suppress(TimeoutError, StopAsyncIteration):
                async with asyncio.timeout(self._left(MAX_SECONDS)):
                    while not self._matters(await anext(self._events)):
                        pass
            await asyncio.sleep(self._left(MIN_SECONDS))
        self._shown_at = time.monotonic()

    async def aclose(self) -> None:
        """Listen no more."""
        await self._events.aclose()

    def _matters(self, event: SessionEvent) -> bool:
        return event.kind is not EventKind.OUTPUT and self._session_id in (None, event.session_id)

    def _left(self, seconds: float) -> float:
        return max(0.0, (self._shown_at or 0.0) + seconds - time.monotonic())
