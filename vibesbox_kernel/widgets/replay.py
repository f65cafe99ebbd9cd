"""What a terminal must be given that opens in the midst of a session, to look as if it had been there all along.

The truth is the spool, and only its end is replayed. A program may have set the terminal up long before
that: it has gone to the *alternate screen*, asked for the mouse, for marks around what is pasted. So what lies
before is looked through for the modes that are in force, and these are set first.

Source: ctlseqs of xterm, DECSET.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.models import OutputChunk

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

REPLAY_BYTES = 200_000
HISTORY_BYTES = 100_000
"""So much of what was there before a program has taken the whole screen comes back with it."""
LOOK_BACK_BYTES = 8_000_000
"""Modes that were set still longer ago are not known of."""

_PIECE_BYTES = 1 << 20
_MAX_SEQUENCE = 64
_ALTERNATE = ("47", "1047", "1049")
_MOUSE = ("9", "1000", "1002", "1003", "1004", "1005", "1006", "1015")
_USUAL = {"7": True, "25": True} | dict.fromkeys(("1", "2004", *_MOUSE, *_ALTERNATE), False)
_SEQUENCE = re.compile(rb"\x1b(?:\[\?(?P<modes>[0-9;]{1,60})(?P<set>[hl])|(?P<reset>c|\[!p)|(?P<keypad>[=>]))")
_LINE_START = re.compile(rb"(?<=\n)")
_SEQUENCE_START = re.compile(rb"\x1b")
_INSIDE_CHARACTER = bytes(range(0x80, 0xC0))
"""What no character in UTF-8 begins with."""


class Modes:
    """The modes of a terminal, as the output so far has set them.

    Attributes:
        entered: Cursor at which the program went to the alternate screen, if it is there.
    """

    def __init__(self) -> None:
        self.entered: int | None = None
        self._on = dict(_USUAL)
        self._keypad = False
        self._rest = b""

    def feed(self, data: bytes, cursor: int) -> None:
        """Take note of what a piece of output sets.

        Args:
            data: The piece; it follows the one before.
            cursor: Where in the output it begins.
        """
        cursor -= len(self._rest)
        data = self._rest + data
        seen = 0
        for match in _SEQUENCE.finditer(data):
            self._see(match, cursor + match.start())
            seen = match.end()
        last = data.rfind(b"\x1b", max(seen, len(data) - _MAX_SEQUENCE))
        self._rest = data[last:] if last >= 0 else b""  # it may go on in the next piece

    def _see(self, match: re.Match[bytes], cursor: int) -> None:
        if match["reset"]:
            self._on, self._keypad, self.entered = dict(_USUAL), False, None
        elif match["keypad"]:
            self._keypad = match["keypad"] == b"="
        else:
            for mode in match["modes"].decode().split(";"):
                self._set(mode, cursor, on=match["set"] == b"h")

    def _set(self, mode: str, cursor: int, *, on: bool) -> None:
        if mode not in self._on:
            return
        if mode in _ALTERNATE:
            self._on.update(dict.fromkeys(_ALTERNATE, False))
            self.entered = (self.entered if self.entered is not None else cursor) if on else None
        self._on[mode] = on

    @property
    def sequence(self) -> bytes:
        """What brings a terminal that was reset into these modes; the alternate screen comes first."""
        changed = [mode for mode, on in self._on.items() if on != _USUAL[mode]]
        changed.sort(key=lambda mode: mode not in _ALTERNATE)
        written = "".join(f"\x1b[?{mode}{'h' if self._on[mode] else 'l'}" for mode in changed)
        return (written + ("\x1b=" if self._keypad else "")).encode()


@dataclass(frozen=True)
class Replay:
    """What a terminal is given first, and where it goes on from.

    Attributes:
        data: What is written into a terminal that was reset.
        cursor: Where the output goes on.
        whole: It is all that the session has put out.
        drawn_before: What is on the screen was drawn before: the program must be asked to draw it anew.
    """

    data: bytes
    cursor: int
    whole: bool
    drawn_before: bool


async def replay(manager: SessionManager, session_id: str, end: int) -> Replay:
    """The end of a session's output, as a terminal must be given it.

    Args:
        manager: Whose session it is.
        session_id: The session.
        end: Cursor behind the last byte that is wanted.
    """
    start = max(0, end - REPLAY_BYTES)
    modes = Modes()
    await _look_through(manager, session_id, modes, start)
    before = await _history(manager, session_id, modes.entered)
    window = await _read(manager, session_id, start, end)
    data = window.data
    if start or window.dropped:
        data = _from(_LINE_START if modes.entered is None else _SEQUENCE_START, data)
    return Replay(
        data=before + modes.sequence + data,
        cursor=max(window.next_cursor, end),
        whole=not (start or window.dropped),
        drawn_before=modes.entered is not None,
    )


async def _history(manager: SessionManager, session_id: str, entered: int | None) -> bytes:
    """The lines before a program took the whole screen, if it did."""
    if entered is None:
        return b""
    start = max(0, entered - HISTORY_BYTES)
    found = await _read(manager, session_id, start, entered)
    return _from(_LINE_START, found.data) if start or found.dropped else found.data


async def _look_through(manager: SessionManager, session_id: str, modes: Modes, end: int) -> None:
    cursor = max(0, end - LOOK_BACK_BYTES)
    while cursor < end:
        chunk = await manager.read(session_id, cursor, max_bytes=min(_PIECE_BYTES, end - cursor))
        if not chunk.data:
            return
        modes.feed(chunk.data, chunk.next_cursor - len(chunk.data))
        cursor = chunk.next_cursor
        await asyncio.sleep(0)  # others have their turn


async def _read(manager: SessionManager, session_id: str, start: int, end: int) -> OutputChunk:
    """What is still stored of a range."""
    data, cursor, dropped = bytearray(), start, 0
    while cursor < end:
        chunk = await manager.read(session_id, cursor, max_bytes=end - cursor)
        dropped += chunk.dropped
        cursor = chunk.next_cursor
        if not chunk.data:
            break
        data += chunk.data
    return OutputChunk(cursor=start, data=bytes(data), next_cursor=cursor, dropped=dropped)


def _from(start: re.Pattern[bytes], data: bytes) -> bytes:
    """The data from where it can be understood: no part of a line, of a character or of a sequence comes first."""
    match = start.search(data)
    return data.lstrip(_INSIDE_CHARACTER) if match is None else data[match.start() :]
