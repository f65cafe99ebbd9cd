"""The event loop where links, pumps and widgets live: of a background thread, or one that its thread keeps free.

User code may block the main thread for hours; what runs here goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import logging
import os
import signal
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from vibesbox_kernel.errors import BrokerError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Promise = asyncio.Future[None] | Future[None]
_CLOSE_SECONDS = 5.0
_LAST_SECONDS = 2.0
_LOOK_SECONDS = 0.5
"""Who blocks looks up so often: somebody's thread may have taken a signal, for which the main thread does not wake."""

_FAULTS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP})


class Engine:
    """A daemon thread that runs an asyncio loop until ``close``, or until nobody holds the engine.

    Args:
        name: The thread's.
        loop: A loop that the calling thread runs, or will run, and where nothing ever blocks: no thread is needed then.
            Whoever runs it ends it.
    """

    def __init__(self, name: str = "vibesbox", *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop or asyncio.new_event_loop()
        self._has_thread = loop is None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._closing = False
        self._outstanding: set[Future[Any]] = set()
        self._before_close: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._thread = threading.current_thread() if loop is not None else self._start_thread(name)
        self._at_exit = functools.partial(_call_if_alive, weakref.WeakMethod(self.close))
        atexit.register(self._at_exit)

    def _start_thread(self, name: str) -> threading.Thread:
        # The thread holds the loop only, so that an engine that nobody uses can be collected.
        thread = threading.Thread(target=_run_loop, args=(self.loop,), name=name, daemon=True)
        thread.start()
        finalizer = weakref.finalize(self, _stop_loop, self.loop)
        finalizer.atexit = False  # at exit there is more to do
        return thread

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on this engine's thread."""
        return threading.current_thread() is self._thread

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine on the engine's loop, from whatever loop the caller is on.

        Raises:
            BrokerError: The engine is closed, or was closed meanwhile.
        """
        if self.is_current:
            return await work
        return await self._result(self._submit(work))

    def promise(self) -> Promise:
        """A future that is to be resolved on the engine's thread, and that ``kept`` awaits.

        Raises:
            BrokerError: The engine is closed.
        """
        if self.is_current:
            return self.loop.create_future()
        with self._lock:
            self._check_open()
            future: Future[None] = Future()
            self._outstanding.add(future)
        future.add_done_callback(self._outstanding.discard)
        return future

    async def kept(self, promise: Promise) -> None:
        """Await a promise on the loop that it was made on, or for.

        Raises:
            BrokerError: The engine was closed meanwhile.
        """
        await (self._result(promise) if isinstance(promise, Future) else promise)

    async def _result(self, future: Future[T]) -> T:
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self._closing and future.cancelled() and not _is_cancelling():
                raise _closed() from None
            raise

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The same for a caller without a loop: block until it is done.

        An interrupt of the caller (KeyboardInterrupt) cancels the work.

        Raises:
            BrokerError: The engine is closed, or was closed meanwhile.
        """
        if self.is_current:
            work.close()
            raise RuntimeError("a blocking call from the engine's own thread would never return")
        future = self._submit(work)
        try:
            while not wait([future], _LOOK_SECONDS).done:
                pass
            return future.result()
        except FutureCancelledError:
            raise _closed() from None
        except BaseException:
            future.cancel()
            raise

    def post(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function soon on the engine's thread; nothing happens once it is closed."""
        soon = self.loop.call_soon if self.is_current else self.loop.call_soon_threadsafe
        try:
            soon(function, *arguments)
        except RuntimeError:
            logger.debug("the engine is closed; %r is not called", function)

    def post_task(self, work: Coroutine[Any, Any, Any], *, name: str) -> None:
        """Start a task soon, from any thread; nothing happens once the engine is closed."""
        try:
            self.loop.call_soon_threadsafe(lambda: self.start(work, name=name))
        except RuntimeError:
            work.close()

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start a task from the engine's own thread; what it raises is logged."""
        task = self.loop.create_task(work, name=name)
        task.add_done_callback(_log_failure)
        return task

    def before_close(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have a coroutine function run on the engine's loop before it ends; it has two seconds."""
        self._before_close.append(function)

    def close(self) -> None:
        """Cancel what runs and end the thread, if there is one. Idempotent."""
        self.close_soon()
        atexit.unregister(self._at_exit)
        if self._has_thread and not self.is_current and self._pid == os.getpid():
            self._thread.join(_CLOSE_SECONDS)
            self._break_promises()

    def close_soon(self) -> None:
        """Begin to close, and do not wait for it."""
        with self._lock:
            first, self._closing = not self._closing, True
        if first and self._pid == os.getpid():
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(lambda: self.start(self._end(), name="vibesbox-end"))

    async def _end(self) -> None:
        last = [asyncio.ensure_future(function()) for function in self._before_close]
        if last:
            await asyncio.wait(last, timeout=_LAST_SECONDS)
        self._break_promises()
        if self._has_thread:
            self.loop.stop()

    def _break_promises(self) -> None:
        with self._lock:
            unanswered = list(self._outstanding)
        for future in unanswered:
            future.cancel()

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:
            try:
                self._check_open()
            except BrokerError:
                work.close()
                raise
            future = asyncio.run_coroutine_threadsafe(work, self.loop)
            self._outstanding.add(future)
        future.add_done_callback(self._outstanding.discard)
        return future

    def _check_open(self) -> None:
        if self._pid != os.getpid():
            raise BrokerError("sessions do not follow into a forked child; make a new SessionManager there")
        if self._closing or self.loop.is_closed():
            raise _closed()


def _closed() -> BrokerError:
    return BrokerError("the background thread of these sessions has ended")


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


_LAST_ROUNDS = 3
"""A connection that is given up is closed by the loop, in a round of its own."""


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    # The program's signals are the main thread's, not this thread's or of those that it will start.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _FAULTS)
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        _cancel_all(loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        with contextlib.suppress(RuntimeError):  # Python 3.12 starts no thread at exit, not even to join others
            loop.run_until_complete(loop.shutdown_default_executor())
        _cancel_all(loop)  # what timers have started meanwhile
        for _ in range(_LAST_ROUNDS):
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    while tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _stop_loop(loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(loop.stop)


def _call_if_alive(reference: weakref.WeakMethod[Callable[[], None]]) -> None:
    method = reference()
    if method is not None:
        method()


def _log_failure(task: asyncio.Task[Any]) -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    if isinstance(error, RuntimeError) and not threading.main_thread().is_alive():
        logger.debug("task %s came too late: Python ends, and starts no thread any more: %s", task.get_name(), error)
    else:
        logger.error("task %s failed", task.get_name(), exc_info=error)
