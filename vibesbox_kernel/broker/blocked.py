"""What a process waits for, in words that no system has for itself: see ``system.blocked``."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

_TERMINAL = -1


class Source(NamedTuple):
    """Where input comes from: the same for everybody who has it open.

    Attributes:
        device: The device that the file lies on; for a terminal a number that no device has.
        number: Its inode; for a terminal the number of the terminal.
    """

    device: int
    number: int

    @property
    def is_terminal(self) -> bool:
        """Whether it is a terminal rather than a pipe or file."""
        return self.device == _TERMINAL


class Reading(NamedTuple):
    """A descriptor from which a thread is just waiting to read."""

    source: Source
    descriptor: int


class Blocked(NamedTuple):
    """What one process waits for, at one moment.

    Attributes:
        group: Its process group.
        asleep: Nothing of it runs.
        controlling: The terminal that controls it, if any does.
        hidden: The system does not let us see what it waits for, as of a set-uid program.
        reads: What its threads are blocked in reading.
        polls: What they wait for, perhaps among other things, before they read.
    """

    group: int
    asleep: bool
    hidden: bool
    controlling: Source | None = None
    reads: tuple[Reading, ...] = ()
    polls: tuple[Source, ...] = ()


def terminal(number: int) -> Source:
    """The terminal with this device number."""
    return Source(_TERMINAL, number)


def source_of(status: os.stat_result) -> Source:
    """What a descriptor or path with this status leads to."""
    if stat.S_ISCHR(status.st_mode):
        return terminal(status.st_rdev)
    return Source(status.st_dev, status.st_ino)
