"""A subscriber's view of events: an async iterator that stays small."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from vibesbox_kernel.models import EventKind, SessionEvent

if TYPE_CHECKING:
    from vibesbox_kernel.sessions.engine import Engine

MAX_PENDING_EVENTS = 10_000


class Subscription:
    """Iterate it from any one event loop; it ends with ``aclose`` or when its manager closes.

    Output events of one session that nobody has taken yet are merged into the newest. A subscriber
    that does not read for very long loses its oldest events, never the newest.
    """

    def __init__(self, on_close: Callable[[Subscription], None]) -> None:
        self._on_close = on_close
        self._lock = threading.Lock()
        self._pending: deque[SessionEvent] = deque(maxlen=MAX_PENDING_EVENTS)
        self._closed = False
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    def publish(self, event: SessionEvent) -> None:
        """Hand over an event; called on the engine's thread."""
        with self._lock:
            newest = self._pending[-1] if self._pending else None
            if (
                newest is not None
                and newest.kind is event.kind is EventKind.OUTPUT
                and newest.session_id == event.session_id
            ):
                self._pending[-1] = event
            else:
                self._pending.append(event)
            self._wake()

    def close(self) -> None:
        """End the iteration after what is pending."""
        with self._lock:
            self._closed = True
            self._wake()

    async def aclose(self) -> None:
        """Unsubscribe."""
        self.close()
        self._on_close(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionEvent:
        while True:
            with self._lock:
                if self._pending:
                    return self._pending.popleft()
                if self._closed:
                    raise StopAsyncIteration
                loop = asyncio.get_running_loop()
                future: asyncio.Future[None] = loop.create_future()
                self._waiting = (loop, future)
            await future

    def blocking(self, engine: Engine) -> Iterator[SessionEvent]:
        """The same for a caller without a loop, who blocks between events."""
        while True:
            try:
                yield engine.call(self._next())
            except StopAsyncIteration:
                return

    async def _next(self) -> SessionEvent:
        return await self.__anext__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _wake(self) -> None:
        if self._waiting is None:
            return
        loop, future = self._waiting
        self._waiting = None
        try:
            loop.call_soon_threadsafe(_resolve, future)
        except RuntimeError:
            self._closed = True  # the subscriber's loop is gone


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
