r"""Carry out the overwriting that ``\r``, ``\b`` and "erase the line" ask for, on text from an ``OutputFilter``."""

from __future__ import annotations

import re

from vibesbox_kernel.shell.ansi import OutputFilter
from vibesbox_kernel.shell.grid import Grid
from vibesbox_kernel.shell.line_model import units
from vibesbox_kernel.shell.moves import first_move

_MOVE = re.compile(r"[\r\b]|\x1b\[[012]?K")
_PIECE = re.compile(r"\x1b\[(?P<erase>[012]?)K|(?P<style>\x1b\[[0-9;:]*m)|(?P<move>[\r\b])|(?P<plain>[^\x1b\r\b]+)")


def drop_overwritten(text: str) -> str:
    """Leave out what a front-end would overwrite anyway, so that a fast progress bar is a short message.

    The front-end shows the same afterwards as with the whole text, whatever stood on its last line before.
    """
    if "\r" not in text:
        return text
    first, *others = text.split("\n")
    return "\n".join([_drop_in_first_line(first), *(_drop_in_line(line) for line in others)])


def _drop_in_first_line(line: str) -> str:
    """The first piece goes on from a column that is not known here: it stays."""
    first, back, rest = line.partition("\r")
    return first + back + _drop_in_line(rest)


def _drop_in_line(line: str) -> str:
    if "\r" not in line or "\b" in line:
        return line
    last, *earlier = reversed(line.split("\r"))
    kept, longest = [last], units(last)
    for frame in earlier:
        if units(frame) > longest:  # its end is still to be seen
            kept.append(frame)
            longest = units(frame)
    return "\r".join(reversed(kept))


def perform(text: str) -> str:
    """The text as a terminal would show it in the end: nothing that moves or erases is left, colours stay.

    For outputs that overwrite nothing by themselves: a display, a static page, a tail.
    """
    if not _MOVE.search(text):
        return text
    return "\n".join(_perform_line(line) for line in text.split("\n"))


def clean(data: bytes) -> str:
    """Bytes of output, in one step, as text that shows as it stands."""
    if first_move(data)[0] < len(data):
        grid = Grid()
        grid.feed(OutputFilter(terminal=True, moves=True).feed(data, final=True))
        return grid.text
    return perform(OutputFilter(terminal=True).feed(data, final=True))


def _perform_line(line: str) -> str:
    if not _MOVE.search(line):
        return line
    cells: list[str] = []  # one character each, with the colour codes before it
    index = 0
    styles = ""
    for match in _PIECE.finditer(line):
        if match.lastgroup == "style":
            styles += match["style"]
        elif match.lastgroup == "move":
            index = 0 if match["move"] == "\r" else max(0, index - 1)
        elif match.lastgroup == "erase":
            _erase(cells, index, match["erase"])
        else:
            for char in match["plain"]:
                cells[index : index + 1] = [styles + char]
                styles = ""
                index += 1
    return "".join(cells) + styles


def _erase(cells: list[str], index: int, how: str) -> None:
    if how in ("1", "2"):
        cells[:index] = [" "] * index
    if how != "1":
        del cells[index:]
