"""How fast a front-end may be sent messages: a short burst, then a steady pace, and never too many bytes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

BURST_MESSAGES = 5
MESSAGE_INTERVAL = 0.2
SECONDS_PER_LINE = 100e-6
BYTES_PER_SECOND = 100_000
BURST_BYTES = 100_000
MAX_MESSAGE_BYTES = 100_000
"""Together at most 300 kB in any second: the burst, the second's own bytes, and one message begun on credit."""


class Clock(Protocol):
    """Time, as the pacing sees it; a test brings its own."""

    def now(self) -> float:
        """Seconds since some fixed moment."""

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Return when the event is set, or after so many seconds."""


class LoopClock:
    """The running event loop's clock."""

    def now(self) -> float:
        """Seconds of the event loop."""
        return asyncio.get_running_loop().time()

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Return when the event is set, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


class Pacer:
    """A budget of messages and bytes that refills with time.

    A message costs one token; there are five at first, and one more comes every 0.2 s (slower when the output is long:
    a front-end lays it out anew for each message). Who must not wait takes tokens that are not there yet and leaves a
    debt, so that on average the pace holds.

    Args:
        clock: Time.
        bytes_per_second: How fast the budget of bytes refills.
        burst_bytes: What it holds at most, and at first.
    """

    def __init__(
        self, clock: Clock, *, bytes_per_second: int = BYTES_PER_SECOND, burst_bytes: int = BURST_BYTES
    ) -> None:
        self._clock = clock
        self._bytes_per_second = bytes_per_second
        self._burst_bytes = burst_bytes
        self._messages = float(BURST_MESSAGES)
        self._bytes = float(burst_bytes)
        self._interval = MESSAGE_INTERVAL
        self._at: float | None = None

    def delay(self, *, reserve: int = 0) -> float:
        """Seconds until a message may be sent that leaves so many tokens for later."""
        self._refill()
        for_message = (1 + min(reserve, BURST_MESSAGES - 1) - self._messages) * self._interval
        for_bytes = -self._bytes / self._bytes_per_second
        return max(0.0, for_message, for_bytes)

    def spend(self, size_bytes: int, *, lines: int) -> None:
        """Count a message.

        Args:
            size_bytes: How large it was.
            lines: How many lines the output has with it.
        """
        self._refill()
        self._messages -= 1
        self._bytes -= size_bytes
        self._interval = max(MESSAGE_INTERVAL, lines * SECONDS_PER_LINE)

    def _refill(self) -> None:
        now = self._clock.now()
        passed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._messages = min(float(BURST_MESSAGES), self._messages + passed / self._interval)
        self._bytes = min(float(self._burst_bytes), self._bytes + passed * self._bytes_per_second)
