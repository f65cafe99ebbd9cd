"""Which cells are remembered nowhere: not in a history, and not as the command of their session."""

from __future__ import annotations

import re

PRIVATE_COMMAND = "# a private cell"
"""What the session of such a cell is listed with, here and on the disk."""

_PRIVATE = re.compile(r"(?:(?:%[^\n]*)?\n)*[ \t]")


def is_private(text: str) -> bool:
    """Whether a cell begins with a blank, or its script does below magic lines: bash's ``HISTCONTROL=ignorespace``."""
    return _PRIVATE.match(text) is not None
