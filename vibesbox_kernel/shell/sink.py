"""Where the output of a session is shown, as the shell floor sees it; each front door brings its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from vibesbox_kernel.models import StreamName


class OutputSink(Protocol):
    """Where the output of one session is shown. Its methods are called on the loop that runs the pump."""

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        r"""Append text to a stream: filtered, in whole characters, never ending in ``\r``."""

    def take_back(self, lines: int) -> None:
        """Take back, if that can be done, the end of the text: the last line, if it is not ended, and so many before.

        They are shown in a display that comes next.
        """

    def line(self, text: str) -> None:
        """Show a line of our own, beginning at a line's start."""

    def passing(self, text: str) -> None:
        """Show a line in passing: whatever is shown next takes it away, and so does an empty one."""

    def omitted(self, notice: str) -> None:
        """Show one line that says what is left out and how to see it. A later call replaces the line."""

    def tail(self, text: str) -> None:
        """Show the last lines in a block of their own, in place of its last contents."""

    def offer_terminal(self, session_id: str) -> None:
        """Offer a terminal on the session, where that can be done: it draws what is not shown here."""

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        """Show something rich, given by MIME types, behind what is shown; or in place of what has its id."""
