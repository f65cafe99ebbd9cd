"""One background thread with its own event loop, where links, pumps and widgets live.

User code may block the main thread for hours; what runs here goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from vibesbox_kernel.errors import BrokerError

logger = logging.getLogger(__name__)

T = TypeVar("T")
_CLOSE_SECONDS = 5.0


class Engine:
    """A daemon thread that runs an asyncio loop until ``close``."""

    def __init__(self, name: str = "vibesbox") -> None:
        self.loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        # By a weak reference, so that an engine that nobody uses any more can be collected.
        reference = weakref.ref(self)
        atexit.register(_close_if_alive, reference)

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on this engine's thread."""
        return threading.current_thread() is self._thread

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine on the engine's loop, from whatever loop the caller is on."""
        if self.is_current:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._alive_loop(work)))

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The same for a caller without a loop: block until it is done.

        An interrupt of the caller (KeyboardInterrupt) cancels the work.
        """
        if self.is_current:
            work.close()
            raise RuntimeError("a blocking call from the engine's own thread would never return")
        future = asyncio.run_coroutine_threadsafe(work, self._alive_loop(work))
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def post(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function soon on the engine's thread; nothing happens once it is closed."""
        try:
            self.loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            logger.debug("the engine is closed; %r is not called", function)

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start a task from the engine's own thread; what it raises is logged."""
        task = self.loop.create_task(work, name=name)
        task.add_done_callback(_log_failure)
        return task

    def close(self) -> None:
        """Cancel what runs and end the thread. Idempotent."""
        if self.loop.is_closed() or self._pid != os.getpid():
            return
        self.loop.call_soon_threadsafe(self.loop.stop)
        if not self.is_current:
            self._thread.join(_CLOSE_SECONDS)

    def _alive_loop(self, work: Coroutine[Any, Any, Any]) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            work.close()
            raise BrokerError("sessions do not follow into a forked child; make a new SessionManager there")
        if self.loop.is_closed():
            work.close()
            raise BrokerError("this engine is closed")
        return self.loop

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self._cancel_all()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()

    def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _close_if_alive(reference: weakref.ref[Engine]) -> None:
    engine = reference()
    if engine is not None:
        engine.close()


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("task %s failed", task.get_name(), exc_info=error)
