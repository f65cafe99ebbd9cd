"""Output in a terminal, beside what the user types there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from typing import Any

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.shell.ansi import without_styles
from vibesbox_kernel.shell.table_text import columns


class TerminalScreen:
    """Shows output in a terminal, where nothing can be replaced but what was written last.

    While much comes, a line follows the output; its last lines are written when there is no more. A block of lines that
    a program rewrites is rewritten here, too, until something else is written; where Python's output is no terminal,
    only what it has come to is written.
    """

    def __init__(self) -> None:
        self._block: tuple[str | None, str] | None = None
        self._tail = ""
        self._following = False
        self._at_line_start = True
        self._passing = False
        self._column = 0

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        """Append text."""
        self._make_room()
        self._note_column(text)
        write(text, error=stream is StreamName.STDERR)

    def take_back(self, lines: int) -> None:
        """Go up and erase, where that can be done."""
        self._make_room()
        if sys.stdout.isatty():
            write("\r" + (f"\x1b[{lines}A" if lines else "") + "\x1b[J")
            self._at_line_start = True

    def passing(self, text: str) -> None:
        """Show a line below what was written last, and go back there when it is to go."""
        if not sys.stdout.isatty() or self._following or self._block is not None:
            return
        self._erase_passing()
        width = shutil.get_terminal_size().columns
        if text and self._column < width:
            self._passing = True
            write(("" if self._at_line_start else "\n") + text[: width - 1])

    def omitted(self, notice: str) -> None:
        """Show what is left out, the first time: what was written stays."""
        if not self._tail:
            self.line(notice, error=True)

    def tail(self, text: str) -> None:
        """Keep the last lines for the end, and show the very last one as it changes."""
        self._tail = text
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        if sys.stdout.isatty():
            self._make_room()
            self._following = True
            write(last[: shutil.get_terminal_size().columns - 1])

    def offer_terminal(self, session_id: str) -> None:
        """Leave it: there are no widgets here."""

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        """Show what of it is text."""
        plain = data.get("text/plain")
        if not isinstance(plain, str):
            return
        if update and self._block is not None and self._block[0] == display_id:
            self._erase_block()
        else:
            self._make_room()
            write("" if self._at_line_start else "\n")
        self._block, self._at_line_start = (display_id, plain.removesuffix("\n")), True
        if sys.stdout.isatty():
            write(self._block[1])

    def line(self, text: str, *, error: bool = False) -> None:
        """Show a line of our own."""
        self._make_room()
        write("" if self._at_line_start else "\n")
        self._at_line_start = True
        write(f"{text.rstrip()}\n", error=error)

    def close(self) -> None:
        """Write the last lines."""
        self._make_room()
        if self._tail:
            self.text(self._tail if self._tail.endswith("\n") else f"{self._tail}\n")
            self._tail = ""

    def _erase_passing(self) -> None:
        if self._passing:
            self._passing = False
            back = "" if self._at_line_start else f"\x1b[A\x1b[{self._column + 1}G"
            write(f"\r\x1b[K{back}")

    def _note_column(self, text: str) -> None:
        """Where the text ends on its line, to come back there."""
        last = text[max(text.rfind("\n"), text.rfind("\r")) + 1 :]
        begun = self._column if len(last) == len(text) and not self._at_line_start else 0
        self._column = begun + columns(without_styles(last))
        self._at_line_start = text.endswith("\n")

    def _erase_block(self) -> None:
        if self._block is not None and sys.stdout.isatty():
            rows_up = self._block[1].count("\n")
            write("\r" + (f"\x1b[{rows_up}A" if rows_up else "") + "\x1b[J")

    def _make_room(self) -> None:
        """For what comes next: end the block, erase the line that followed."""
        self._erase_passing()
        if self._block is not None:
            (_, text), self._block = self._block, None
            write("\n" if sys.stdout.isatty() else f"{text}\n")
        if self._following:
            self._following = False
            write("\r\x1b[0m\x1b[K")


def ring(text: str) -> None:
    """Have the terminal tell something, by its bell and, in those that know OSC 9, as a notification.

    Nothing of it is seen among what stands there, so it may come at any time, from any thread.
    """
    terminal = sys.__stdout__
    if terminal is not None and not terminal.closed and terminal.isatty():
        # Never the text alone: one that began with "4;" would be a report of progress.
        plain = "".join(char for char in text if char.isprintable())
        terminal.write(f"\x1b]9;vibesbox: {plain}\x07\x07")
        terminal.flush()


def write(text: str, *, error: bool = False) -> None:
    """Write to what is Python's output now, and have it seen at once."""
    stream = sys.stderr if error else sys.stdout
    if text:
        stream.write(text)
        stream.flush()
