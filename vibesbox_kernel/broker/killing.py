"""Killing processes that may fork as fast as they are killed."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable

from vibesbox_kernel.broker import system

logger = logging.getLogger(__name__)

FREEZE_SECONDS = 0.25
"""How long one call may go on stopping processes; whatever else there is to do waits meanwhile."""

GIVE_UP_SECONDS = 10.0
LAST_SECONDS = 30.0
"""The same for a tree that grows while it is being stopped."""

PAUSE_SECONDS = 0.002


def freeze(stopped: set[int], *, members: Callable[[], list[int]], stop: Callable[[int], object]) -> bool:
    """Stop processes until no new ones appear: what is stopped does not fork.

    Args:
        stopped: Those that were stopped before; grows.
        members: Looks for all of them.
        stop: Sends one of them SIGSTOP.

    Returns:
        Whether all are stopped now; if the time was too short, the next call goes on.
    """
    deadline = time.monotonic() + FREEZE_SECONDS
    while fresh := [pid for pid in members() if pid not in stopped]:
        if time.monotonic() > deadline:
            return False
        for pid in fresh:
            stop(pid)
        stopped.update(fresh)
    return True


def kill_all(members: Callable[[], list[int]], send: Callable[[int, int], object]) -> set[int]:
    """Kill processes until none is left, waiting for it; what outlives that is logged.

    Args:
        members: Looks for all that live.
        send: Sends one of them a signal, if it still is the one that is meant.

    Returns:
        What was killed.
    """
    killed: set[int] = set()
    stopped: set[int] = set()
    began = time.monotonic()
    give_up_at = began + GIVE_UP_SECONDS
    while pids := members():
        now = time.monotonic()
        if now > give_up_at:
            logger.error("left alive: %s", {pid: system.describe(pid) for pid in pids})
            break
        if killed and not freeze(stopped, members=members, stop=lambda pid: send(pid, signal.SIGSTOP)):
            give_up_at = min(now + GIVE_UP_SECONDS, began + LAST_SECONDS)
            continue
        for pid in members() if killed else pids:
            send(pid, signal.SIGKILL)
            killed.add(pid)
        stopped.clear()
        time.sleep(PAUSE_SECONDS)
    return killed
