"""How a session's terminal is set: its size, and what a newline means to whoever shows it."""

from __future__ import annotations

import fcntl
import struct
import termios

_OUTPUT, _LOCAL = 1, 3
_COOKED = termios.ICANON | termios.ISIG


def size(master: int) -> tuple[int, int]:
    """Rows and columns."""
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(master, termios.TIOCGWINSZ, b"\0" * 8))
    return rows, columns


def begins_lines(master: int) -> bool:
    """Whether a newline is meant to begin a line, and not only to go down.

    Sessions' terminals pass newlines on as they are, so the flag that would turn them off (OPOST) tells nothing. A
    program that wants to go straight down has taken ONLCR away (curses' nonl), or everything (cfmakeraw).

    Source: termios(3).
    """
    modes = termios.tcgetattr(master)
    return bool(modes[_OUTPUT] & termios.ONLCR) and bool(modes[_LOCAL] & _COOKED)
