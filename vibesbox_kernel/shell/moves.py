"""Where in its output a program goes up with the terminal's cursor."""

from __future__ import annotations

import re

_UP = re.compile(rb"\x1b\[[0-9]{0,4}[AF]")
_CUT_IN_TWO = re.compile(rb"\x1b(?:\[[0-9]{0,4})?\Z")
_MAX_SEQUENCE = 8


def first_move(data: bytes) -> tuple[int, int]:
    """Where the sequence begins and ends by which a program goes up first; twice the end if there is none."""
    found = _UP.search(data)
    return (len(data), len(data)) if found is None else found.span()


def cut_in_two(data: bytes) -> int:
    """How many bytes at the end may be the first half of going up."""
    found = _CUT_IN_TWO.search(data, max(0, len(data) - _MAX_SEQUENCE))
    return 0 if found is None else len(data) - found.start()
