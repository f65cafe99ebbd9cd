"""Whether a cell sets an EXIT trap of its own, so that ours must be put behind it (``bash/exit-trap.sh``)."""

from __future__ import annotations

import re

from vibesbox_kernel.shell.state import ShellState

_SETS = re.compile(r"\btrap\b[^\n]*[\s'\"](?:EXIT|exit|SIGEXIT|0)\b")
_OTHERS = re.compile(r"\b(?:DEBUG|ERR|RETURN)\b|\btrap\s*\(\)|\bfunction\s+trap\b")
_OTHER_TRAPS = frozenset({b"DEBUG", b"ERR", b"RETURN"})


def sets_exit_trap(script: str, state: ShellState) -> bool:
    """Whether a cell looks as if it set one, and the way in which ours is put behind it disturbs nothing else.

    One that a function of an earlier cell sets is not seen: then the state is as before the cell, and that is said.
    """
    if "trap" not in script:  # which is seen at once, while a pattern takes its time in a megabyte
        return False
    if _SETS.search(script) is None or _OTHERS.search(script) is not None:
        return False
    return not _OTHER_TRAPS.intersection(state.traps) and "trap" not in state.function_names
