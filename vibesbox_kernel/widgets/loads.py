"""How much CPU sessions use at present, from what they have used in all at two moments."""

from __future__ import annotations

from collections.abc import Iterable

from vibesbox_kernel.models import SessionInfo


class Loads:
    """Remembers of each running session what it had used at the last tick."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[float, float]] = {}
        self._loads: dict[str, int] = {}

    def of(self, session_id: str) -> int:
        """Percent of one core, as of the last tick."""
        return self._loads.get(session_id, 0)

    def tick(self, sessions: Iterable[SessionInfo], at: float) -> None:
        """Take in the newest figures.

        Args:
            sessions: The sessions as they stand now; of those that are left out nothing is remembered.
            at: Seconds on a clock that is never set.
        """
        before, self._used, self._loads = self._used, {}, {}
        for info in sessions:
            if info.ended_at is not None or info.cpu is None:
                continue
            self._used[info.session_id] = (at, info.cpu)
            then, used = before.get(info.session_id, (at, info.cpu))
            if at > then:
                self._loads[info.session_id] = max(0, round(100 * (info.cpu - used) / (at - then)))
