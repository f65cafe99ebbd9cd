"""The smallest pictures, for tests that show some."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 40, height: int = 20, colour: bytes = b"\x20\x80\xff", *, noise: bytes = b"") -> bytes:
    """A PNG of one colour; `noise` makes the file as large as that."""
    lines = (b"\0" + colour * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts + noise


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
