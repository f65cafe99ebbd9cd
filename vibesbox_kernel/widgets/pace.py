"""When a view is drawn again: soon after a change, never too often, and once a second for usage."""

from __future__ import annotations

import asyncio
import time

GAP_SECONDS = 0.1
TICK_SECONDS = 1.0


class Pace:
    """Says when to draw: at once after a change, at most ten times a second, and on each tick.

    Belongs to one event loop; nothing of it may be called from elsewhere.
    """

    def __init__(self, *, gap: float = GAP_SECONDS, tick: float = TICK_SECONDS) -> None:
        self._gap = gap
        self._tick = tick
        self._changed = asyncio.Event()
        self._begun_or_over = False
        self._last_draw = -gap
        self._last_tick = 0.0

    def mark(self, *, begun_or_over: bool = False) -> None:
        """Note that something changed."""
        self._begun_or_over |= begun_or_over
        self._changed.set()

    def take_begun_or_over(self) -> bool:
        """Whether a session began or ended since the last call."""
        taken, self._begun_or_over = self._begun_or_over, False
        return taken

    async def wait(self, *, ticking: bool) -> bool:
        """Wait until it is time to draw; True when a tick is due.

        Args:
            ticking: Whether there are ticks at all; without them only a change ends the wait.
        """
        until_gap_ends = self._last_draw + self._gap - time.monotonic()
        if until_gap_ends > 0:
            await asyncio.sleep(until_gap_ends)
        until_tick = self._last_tick + self._tick - time.monotonic() if ticking else None
        if until_tick is None or until_tick > 0:
            await self._wait_changed(until_tick)
        self._changed.clear()
        now = self._last_draw = time.monotonic()
        if not ticking or now < self._last_tick + self._tick:
            return False
        self._last_tick = now
        return True

    async def _wait_changed(self, at_most: float | None) -> None:
        try:
            async with asyncio.timeout(at_most):
                await self._changed.wait()
        except TimeoutError:
            return
