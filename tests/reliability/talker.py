"""Programs that put out a lot, or strangely; the bytes that they must give are known beforehand."""

from __future__ import annotations

import random

_ALPHABET = "aZ0 \t\r\n\0é߀☃\u2028漢🦀𝕍\u0301"
_BAD = (b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f", b"\x80", b"\xed\xa0\x80")


def strange_bytes(size: int, seed: int) -> bytes:
    """Text of one to four bytes a character, with NUL and control characters and bytes that are no text at all."""
    dice = random.Random(seed)
    block = bytearray()
    while len(block) < min(size, 1 << 20):
        block += "".join(dice.choices(_ALPHABET, k=50)).encode()
        block += dice.choice(_BAD) if dice.random() < 0.2 else b""
    return bytes((bytes(block) * (size // len(block) + 1))[:size])


# Writes a file to its standard output in pieces that split characters wherever they like.
IN_PIECES = """
import os, random
dice = random.Random(1)
with open(PATH, "rb") as file:
    while data := file.read(dice.choice((1, 2, 3, 7, 100, 4096, 65536, 1 << 20)) if file.tell() < 100_000 else 1 << 20):
        while data:
            data = data[os.write(1, data):]
"""

# Numbered lines in pieces of whole lines, none larger than a pipe takes at once (pipe(7), PIPE_BUF).
NUMBERED = """
import os, random
dice = random.Random(LETTER)
number = 0
while number < LINES:
    upto = min(LINES, number + dice.randint(1, 40))
    os.write(dice.choice((1, 2)), b"".join(b"%s %08d %s\\n" % (LETTER, i, LETTER * 88) for i in range(number, upto)))
    number = upto
"""
