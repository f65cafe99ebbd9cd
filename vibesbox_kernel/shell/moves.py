"""Where in its output a program goes up with the terminal's cursor."""

from __future__ import annotations

import re

_UP = re.compile(rb"\x1b\[[0-9]{0,4}[AF]")
_CUT_IN_TWO = re.compile(rb"\x1b(?:\[[0-9]{0,4})?\Z")
_MAX_SEQUENCE = 8


def first_move(data: bytes) -> int:
    """Where a program goes up first; the end of the data if it does not."""
    found = _UP.search(data)
    return len(data) if found is None else found.start()


def cut_in_two(data: bytes) -> int:
    """How many bytes at the end may be the first half of going up."""
    found = _CUT_IN_TWO.search(data, max(0, len(data) - _MAX_SEQUENCE))
    return 0 if found is None else len(data) - found.start()
