"""The states that were committed: whose state wins.

States are numbered generations. A cell starts from the newest; only a foreground cell commits, and only if nobody has
committed a change since it began.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from vibesbox_kernel.errors import NoEarlierStateError
from vibesbox_kernel.shell.descriptors import OpenDescriptors
from vibesbox_kernel.shell.state import ShellState

KEPT_GENERATIONS = 20
"""As far one can go back, and the first besides. What has not changed they share."""

FROM_START = "your start-up files"


@dataclass(frozen=True, eq=False)
class Generation:
    """A state that was committed, and its number. Only ever equal to itself.

    Attributes:
        number: Never given twice.
        origin: What has made the state: a cell's label, or ``FROM_START``.
    """

    number: int
    state: ShellState
    origin: str


class Generations:
    """The last few, newest last, and the first.

    Args:
        state: The first.

    Attributes:
        first: Where a reset goes.
        descriptors: What is open besides; only the newest state has any, and none while a cell has them.
    """

    def __init__(self, state: ShellState) -> None:
        self.first = Generation(1, state, FROM_START)
        self._kept: deque[Generation] = deque([self.first], maxlen=KEPT_GENERATIONS)
        self._last_number = 1
        self._bases = deque([self.first], maxlen=KEPT_GENERATIONS)  # from which a cell may still commit
        self.descriptors: OpenDescriptors | None = None

    @property
    def newest(self) -> Generation:
        """What the next cell starts from."""
        return self._kept[-1]

    @property
    def earlier(self) -> tuple[Generation, ...]:
        """Those to which one can go back, the latest first."""
        return tuple(reversed(self._kept))[1:]

    def commit(
        self, base: Generation, state: ShellState, *, origin: str, descriptors: OpenDescriptors | None = None
    ) -> bool:
        """Make a state the newest, unless there was a change after the one that it was made from."""
        if base is not self.newest and not self._is_unchanged_since(base):
            return False
        self._append(state, origin, descriptors)
        self._bases.append(self.newest)
        return True

    def _is_unchanged_since(self, base: Generation) -> bool:
        """Whether cells that were quicker have left everything as it was."""
        return base in self._bases and self.descriptors is None and self.newest.state.is_as(base.state)

    def reset(self) -> None:
        """Have the first state once more; the one that was is the one before it."""
        self._append(self.first.state, FROM_START, None)
        self._forget_bases()

    def go_back(self, cells: int) -> tuple[Generation, ...]:
        """Have an earlier state once more, as though what came after it had never been.

        Returns:
            What is given up, the newest first.

        Raises:
            NoEarlierStateError: So many are not remembered; nothing has changed.
        """
        if cells >= len(self._kept):
            raise NoEarlierStateError(cells, known=len(self._kept) - 1)
        self.descriptors = None
        given_up = tuple(self._kept.pop() for _ in range(cells))
        self._forget_bases()
        return given_up

    def _forget_bases(self) -> None:
        """What cells that run now will leave is not wanted, changed or not."""
        self._bases.clear()
        self._bases.append(self.newest)

    def _append(self, state: ShellState, origin: str, descriptors: OpenDescriptors | None) -> None:
        self._last_number += 1
        self._kept.append(Generation(self._last_number, state, origin))
        self.descriptors = descriptors
