"""What bash's own ``history`` and ``fc`` know in a cell: the cells before it.

They are told only to a cell that speaks of one of them, and only in the bash: the user's history file is never read or
written. The history that the arrow keys walk through is the front-end's (``frontends/history``).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from vibesbox_kernel.shell.quoting import quote

REMEMBERED_CELLS = 500
_ASKS = re.compile(r"\b(?:history|fc)\b")


class Recall:
    """The texts of the foreground cells so far."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque(maxlen=REMEMBERED_CELLS)

    def note(self, script: str) -> None:
        """Remember a cell, unless it is empty."""
        text = script.strip("\n")
        if text:
            self._texts.append(text)

    def wanted_by(self, script: str) -> tuple[str, ...]:
        """What a cell wants to know; nothing, unless it asks."""
        may_ask = "history" in script or "fc" in script  # seen at once; a pattern takes its time in a megabyte
        return tuple(self._texts) if may_ask and _ASKS.search(script) else ()


def recall_text(scripts: Iterable[str]) -> bytes:
    """What tells a bash."""
    return b"\n".join(
        b"builtin history -s -- " + quote(script.encode("utf-8", "surrogateescape").replace(b"\0", b""))
        for script in scripts
    )
