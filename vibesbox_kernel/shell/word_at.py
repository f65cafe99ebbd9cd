"""The word that the cursor is on, and what it is there: a variable, a command, an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vibesbox_kernel.shell.command_line import Place
from vibesbox_kernel.shell.command_scanner import parse_command_line

_WORD = re.compile(r"(?:[^\s;|&()<>`\"'$={}\\]|\\.)+")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_REFERENCE = re.compile(r"\$(?:\{[#!]?)?([A-Za-z_]\w*)", re.ASCII)
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)(?:\[[^]]*\])?\+?=", re.ASCII)
_SPECIAL = re.compile(r"[\[\]!:.{}]|\[\[|\]\]")


@dataclass(frozen=True)
class WordAt:
    """A word in a script.

    Attributes:
        text: The word, without quotes and signs around it.
        is_variable: It is the name of a variable that is used or set there.
        is_command: It is what is run there.
        command: The command that it is an argument of, and the arguments before it.
    """

    text: str
    is_variable: bool = False
    is_command: bool = False
    command: tuple[str, ...] = ()


def word_at(script: str, cursor: int) -> WordAt | None:
    """The word that the cursor is in or right behind; the last one before it, if it is on a blank.

    Args:
        script: The whole script.
        cursor: Where the cursor is, in characters.
    """
    line_start = script.rfind("\n", 0, cursor) + 1
    line = script[line_start:].partition("\n")[0]
    column = cursor - line_start
    variable = _covering(_REFERENCE, line, column) or _covering(_ASSIGNED, line, column)
    if variable is not None and variable.start(1) - 2 <= column <= variable.end(1):
        return WordAt(variable.group(1), is_variable=True)
    word = _covering(_WORD, line, column) or _last_before(line, column)
    if word is None:
        return None
    found = parse_command_line(script[: line_start + word.start()] + "x")
    text = re.sub(r"\\(.)", r"\1", word.group())
    if found.place is Place.VARIABLE:
        return WordAt(text, is_variable=_NAME.fullmatch(text) is not None)
    if found.place is Place.NOTHING and not found.words:
        return None
    return WordAt(text, is_command=found.place is Place.COMMAND, command=found.words)


def _covering(pattern: re.Pattern[str], line: str, column: int) -> re.Match[str] | None:
    """The last match that begins before, or at, the column and does not end before it."""
    found = None
    for match in pattern.finditer(line):
        if match.start() <= column <= match.end():
            found = match
    return found


def _last_before(line: str, column: int) -> re.Match[str] | None:
    found = None
    for match in _WORD.finditer(line, 0, column):
        found = match
    return found
