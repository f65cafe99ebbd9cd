"""Bytes as one word of bash, and back."""

from __future__ import annotations

import re

_IN_DOUBLE = re.compile(rb"\\([\\\"$`])")
_IN_ANSI = re.compile(rb"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
_ANSI = dict(zip(b"abeEfnrtv\\'\"?", b"\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))


def quote(word: bytes) -> bytes:
    """Quote a word so that bash takes it as it is, whatever bytes it holds (NUL cannot be in a word)."""
    return b"'" + word.replace(b"'", b"'\\''") + b"'"


def unquote(word: bytes) -> bytes:
    """The value of a word as ``declare -p`` prints it: in double quotes, or in ``$'…'``.

    Source: bash(1), QUOTING.
    """
    if word.startswith(b"$'"):
        return _IN_ANSI.sub(_ansi, word[2:-1])
    if word.startswith(b'"'):
        return _IN_DOUBLE.sub(rb"\1", word[1:-1])
    return word


def _ansi(match: re.Match[bytes]) -> bytes:
    if match[1] is not None:
        return bytes([int(match[1], 8) & 0xFF])
    return bytes([_ANSI.get(match[2][0], match[2][0])])
