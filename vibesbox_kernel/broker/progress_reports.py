r"""Reports of progress in a session's output: the sequence OSC 9;4, by which programs tell a terminal.

``ESC ] 9 ; 4 ; STATE ; PERCENT`` and BEL or ``ESC \``; the states are 0 (none any more), 1 (normal), 2 (error),
3 (indeterminate) and 4 (paused). What a cell shows of output is without it.

Source: ConEmu's documentation, ANSI escape codes; Windows Terminal, "Set the progress bar".
"""

from __future__ import annotations

import re
from typing import NamedTuple

ESCAPE = b"\x1b"
NONE = "none"
"""The state of what reports that there is no progress any more."""

_STATES = (NONE, "normal", "error", "indeterminate", "paused")
_BEGIN = b"\x1b]9;4;"
_WHOLE = re.compile(rb"\x1b\]9;4;([0-4])(?:;([0-9]{0,9}))?;?(?:\x07|\x1b\\)")
_BEGUN = re.compile(rb"\x1b(?:\](?:9(?:;(?:4(?:;[0-9;]{0,12}\x1b?)?)?)?)?)?\Z")
_LONGEST_BEGUN = 24
_LOOK_BACK = 256
"""Of very many reports in one read only the last are looked at: each takes the place of the one before."""


class Report(NamedTuple):
    """What a session says of its progress.

    Attributes:
        state: One of ``PROGRESS_STATES``, or ``NONE``.
        fraction: 0 to 1, or None for what it said last.
        text: What it does, or None for what it said last.
    """

    state: str
    fraction: float | None = None
    text: str | None = None


def find_reports(data: bytes, begun: bytes) -> tuple[list[Report], bytes]:
    """The last reports in what was read, oldest first.

    Args:
        data: What was read.
        begun: What the last read of the same stream left; empty at first.

    Returns:
        The reports, and the end of the data if it may begin another one: for the next read.
    """
    if begun:
        data = begun + data
    last = data.rfind(_BEGIN)
    reports = []
    if last >= 0:
        reports = [_report(*match.groups()) for match in _WHOLE.finditer(data, max(0, last - _LOOK_BACK))]
    cut = _BEGUN.search(data, max(0, len(data) - _LONGEST_BEGUN))
    return reports, b"" if cut is None else cut.group()


def _report(state: bytes, percent: bytes | None) -> Report:
    word = _STATES[int(state)]
    if percent:
        return Report(word, min(int(percent), 100) / 100)
    # Who says normal says how far; of an error or a pause what was reached stands.
    return Report(word, 0.0 if word == "normal" else None)
