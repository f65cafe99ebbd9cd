"""Lines that are longer than a terminal takes: they are typed in pieces."""

from __future__ import annotations

import contextlib
import re
import termios

PIECE_BYTES = 1000
"""A terminal drops without a word what a line has beyond 4095 bytes (Linux) or 1023 (macOS)."""

_PIECE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]{%d}(?=[^\x00-\x08\x0a-\x1f\x7f])" % PIECE_BYTES)


def in_pieces(master: int, data: bytes) -> bytes:
    """Input as it is to be typed into a terminal: behind each piece of a long line what hands it to the reader.

    That is the character for end of file, which is one at the start of a line only, and never seen by the reader.
    A terminal that gives no whole lines has no such limit, and would hand the character on.

    Source: termios(3), ICANON and VEOF.
    """
    with contextlib.suppress(termios.error):
        modes = termios.tcgetattr(master)
        end_of_file = modes[6][termios.VEOF]
        if modes[3] & termios.ICANON and isinstance(end_of_file, bytes) and end_of_file != b"\0":
            return _PIECE.sub(lambda piece: piece[0] + end_of_file, data)
    return data
