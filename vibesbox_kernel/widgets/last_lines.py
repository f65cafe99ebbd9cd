"""The last line of a session's output, as a table shows it: read seldom, and only where somebody looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.shell.ansi import without_styles
from vibesbox_kernel.shell.tail_view import read_tail

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

READ_BYTES = 2048
"""So much of the end of the output is read; a longer line is shown from the middle on."""
LONGEST_LINE = 200


class LastLines:
    """Remembers of each session the last line that was read. Belongs to one event loop."""

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._known: dict[str, tuple[int, str]] = {}

    def of(self, session_id: str) -> str:
        """The last line that is known."""
        return self._known.get(session_id, (0, ""))[1]

    def forget_all_but(self, known: set[str]) -> None:
        """Forget the sessions that are not known any more."""
        self._known = {key: one for key, one in self._known.items() if key in known}

    async def read(self, session_ids: Iterable[str]) -> None:
        """Read those of which there is more output than was read last."""
        for session_id in session_ids:
            try:
                end = self._manager.output_end(session_id)
                if end != self._known.get(session_id, (0, ""))[0]:
                    self._known[session_id] = (end, await self._read(session_id, end))
            except SessionNotFoundError:  # forgotten meanwhile
                continue

    async def _read(self, session_id: str, end: int) -> str:
        view = await read_tail(self._manager, session_id, oldest=0, end=end, max_lines=READ_BYTES, max_bytes=READ_BYTES)
        return last_line(view.text)


def last_line(text: str) -> str:
    """The last line that says something, without colours, of bounded length; its end where it is longer."""
    lines = [line for line in without_styles(text).splitlines() if line.strip()]
    line = " ".join(lines[-1].split()) if lines else ""
    line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= LONGEST_LINE else f"…{line[1 - LONGEST_LINE :]}"
