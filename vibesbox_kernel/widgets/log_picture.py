"""The static picture of a log: the last lines, for pages without kernel and for front-ends without widgets."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from vibesbox_kernel.shell.ansi import without_styles
from vibesbox_kernel.shell.references import label
from vibesbox_kernel.shell.table_text import how_it_ended
from vibesbox_kernel.shell.tail_view import read_tail

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

MAX_BYTES = 100_000


class LogPicture:
    """The end of a session's output as it was when it was last read.

    Args:
        manager: Whose session it is.
        session_id: The session.
        lines: How many lines it has at most.
    """

    def __init__(self, manager: SessionManager, session_id: str, *, lines: int) -> None:
        self._manager = manager
        self._session_id = session_id
        self._lines = lines
        self._head = ""
        self._tail = ""

    async def read(self) -> None:
        """Take in what stands there now.

        Raises:
            SessionNotFoundError: There is no such session, or none any more.
        """
        end = await self._manager.newest_output_end(self._session_id)
        view = await read_tail(
            self._manager, self._session_id, oldest=0, end=end, max_lines=self._lines, max_bytes=MAX_BYTES
        )
        info = self._manager.info(self._session_id)
        self._head = f"{label(info)}, {how_it_ended(info)}; the end of its output:"
        self._tail = without_styles(view.text).rstrip("\n")

    def text(self) -> str:
        """It as text."""
        return f"{self._head}\n{self._tail}\n"

    def html(self) -> str:
        """It as HTML that needs no style sheet."""
        return f"<div>{escape(self._head)}</div><pre>{escape(self._tail)}</pre>"
