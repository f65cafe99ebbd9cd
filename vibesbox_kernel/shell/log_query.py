"""What to look for in a log: a text or a regular expression, such that no line can take for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from vibesbox_kernel.shell.line_model import units

MAX_QUERY_CHARS = 1000
MAX_MARKS = 200
"""So many matches of one line are shown as such."""
_LINE_CHARS = (1 << 16, 1 << 13, 1 << 11)
"""So much of a line a regular expression is tried on: with none, one, or two parts of any length. With more:"""
_LEAST_LINE_CHARS = 1 << 9


class QueryError(ValueError):
    """A regular expression that can not be searched for."""


@dataclass(frozen=True)
class LogQuery:
    """What to look for.

    Attributes:
        text: The text; nothing is found if it is empty.
        regex: It is a regular expression (of Python's ``re``), which is tried on each line by itself.
        case: Capital letters are told from small ones.
    """

    text: str = ""
    regex: bool = False
    case: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern that finds it in a line.

        Raises:
            QueryError: It is no regular expression, or one that could take for ever.
        """
        if len(self.text) > MAX_QUERY_CHARS:
            raise QueryError(f"this is longer than the {MAX_QUERY_CHARS} characters that can be searched for")
        flags = re.NOFLAG if self.case else re.IGNORECASE
        if not self.regex:
            return re.compile(re.escape(self.text), flags)
        try:
            compiled = re.compile(self.text, flags)
        except (re.error, RecursionError, OverflowError) as error:
            raise QueryError(f"this is no regular expression: {error}") from error
        self._line_chars  # noqa: B018  raises if it could take for ever
        return compiled

    @cached_property
    def _line_chars(self) -> int:
        if not self.regex:
            return _LINE_CHARS[0]
        repeats = _count_repeats(self.text)
        return _LINE_CHARS[repeats] if repeats < len(_LINE_CHARS) else _LEAST_LINE_CHARS

    def marks(self, line: str) -> list[tuple[int, int]]:
        """Where it stands in a line, in UTF-16 units, as a browser counts.

        Raises:
            QueryError: As ``pattern``.
        """
        if not self.text:
            return []
        found = []
        for match in self.pattern.finditer(line[: self._line_chars]):
            if match.end() > match.start():
                start = units(line[: match.start()])
                found.append((start, start + units(match.group())))
            if len(found) == MAX_MARKS:
                break
        return found

    def lines_in(self, text: str) -> Iterator[int]:
        """Which lines of a text have it, counted from 0.

        Raises:
            QueryError: As ``pattern``.
        """
        if not self.text:
            return
        if self.regex:
            search, chars = self.pattern.search, self._line_chars
            yield from (number for number, line in enumerate(text.split("\n")) if search(line[:chars]))
            return
        wanted, within = (self.text, text) if self.case else (self.text.lower(), text.lower())
        number = at = 0
        while (found := within.find(wanted, at)) >= 0:
            number += within.count("\n", at, found)
            yield number
            end = within.find("\n", found)
            if end < 0:
                return
            number, at = number + 1, end + 1


_TOKEN = re.compile(
    r"""
      \\.                                # an escape
    | \[\^?\]?(?:\\.|[^\]\\])*\]         # a set of characters
    | (?P<open> \((?:\?(?:P<\w+>|P=\w+|<[=!]|[aiLmsux-]+[:)]|[:=!>]))? )
    | (?P<close> \) )
    | (?P<or> \| )
    | (?P<repeat> [*+][?+]? | \{\d*,?\d*\}[?+]? )
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_FEW = 10


def _count_repeats(pattern: str) -> int:
    """How many parts of any length a regular expression has.

    Raises:
        QueryError: One is inside another, or repeats a choice: each doubles the time for every character of a line.
    """
    inside = [0]  # for each group that is open: parts of any length and choices in it
    repeats = last = 0
    for token in _TOKEN.finditer(pattern):
        if token["open"] and not token["open"].endswith(")"):
            inside.append(0)
            last = 0
        elif token["close"] and len(inside) > 1:
            last = inside.pop()
            inside[-1] += last
        elif token["or"]:
            inside[-1] += 1
        elif token["repeat"] and _is_long(token["repeat"]):
            if last:
                raise QueryError("what is repeated has a repetition or a choice (|) in it; that could take for ever")
            repeats += 1
            inside[-1] += 1
            last = 1
        else:
            last = 0
    return repeats


def _is_long(repeat: str) -> bool:
    if repeat[0] != "{":
        return True
    low, comma, high = repeat.rstrip("?+")[1:-1].partition(",")
    return int((high or "1000") if comma else (low or "0")) > _FEW
