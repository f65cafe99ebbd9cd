"""The broker's only loop: descriptors, timers and child signals, all on one thread."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from typing import TypeVarTuple

logger = logging.getLogger(__name__)

Callback = Callable[[], None]
Ts = TypeVarTuple("Ts")

MAX_PATIENCE_SECONDS = 3600.0
"""epoll_wait(2) counts milliseconds in an int; a time limit may be longer than that."""

_MIN_PURGE = 256


class Timer:
    """A call that is still to come; ``cancel`` makes it not come."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callback) -> None:
        self._callback: Callback | None = callback

    @property
    def is_set(self) -> bool:
        """Whether the call is still to come."""
        return self._callback is not None

    def cancel(self) -> None:
        """Forget the call."""
        self._callback = None

    def fire(self) -> None:
        """Make the call, once."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Loop:
    """Waits for descriptors and timers and calls back. A failing callback is logged, not fatal."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._purge_at = _MIN_PURGE
        self._order = itertools.count()
        self._running = True
        self._last_of_turn: list[Callback] = []
        self._signals: dict[int, Callback] = {}
        self._signals_end, wakeup = os.pipe()
        os.set_blocking(self._signals_end, False)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self.watch(self._signals_end, self._take_signals)

    def watch(self, descriptor: int, on_readable: Callable[[*Ts], None], *arguments: *Ts) -> None:
        """Call, with the arguments, whenever a descriptor is readable or at its end."""
        self._selector.register(descriptor, selectors.EVENT_READ, (on_readable, *arguments))

    def watch_both(
        self,
        descriptor: int,
        callback: Callable[[*Ts], None],
        *arguments: *Ts,
        read: bool,
        write: bool,
    ) -> None:
        """Change what a watched descriptor is watched for; with neither it stays known but quiet."""
        mask = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
        known = descriptor in self._selector.get_map()
        if mask == 0:
            if known:
                self._selector.unregister(descriptor)
        elif known:
            self._selector.modify(descriptor, mask, (callback, *arguments))
        else:
            self._selector.register(descriptor, mask, (callback, *arguments))

    def unwatch(self, descriptor: int) -> None:
        """Stop watching; a descriptor that is not watched is fine."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def call_later(self, delay: float, callback: Callback) -> Timer:
        """Call once, ``delay`` seconds from now."""
        timer = Timer(callback)
        if len(self._timers) >= self._purge_at:
            self._forget_cancelled()
        heapq.heappush(self._timers, (time.monotonic() + delay, next(self._order), timer))
        return timer

    def when_turn_ends(self, callback: Callback) -> None:
        """Call once, when all that is due in this turn of the loop is done, and before it waits again."""
        self._last_of_turn.append(callback)

    def on_signal(self, number: int, callback: Callback) -> None:
        """Call from the loop, never from within a signal handler, after a signal came."""
        self._signals[number] = callback
        signal.signal(number, lambda *_: None)

    def stop(self) -> None:
        """Let ``run`` return after the callbacks of this turn."""
        self._running = False

    def run(self) -> None:
        """Turn until ``stop``."""
        while self._running:
            for key, _ in self._selector.select(self._patience()):
                self._guarded(*key.data)
            self._fire_timers()
            self._finish_turn()

    def _take_signals(self) -> None:
        try:
            seen = set(os.read(self._signals_end, 4096))
        except BlockingIOError:
            return
        for number in seen & self._signals.keys():
            self._guarded(self._signals[number])

    def _forget_cancelled(self) -> None:
        self._timers = [entry for entry in self._timers if entry[2].is_set]
        heapq.heapify(self._timers)
        self._purge_at = max(_MIN_PURGE, 2 * len(self._timers))

    def _patience(self) -> float | None:
        if not self._timers:
            return None
        return min(MAX_PATIENCE_SECONDS, max(0.0, self._timers[0][0] - time.monotonic()))

    def _fire_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            self._guarded(heapq.heappop(self._timers)[2].fire)

    def _finish_turn(self) -> None:
        while self._last_of_turn:
            callbacks, self._last_of_turn = self._last_of_turn, []
            for callback in callbacks:
                self._guarded(callback)

    @staticmethod
    def _guarded(callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:
            logger.exception("a callback of the broker's loop failed; the sessions go on")
