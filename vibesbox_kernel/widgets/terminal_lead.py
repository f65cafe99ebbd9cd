"""Which of several terminals on one session has the say, and how large the session's own terminal is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

ROWS, COLUMNS = 24, 100
"""As a session's terminal is made."""

Hear = Callable[["Lead"], None]


@dataclass(frozen=True)
class Lead:
    """How it stands with a session's terminal.

    Attributes:
        view: The view in a browser that has the say: the last that was opened or had the focus.
        rows: The height of the session's terminal, as far as known.
        columns: Its width.
    """

    view: str = ""
    rows: int = ROWS
    columns: int = COLUMNS


class Leads:
    """The leads of all sessions; those who show one are told of every change. Belongs to one event loop.

    There can be only one: it sets the size, and what a program asks its terminal must be answered once.
    """

    def __init__(self) -> None:
        self._leads: dict[str, Lead] = {}
        self._hearers: dict[int, tuple[str, Hear]] = {}

    def follow(self, who: object, session_id: str, hear: Hear) -> None:
        """Have ``who`` told of a session's lead, until ``forget``."""
        self._hearers[id(who)] = (session_id, hear)

    def forget(self, who: object) -> None:
        """Not any more."""
        self._hearers.pop(id(who), None)

    def of(self, session_id: str) -> Lead:
        """How it stands with a session."""
        return self._leads.get(session_id, Lead())

    def set(self, session_id: str, lead: Lead) -> None:
        """Change it."""
        if lead == self.of(session_id):
            return
        self._leads[session_id] = lead
        for followed, hear in list(self._hearers.values()):
            if followed == session_id:
                hear(lead)
