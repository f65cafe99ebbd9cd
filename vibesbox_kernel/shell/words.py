"""Split a line into words as a POSIX shell does, and remember where each word stood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_BLANKS = " \t\r\n\v\f"
_ESCAPABLE_IN_DOUBLE_QUOTES = ('"', "\\")


@dataclass(frozen=True)
class Word:
    """One word: its text without quotes, and the part ``[start, end)`` of the line that it was."""

    text: str
    start: int
    end: int


def iterate_words(line: str) -> Iterator[Word]:
    """Split at blanks; single quotes, double quotes and backslashes protect, as in ``shlex``.

    Unlike ``shlex.split`` it is lazy and each word knows its place: the rest of a line can be taken as it stands,
    whatever quotes that holds.

    Raises:
        ValueError: On reaching a word whose quote is not closed or that ends in a backslash.
    """
    at = _skip_blanks(line, 0)
    while at < len(line):
        start = at
        text, at = _read_word(line, at)
        yield Word(text, start, at)
        at = _skip_blanks(line, at)


def _skip_blanks(line: str, at: int) -> int:
    while at < len(line) and line[at] in _BLANKS:
        at += 1
    return at


def _read_word(line: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    while at < len(line) and line[at] not in _BLANKS:
        char = line[at]
        if char == "'":
            part, at = _read_single_quoted(line, at)
        elif char == '"':
            part, at = _read_double_quoted(line, at)
        elif char == "\\":
            if at + 1 == len(line):
                raise ValueError("the line ends in a backslash")
            part, at = line[at + 1], at + 2
        else:
            part, at = char, at + 1
        parts.append(part)
    return "".join(parts), at


def _read_single_quoted(line: str, at: int) -> tuple[str, int]:
    end = line.find("'", at + 1)
    if end < 0:
        raise ValueError("a single quote is not closed")
    return line[at + 1 : end], end + 1


def _read_double_quoted(line: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    at += 1
    while at < len(line):
        if line[at] == '"':
            return "".join(parts), at + 1
        if line[at] == "\\" and line[at + 1 : at + 2] in _ESCAPABLE_IN_DOUBLE_QUOTES:
            at += 1
        parts.append(line[at])
        at += 1
    raise ValueError("a double quote is not closed")
