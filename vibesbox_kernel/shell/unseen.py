"""Characters of a cell that nobody sees and that bash takes in its own way: they are said, or nobody finds them."""

from __future__ import annotations

import re

_LONE_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # the others stand for bytes that are no UTF-8
_BYTE_ORDER_MARK = "\ufeff"
_SHOWN_LINES = 3


def without_unseen(script: str, *, first_line: int = 1) -> tuple[str, tuple[str, ...]]:
    """What of a script can be run, and what the user should know of it.

    Bash leaves NUL out, as a program's text can not have it; a carriage return at a line's end belongs to the line's
    last word, and a byte order mark, which editors of Windows put first, to the first.

    Args:
        script: The text of a cell.
        first_line: The number of its first line in that cell.
    """
    notices = []
    if script.startswith(_BYTE_ORDER_MARK):
        script = script.removeprefix(_BYTE_ORDER_MARK)
        notices.append("the cell began with a byte order mark (U+FEFF), which was left out")
    if "\0" in script:
        notices.append(f"the cell has {_count(script.count(chr(0)), 'NUL character')}, which bash leaves out")
        script = script.replace("\0", "")
    if not script.isascii() and _LONE_SURROGATE.search(script):
        script, count = _LONE_SURROGATE.subn("\N{REPLACEMENT CHARACTER}", script)
        notices.append(f"the cell has {_count(count, 'half character')} (a lone surrogate), now U+FFFD")
    if "\r\n" in script or script.endswith("\r"):
        notices.append(_on_carriage_returns(script, first_line))
    return script, tuple(notices)


def _on_carriage_returns(script: str, first_line: int) -> str:
    lines = [number for number, line in enumerate(script.split("\n"), start=first_line) if line.endswith("\r")]
    shown = ", ".join(map(str, lines[:_SHOWN_LINES])) + (" and others" if len(lines) > _SHOWN_LINES else "")
    where = f"line {shown} ends" if len(lines) == 1 else f"lines {shown} end"
    return f"{where} in a carriage return (the line ends of Windows), which bash takes for part of the last word"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"
