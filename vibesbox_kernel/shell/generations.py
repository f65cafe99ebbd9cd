"""The states that were committed: whose state wins.

States are numbered generations. A cell starts from the newest; only a foreground cell commits, and only if nobody has
committed since it began.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from vibesbox_kernel.errors import ShellStateError
from vibesbox_kernel.shell.state import ShellState

KEPT_GENERATIONS = 10


@dataclass(frozen=True, eq=False)
class Generation:
    """A state that was committed, and its number. Only ever equal to itself."""

    number: int
    state: ShellState


class Generations:
    """The last few, newest last."""

    def __init__(self) -> None:
        self._kept: deque[Generation] = deque(maxlen=KEPT_GENERATIONS)

    @property
    def newest(self) -> Generation:
        """What the next cell starts from.

        Raises:
            ShellStateError: The first is not there yet.
        """
        if not self._kept:
            raise ShellStateError("the shell has not started yet")
        return self._kept[-1]

    def begin(self, state: ShellState) -> None:
        """Have a first state, or, after a failed start, one more."""
        self._kept.append(Generation(len(self._kept), state))

    def commit(self, base: Generation, state: ShellState) -> bool:
        """Make a state the newest, unless another has come after the one that it was made from."""
        if base is not self.newest:
            return False
        self._kept.append(Generation(base.number + 1, state))
        return True
