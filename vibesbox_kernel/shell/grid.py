"""The last rows of a terminal, as a program leaves them that goes back up to rewrite them."""

from __future__ import annotations

import re

REACH_ROWS = 24
"""How far up a program can go: the height of its terminal."""

_MAX_COLUMNS = 1000
_TAB = 8
_TOKEN = re.compile(
    r"\x1b\[(?P<number>[0-9]*)(?:;[0-9]*)?(?P<move>[A-GJK])|(?P<style>\x1b\[[0-9;:]*m)|(?P<char>[^\x1b])|\x1b"
)
_PLAIN_STYLE = re.compile(r"\x1b\[0*m")

Cell = tuple[str, str]
"""A character, and the colour codes that it is shown with."""

_BLANK: Cell = ("", " ")


class Grid:
    r"""Performs what an ``OutputFilter`` with moves lets through: text, colours, ``\r``, ``\b``, erasing and moves.

    Attributes:
        rows: The rows, oldest first.
        since_up: Newlines since the cursor last went up.
    """

    def __init__(self) -> None:
        self.rows: list[list[Cell]] = [[]]
        self.since_up = 0
        self._row = 0
        self._column = 0
        self._style = ""

    @property
    def text(self) -> str:
        """The rows as text, with colours; blanks at the end of a row are left out."""
        return "\n".join(map(_row_text, self.rows))

    def feed(self, text: str) -> None:
        """Perform a piece of output."""
        for match in _TOKEN.finditer(text):
            if match["char"] is not None:
                self._put(match["char"])
            elif match["style"] is not None:
                self._style = "" if _PLAIN_STYLE.fullmatch(match["style"]) else self._style + match["style"]
            elif match["move"] is not None:
                self._move(match["move"], match["number"])

    def cut(self, count: int) -> str:
        """Take out the oldest rows; returns their text."""
        cut, self.rows = self.rows[:count], self.rows[count:]
        self._row -= count
        return "\n".join(map(_row_text, cut))

    def _put(self, char: str) -> None:
        if char == "\n":
            self._down(1)
            self._column = 0
            self.since_up += 1
        elif char == "\r":
            self._column = 0
        elif char == "\b":
            self._column = max(0, self._column - 1)
        elif char == "\t":
            self._column += _TAB - self._column % _TAB
        elif self._column < _MAX_COLUMNS:
            row = self.rows[self._row]
            row.extend([_BLANK] * (self._column - len(row)))
            row[self._column : self._column + 1] = [(self._style, char)]
            self._column += 1

    def _move(self, move: str, number: str) -> None:
        count = max(1, int(number[:4] or "1"))
        if move in "AF":
            self._row = max(0, len(self.rows) - REACH_ROWS, self._row - count)
            self.since_up = 0
        elif move in "BE":
            self._down(min(count, REACH_ROWS))
        elif move == "C":
            self._column = min(_MAX_COLUMNS, self._column + count)
        elif move == "D":
            self._column = max(0, self._column - count)
        elif move in "JK":
            self._erase(move, number or "0")
        if move in "EF":
            self._column = 0
        elif move == "G":
            self._column = min(_MAX_COLUMNS, count - 1)

    def _down(self, count: int) -> None:
        self._row += count
        self.rows.extend([] for _ in range(self._row + 1 - len(self.rows)))

    def _erase(self, what: str, how: str) -> None:
        row = self.rows[self._row]
        if how in ("1", "2"):
            row[: self._column] = [_BLANK] * min(self._column, len(row))
        if how in ("0", "2"):
            del row[self._column :]
            if what == "J":
                del self.rows[self._row + 1 :]


def _row_text(row: list[Cell]) -> str:
    text, shown = "", ""
    for style, char in row:
        if style != shown:
            text += ("\x1b[0m" if shown else "") + style
            shown = style
        text += char
    return text + "\x1b[0m" if shown else text.rstrip(" ")
