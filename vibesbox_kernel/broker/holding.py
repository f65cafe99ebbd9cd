"""Descriptors that a stopped leader has left with us, for leaders that are started after it.

They are held for the client that owns their session until it says that they are not needed any more, or is gone. What
is held keeps its other end waiting (a pipe has a writer as long as we have it), so a client should give back what no
leader will ask for again.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.descriptor_room import descriptors_left
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.wire import CONTROL_DESCRIPTOR, MAX_HELD_DESCRIPTORS, STDERR

if TYPE_CHECKING:
    from vibesbox_kernel.broker.client import Client

logger = logging.getLogger(__name__)

MAX_HOLDINGS = 16
"""Of one client: how many sessions' descriptors it may have held at a time."""

RESERVED_DESCRIPTORS = 128
"""So many stay free for what matters more."""


@dataclass(frozen=True, slots=True)
class Held:
    """One descriptor that a leader shall have.

    Attributes:
        number: What it is called in the leader.
        source: Ours to give, or one of the leader's own standard streams (0, 1 or 2).
        standard: Whether it is such a stream: the terminal or pipe of an ended session is not held, for the next has
            its own.
    """

    number: int
    source: int
    standard: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """What was taken from one session."""

    owner: Client
    held: tuple[Held, ...]

    def close(self) -> None:
        """Have it no more."""
        for one in self.held:
            if not one.standard:
                os.close(one.source)


@dataclass(slots=True)
class Holdings:
    """Everything that is held, by the session from which it was taken."""

    _by_session: dict[str, Holding] = field(default_factory=dict)

    def take(self, session: Session, numbers: Collection[int], owner: Client) -> tuple[list[int], list[int]]:
        """Take descriptors from a stopped leader, in place of what was taken from it before.

        Returns:
            The numbers of those that are held now, and of those that can not be.
        """
        self.release(session.session_id)
        held: list[Held] = []
        room = MAX_HELD_DESCRIPTORS if self._count(owner) < MAX_HOLDINGS else 0
        for number in sorted(numbers):
            if number != CONTROL_DESCRIPTOR and len(held) < room and descriptors_left() > RESERVED_DESCRIPTORS:
                with contextlib.suppress(OSError):
                    held.append(_take(session, number))
        if held:
            self._by_session[session.session_id] = Holding(owner, tuple(held))
        taken = {one.number for one in held}
        return sorted(taken), sorted(set(numbers) - taken)

    def of(self, session_id: str, owner: Client) -> tuple[Held, ...] | None:
        """What is held of a session for this client; None if nothing is."""
        holding = self._by_session.get(session_id)
        return holding.held if holding is not None and holding.owner is owner else None

    def release(self, session_id: str) -> None:
        """Let go what was taken from a session."""
        holding = self._by_session.pop(session_id, None)
        if holding is not None:
            holding.close()

    def release_all(self, owner: Client) -> None:
        """Let go whatever is held for a client that is gone."""
        for session_id in [known for known, holding in self._by_session.items() if holding.owner is owner]:
            self.release(session_id)

    def _count(self, owner: Client) -> int:
        return sum(holding.owner is owner for holding in self._by_session.values())


@contextmanager
def sources_clear_of_targets(given: Sequence[Held]) -> Iterator[list[tuple[int, int]]]:
    """Pairs ``(source, target)`` that can be duplicated one after the other: no target is a later source."""
    targets = {one.number for one in given}
    moved: list[int] = []
    try:
        pairs = []
        for one in given:
            source = one.source
            if not one.standard and source in targets:
                source = fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, max(targets) + 1)
                moved.append(source)
            pairs.append((source, one.number))
        yield pairs
    finally:
        for descriptor in moved:
            os.close(descriptor)


def _take(session: Session, number: int) -> Held:
    taken = system.take_descriptor(session.pid, number)
    stream = _standard_stream(session, taken)
    if stream is None:
        return Held(number, taken)
    os.close(taken)
    return Held(number, stream, standard=True)


def _standard_stream(session: Session, taken: int) -> int | None:
    """Which of the session's own streams a descriptor is; None for anything else."""
    found = os.fstat(taken)
    if session.is_pty:
        if any(outlet.device and outlet.device == found.st_rdev for outlet in session.outlets):
            return 2
        return 1 if system.is_terminal_of(session.pid, taken) else None
    outputs = [(outlet.descriptor, 2 if outlet.stream == STDERR else 1) for outlet in session.outlets]
    for ours, stream in (*outputs, (session.input, 0)):
        if stat.S_ISFIFO(found.st_mode) and ours >= 0 and os.path.samestat(os.fstat(ours), found):
            return stream
    return None
