"""``%ps -f`` in IPython: the table as it changes, in one place, until the user interrupts it."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

from vibesbox_kernel.errors import BrokerError
from vibesbox_kernel.frontends.ipython_output import NOTEBOOK_WIDTH, publish
from vibesbox_kernel.frontends.terminal_screen import write
from vibesbox_kernel.shell.listing import LiveListing
from vibesbox_kernel.shell.table_text import columns

if TYPE_CHECKING:
    from vibesbox_kernel.frontends.ipython_output import Display
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.magic_args import PsArgs

HINT = "Ctrl-C ends this view; the sessions go on"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


def watch_sessions(manager: SessionManager, args: PsArgs, display: Display) -> None:
    """Show the table and keep it up to date; where nothing can be drawn over, show it once.

    Raises:
        KeyboardInterrupt: The user has seen enough.
    """
    listing = LiveListing(manager, args)
    try:
        if display.is_terminal:
            _watch_in_terminal(manager, listing, display)
        else:
            _watch_in_cell(manager, listing)
    finally:
        with contextlib.suppress(BrokerError):
            manager.engine.call(listing.aclose())


def _watch_in_terminal(manager: SessionManager, listing: LiveListing, display: Display) -> None:
    if not sys.stdout.isatty():
        write(manager.engine.call(listing.next(width=display.width)).text)
        return
    hint = f"{_DIM}{HINT}{_PLAIN}" if display.has_colours else HINT
    with contextlib.closing(LiveScreen()) as screen:
        while True:
            width, height = shutil.get_terminal_size()
            frame = listing.next(width=width, rows=height - 2, colour=display.has_colours)
            screen.draw(f"{manager.engine.call(frame).text}{hint}\n")


def _watch_in_cell(manager: SessionManager, listing: LiveListing) -> None:
    place, shown = {"display_id": f"vb-ps-{uuid4().hex[:12]}"}, ""
    while True:
        frame = manager.engine.call(listing.next(width=NOTEBOOK_WIDTH))
        if frame.text != shown:
            publish({"text/plain": frame.text, "text/html": frame.html}, transient=place, update=bool(shown))
            shown = frame.text


class LiveScreen:
    """Draws texts in a terminal, each over the one before, whatever size the terminal has become."""

    def __init__(self) -> None:
        self._drawn: list[str] = []
        write("\x1b[?25l")  # no cursor, which would be seen to jump

    def draw(self, text: str) -> None:
        """Show a text of whole lines; what does not fit into the terminal is left out."""
        width, height = shutil.get_terminal_size()
        lines = text.splitlines()[: max(1, height - 1)]
        # A terminal that has become narrower has wrapped what stood there.
        up = min(height - 1, sum(_rows(line, width) for line in self._drawn))
        start = f"\r\x1b[{up}A" if up else "\r"
        write(start + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self._drawn = lines

    def close(self) -> None:
        """Leave what was drawn last where it is."""
        write("\x1b[?25h")


def _rows(line: str, width: int) -> int:
    return max(1, -(-columns(_COLOURS.sub("", line)) // max(1, width)))
