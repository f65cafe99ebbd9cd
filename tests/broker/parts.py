"""What tests of the broker's parts share: loops that turn as the test says, and sessions of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.policy import Policy
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.spool import Spool

DEADLINE_SECONDS = 20.0


class HandLoop(Loop):
    """Waits for nothing: ``fire`` makes the next call that is due, at once."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Timer]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        self.timers.append((delay, timer))
        return timer

    def when_turn_ends(self, callback: Callable[[], None]) -> None:
        callback()

    @property
    def delays(self) -> list[float]:
        """Those of the calls that are still to come."""
        return sorted(delay for delay, timer in self.timers if timer.is_set)

    def fire(self) -> None:
        due = min(((delay, number) for number, (delay, timer) in enumerate(self.timers) if timer.is_set))[1]
        self.timers.pop(due)[1].fire()


def turn_until(loop: Loop, condition: Callable[[], bool]) -> None:
    """Turn a loop until something is so."""
    deadline = time.monotonic() + DEADLINE_SECONDS

    def look() -> None:
        if condition() or time.monotonic() > deadline:
            loop.stop()
        else:
            loop.call_later(0.005, look)

    loop._running = True
    look()
    loop.run()
    assert condition()


def a_session(directory: Path, number: int = 1, *, pid: int = 0, policy: Policy | None = None) -> Session:
    """A session whose leader, if it has one, the test has started."""
    place = directory / f"session{number}"
    place.mkdir()
    session = Session(
        session_id=f"{number:08}-0000-4000-8000-000000000000",
        tag=(1 << 62) + number,
        owner=None,
        label="a test",
        command="true",
        name=None,
        cwd="/",
        io="pipe",
        directory=str(place),
        spool=Spool(str(place)),
        listed=True,
        policy=policy or Policy(),
    )
    session.pid, session.leader_alive = pid, pid > 0
    return session
