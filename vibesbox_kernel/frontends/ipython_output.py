"""Where the output of the extension goes: to the terminal, or to the cell that asked.

A foreground session is shown by the thread that waits for it, through ``sys.stdout``, so that what captures
Python's output (``%%capture``, a redirection) has the session's too. What comes later goes to the cell that it
belongs to; in a terminal it does not come between the lines that somebody is typing: ``%tail`` has it.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

from IPython.display import publish_display_data

from vibesbox_kernel.frontends.cell_output import CellOutput, Offer
from vibesbox_kernel.frontends.terminal_screen import TerminalScreen, write
from vibesbox_kernel.models import StreamName
from vibesbox_kernel.shell.sink import OutputSink

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from vibesbox_kernel.shell.verb_result import VerbResult

NOTEBOOK_WIDTH = 100
"""Columns of a table as text; as wide as the terminals of sessions."""

MAX_PASSING = 5
"""In a Python cell each line that was shown in passing leaves an empty display, which nobody sees."""

T = TypeVar("T")
_Piece = Callable[[OutputSink], None]
"""Something that a sink is to show."""


def kernel_of(shell: InteractiveShell) -> Any:
    """The ipykernel that a shell belongs to; None in a terminal."""
    kernel = getattr(shell, "kernel", None)
    return kernel if getattr(kernel, "iopub_socket", None) is not None else None


class Screen(OutputSink, Protocol):
    """Shows output on the thread that runs the magic."""

    def line(self, text: str, *, error: bool = False) -> None:
        """Show a line of our own, beginning at a line's start."""

    def close(self) -> None:
        """Nothing more will come."""


class Display:
    """What the user looks at.

    Args:
        shell: The shell whose magics show something.
        offer: Offers a terminal on a session in a cell.
    """

    def __init__(self, shell: InteractiveShell, *, offer: Offer) -> None:
        self._offer = offer
        self._shell = shell
        self._kernel = kernel_of(shell)

    @property
    def is_terminal(self) -> bool:
        """Whether it shows only text, as a terminal does."""
        return self._kernel is None

    @property
    def width(self) -> int:
        """Columns that a table may take."""
        return shutil.get_terminal_size().columns if self.is_terminal else NOTEBOOK_WIDTH

    @property
    def has_colours(self) -> bool:
        """Whether a table may have colours: in a terminal, unless the user has turned them off.

        Source: no-color.org.
        """
        wanted = str(self._shell.colors).lower() != "nocolor" and not os.environ.get("NO_COLOR")
        return self.is_terminal and wanted and sys.stdout.isatty()

    def show(self, result: VerbResult) -> None:
        """Show what a magic gave."""
        if result.html is None or self.is_terminal:
            write(result.text)
        else:
            publish({"text/plain": result.text, "text/html": result.html})

    def new_screen(self) -> Screen:
        """Where a foreground session is shown."""
        cell = self.cell_output()
        return TerminalScreen() if cell is None else NotebookScreen(cell)

    @property
    def takes_input(self) -> bool:
        """Whether somebody may be there to answer a question."""
        return self.is_terminal or bool(getattr(self._kernel, "_allow_stdin", False))

    def cell_output(self) -> CellOutput | None:
        """The output of the cell that runs now, to be used from any thread and after its end; None in a terminal."""
        if self.is_terminal:
            return None
        offer = self._offer if self.takes_input else None  # where nobody answers, nobody presses a button
        return CellOutput(self._kernel, self._kernel.get_parent(), offer=offer)


class Relay:
    """An ``OutputSink`` that hands what the engine's thread brings to the thread that waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Piece | None] = SimpleQueue()
        self._detached = False
        self._later: OutputSink | None = None

    @property
    def is_attached(self) -> bool:
        """Whether a thread waits for what comes."""
        return not self._detached

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        """Called by the pump."""
        self._put(lambda sink: sink.text(text, stream))

    def take_back(self, lines: int) -> None:
        """Called by the pump."""
        self._put(lambda sink: sink.take_back(lines))

    def passing(self, text: str) -> None:
        """Called while nothing comes."""
        self._put(lambda sink: sink.passing(text))

    def line(self, text: str) -> None:
        """Called where something is to be said between the output."""
        self._put(lambda sink: sink.line(text))

    def omitted(self, notice: str) -> None:
        """Called by the pump."""
        self._put(lambda sink: sink.omitted(notice))

    def tail(self, text: str) -> None:
        """Called by the pump."""
        self._put(lambda sink: sink.tail(text))

    def offer_terminal(self, session_id: str) -> None:
        """Called by the pump."""
        self._put(lambda sink: sink.offer_terminal(session_id))

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        """Called by the pump."""
        self._put(lambda sink: sink.display(data, display_id=display_id, update=update))

    def do(self, piece: Callable[[OutputSink], None]) -> None:
        """Have something done by the thread that waits, after everything that was shown before."""
        self._put(piece)

    def show_until_done(self, work: Future[T], screen: OutputSink) -> None:
        """Show what comes until the work is done, and everything that came before its end."""
        work.add_done_callback(lambda _: self._queue.put(None))
        while (piece := self._queue.get()) is not None:
            piece(screen)

    def detach(self, later: OutputSink | None) -> None:
        """From here on nobody waits: hand over directly, or let it be where there is no sink."""
        with self._lock:
            self._detached, self._later = True, later
            while not self._queue.empty():
                piece = self._queue.get()
                if piece is not None and later is not None:
                    piece(later)

    def _put(self, piece: _Piece) -> None:
        with self._lock:
            if not self._detached:
                self._queue.put(piece)
            elif self._later is not None:
                piece(self._later)


class NotebookScreen:
    """Shows output in the cell that runs now.

    Args:
        cell: The output of that cell.
    """

    def __init__(self, cell: CellOutput) -> None:
        self._cell = cell
        self._uid = uuid4().hex[:12]
        self._placed: set[str] = set()
        self._at_line_start = True
        self._passing = ""
        self._passed = 0

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        """Append text."""
        self.passing("")
        self._at_line_start = text.endswith("\n")
        write(text, error=stream is StreamName.STDERR)

    def take_back(self, lines: int) -> None:
        """Leave it: what else stands in this cell is not known here."""

    def passing(self, text: str) -> None:
        """Show a line in a display that is emptied when it is to go; not within a line, which it would cut in two."""
        starts = bool(text) and not self._passing
        if text == self._passing or (starts and not self._may_pass):
            return
        self._passed += starts
        self._passing = text
        data = {"text/plain": text} if text else {}
        # Sent past what captures Python's output: it is not output.
        self._cell.display(data, display_id=f"vb-passing-{self._uid}-{self._passed}", update=not starts)

    @property
    def _may_pass(self) -> bool:
        return self._at_line_start and self._passed < MAX_PASSING

    def omitted(self, notice: str) -> None:
        """Show what is left out."""
        self._place("omitted", notice)

    def tail(self, text: str) -> None:
        """Show the last lines, in place."""
        self._place("tail", text)

    def offer_terminal(self, session_id: str) -> None:
        """Show a button that opens one."""
        self.passing("")
        self._at_line_start = True
        self._cell.offer_terminal(session_id)

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        """Show a MIME bundle, or replace one."""
        self.passing("")
        self._at_line_start = True
        publish(data, transient={} if display_id is None else {"display_id": display_id}, update=update)

    def line(self, text: str, *, error: bool = False) -> None:
        """Show a line of our own."""
        self.passing("")
        write("" if self._at_line_start else "\n")
        self._at_line_start = True
        write(f"{text.rstrip()}\n", error=error)

    def close(self) -> None:
        """Everything is shown already."""
        self.passing("")

    def _place(self, name: str, text: str) -> None:
        self.passing("")
        update = name in self._placed
        self._placed.add(name)
        publish({"text/plain": text}, transient={"display_id": f"vb-{name}-{self._uid}"}, update=update)


def publish(data: Mapping[str, Any], **how: Any) -> None:
    """Show a MIME bundle by whatever shows bundles now."""
    publish_display_data(dict(data), **how)  # type: ignore[no-untyped-call]
