"""Whether a session waits for input, from what each of its processes is blocked in: evidence, never prompts.

| what is seen in the terminal's foreground group | what it means |
|---|---|
| a thread is blocked reading the terminal | it waits, for sure |
| one polls the terminal, and another process is blocked reading *another* terminal | it waits: the first one is a relay (sudo, script, apt) and what counts is the other terminal |
| one polls the terminal, and another terminal controls other processes of the session | it is a relay, and what counts is that they do not read |
| one polls the terminal | it may wait, and so it does if that lasts and it looks like it: the terminal is raw, or a prompt stands there |
| a program that we can not see is asleep, echo off, line by line | it waits for a password |

A session whose input is a pipe waits when any of its processes is blocked reading that pipe.
"""  # noqa: E501 - a table

from __future__ import annotations

import fcntl
import struct
import termios
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.blocked import Blocked, Reading, Source
from vibesbox_kernel.broker.session import Session

LINE, PASSWORD, KEY, KEYS = "line", "password", "key", "keys"
"""What it waits for: a line; one that is not to be seen; a few keys, which the terminal echoes, as ``read -n`` does;
keys whose effect the program itself shows, as full-screen programs and line editors do."""

SLICE_PROCESSES = 40
"""How many are looked at before the loop gets its turn: about 2 ms."""

NO_MODES = (True, True)


class Evidence(NamedTuple):
    """A session waits for input.

    Attributes:
        kind: ``LINE``, ``PASSWORD``, ``KEY`` or ``KEYS``.
        pid: Who reads.
        certain: It is blocked in the read itself; otherwise it only polls, and may want something else.
    """

    kind: str
    pid: int
    certain: bool


@dataclass
class Terminal:
    """A session's terminal at the moment of the look; of a pipe nothing but the source is known.

    Attributes:
        source: What its processes read from.
        group: Its foreground process group; None for a pipe, where all may read.
        modes: Whether it echoes, and whether it gives whole lines.
    """

    source: Source
    group: int | None
    modes: tuple[bool, bool]


def look(session: Session, roots: list[int]) -> Generator[None, None, Evidence | None]:
    """Look at the processes of a session, in slices: the loop has its turn at each yield.

    Args:
        session: It has an open input.
        roots: Those of its processes from which the others descend.

    Raises:
        OSError: The input, or ``/proc``, can not be looked at.
    """
    terminal = terminal_of(session)
    findings = _Findings(terminal, prompted=not session.at_line_start)
    pids = list(roots)
    for looked, pid in enumerate(pids, 1):
        blocked = system.blocked(pid)
        if blocked is not None:
            findings.take(pid, blocked)
            pids += system.children(pid)
        if looked % SLICE_PROCESSES == 0:
            yield
    return findings.evidence()


class _Findings:
    """What the processes of one session wait for, put together."""

    def __init__(self, terminal: Terminal, *, prompted: bool) -> None:
        self._terminal = terminal
        self._prompted = prompted
        self._reader: tuple[int, Reading] | None = None
        self._elsewhere: tuple[int, Reading] | None = None
        self._poller = 0
        self._hidden = 0
        self._all_asleep = True
        self._relayed = False

    def take(self, pid: int, blocked: Blocked) -> None:
        """Take one process in; the last one found counts, which is the one begun last."""
        foreground = self._terminal.group is None or blocked.group == self._terminal.group
        # Whoever is controlled by no terminal, or by another, may read ours at any time (su -c).
        may_read = foreground or blocked.controlling != self._terminal.source
        for reading in blocked.reads:
            if reading.source == self._terminal.source:
                if may_read:
                    self._reader = pid, reading
            elif reading.source.is_terminal:
                self._elsewhere = pid, reading
        if blocked.controlling is not None and blocked.controlling != self._terminal.source:
            self._relayed = True
        if not foreground:
            return
        self._all_asleep = self._all_asleep and blocked.asleep
        if blocked.hidden:
            self._hidden = pid
        if self._terminal.source in blocked.polls:
            self._poller = pid

    def evidence(self) -> Evidence | None:
        """What they come to."""
        modes = self._terminal.modes
        if self._reader is not None:
            return Evidence(_kind(modes), self._reader[0], certain=True)
        if not self._terminal.source.is_terminal:
            return None  # who polls a pipe waits for events, not for people
        if self._poller and self._elsewhere is not None:
            pid, reading = self._elsewhere
            return Evidence(_kind(system.terminal_modes(pid, reading.descriptor) or NO_MODES), pid, certain=True)
        if self._hidden and self._all_asleep and _kind(modes) == PASSWORD:
            return Evidence(PASSWORD, self._hidden, certain=True)
        if self._poller and not self._relayed and (self._prompted or _kind(modes) == KEYS):
            return Evidence(_kind(modes), self._poller, certain=False)
        return None


def _kind(modes: tuple[bool, bool]) -> str:
    echo, whole_lines = modes
    if not whole_lines:
        return KEY if echo else KEYS
    return LINE if echo else PASSWORD


def terminal_of(session: Session) -> Terminal:
    """How a session's terminal is set just now.

    Raises:
        OSError: It can not be asked.
    """
    source = system.input_source(session.input, is_terminal=session.is_pty)
    if not session.is_pty:
        return Terminal(source, None, NO_MODES)
    try:
        modes = termios.tcgetattr(session.input)[3]
        group = struct.unpack("i", fcntl.ioctl(session.input, termios.TIOCGPGRP, bytes(4)))[0]
    except termios.error as error:
        raise OSError(*error.args) from error
    return Terminal(source, group, (bool(modes & termios.ECHO), bool(modes & termios.ICANON)))
