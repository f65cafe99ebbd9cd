"""Where the output of one execute request goes: to the cell that asked, whatever runs meanwhile."""

# mypy: allow-untyped-calls
# ipykernel annotates few of its methods.
from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from vibesbox_kernel.frontends.journal import Journal
from vibesbox_kernel.frontends.replay import Replay
from vibesbox_kernel.models import StreamName

if TYPE_CHECKING:
    from ipykernel.kernelbase import Kernel

    from vibesbox_kernel.frontends.asking import FrontEnd
    from vibesbox_kernel.frontends.replies import Failure
    from vibesbox_kernel.widgets.static_view import Publish


class Offer(Protocol):
    """Offers a terminal on a session in a cell."""

    def __call__(self, publish: Publish, session_id: str) -> None:
        """Offer it, by what shows something in that cell."""


class CellOutput:
    """The iopub messages of one execute request; also the sink of what its sessions write.

    Holds the request's header itself: what the kernel believes to be the current request is another
    one by the time a background session writes. May be used from any thread.

    Args:
        kernel: Sends the messages.
        parent: The execute request.
        silent: Publish nothing at all, as the request wished.
        respondent: Whoever has sent the request, to be asked for input.
        offer: Offers a terminal on a session in the cell; None where nobody could press its button.

    Attributes:
        payload: What the reply shall ask of the front-end.
    """

    def __init__(
        self,
        kernel: Kernel,
        parent: dict[str, Any],
        *,
        silent: bool = False,
        respondent: FrontEnd | None = None,
        offer: Offer | None = None,
    ) -> None:
        self.respondent = respondent
        self._offer = offer
        self._kernel = kernel
        self._parent = {"header": parent["header"]} if "header" in parent else {}
        self._silent = silent
        self._placed: set[str] = set()
        self._journal: Journal | None = Journal()
        self._at_line_start = True
        self._replay = Replay()
        self._passing = ""
        self.payload: list[dict[str, Any]] = []

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        """Show a session's output."""
        self._stream(stream.value, text)

    def take_back(self, lines: int) -> None:
        """Take back the last lines, if there is little else in the cell yet: it is cleared and written again."""
        kept = None if self._journal is None else self._journal.without_last(lines)
        if kept is not None:
            self._journal, self._at_line_start = Journal(), True
            self._replay, self._passing = Replay(), ""
            self._send("clear_output", {"wait": True})
            for name, text in kept:
                self._stream(name, text)

    def passing(self, text: str) -> None:
        """Show a line that is kept nowhere, if the cell can be cleared and written again when it is to go."""
        if self._silent or text == self._passing or (text and not self._can_be_written_again):
            return
        if not text:
            self._let_pass()
            return
        kind = "update_display_data" if self._passing else "display_data"
        self._passing = text
        transient = {"display_id": f"vb-passing-{self._uid}"}
        self._send(kind, {"data": {"text/plain": text}, "metadata": {}, "transient": transient})

    def omitted(self, notice: str) -> None:
        """Say in a line what of a session's output is left out; a later notice takes the line's place."""
        self._place("omitted", notice)

    def tail(self, text: str) -> None:
        """Show the end of a long output, in place of its former end."""
        self._place("tail", text)

    def line(self, text: str, *, name: str = "stdout") -> None:
        """Show a line of our own, beginning at a line's start."""
        start = "" if self._at_line_start else "\n"
        self._stream(name, f"{start}{text.rstrip()}\n")
        self._journal = None  # or it would be this line that is taken back

    def display(
        self,
        data: Mapping[str, Any],
        *,
        display_id: str | None = None,
        update: bool = False,
        again: bool = False,
    ) -> None:
        """Show a MIME bundle, or put it in place of what was shown with this display id.

        Args:
            data: The bundle.
            display_id: By which it can be replaced.
            update: Replace what has this id.
            again: If it is a widget, it may be taken away and shown again at any time.
        """
        transient = {} if display_id is None else {"display_id": display_id}
        content = {"data": dict(data), "metadata": {}, "transient": transient}
        self._at_line_start = self._at_line_start or not update  # what follows a display begins anew
        self._journal = None
        self._show("update_display_data" if update else "display_data", content, again=again)

    def offer_terminal(self, session_id: str) -> None:
        """Show a button that opens a terminal on the session, if anybody is there to press it."""
        if self._offer is not None and not self._silent:
            self._offer(self.display, session_id)

    def replace_cell(self, text: str) -> None:
        """Have the front-end put a text in the place of the cell, when the reply has come."""
        self.payload.append({"source": "set_next_input", "text": text, "replace": True})

    def error(self, failure: Failure) -> None:
        """Show why the cell failed."""
        self._let_pass()
        self._send("error", failure.content())

    def _place(self, name: str, text: str) -> None:
        display_id, update = f"vb-{name}-{self._uid}", name in self._placed
        self._placed.add(name)
        self.display({"text/plain": text}, display_id=display_id, update=update)

    def _stream(self, name: str, text: str) -> None:
        if text:
            self._at_line_start = text.endswith("\n")
            if self._journal is not None and not self._journal.add(name, text):
                self._journal = None
            self._show("stream", {"name": name, "text": text})

    def replied(self) -> None:
        """The request has its reply: nobody waits for the cell any more, which need not be written again."""
        self._let_pass()
        self._replay.lose()

    @cached_property
    def _uid(self) -> str:
        return uuid4().hex[:12]

    @property
    def _can_be_written_again(self) -> bool:
        # A question and its answer are the front-end's: they are in the cell, and not known here.
        asked = self.respondent is not None and self.respondent.has_asked
        return not (asked or self._replay.is_lost)

    def _let_pass(self) -> None:
        """Take the passing line away: a page can only clear all of it."""
        if self._passing:
            self._passing = ""
            messages = self._replay.messages()
            self._send("clear_output", {"wait": bool(messages)})
            for kind, content in messages:
                self._send(kind, content)

    def _show(self, kind: str, content: dict[str, Any], *, again: bool = False) -> None:
        """Send something that stays in the cell."""
        self._let_pass()
        self._replay.note(kind, content, again=again)
        self._send(kind, content)

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        kernel = self._kernel
        if self._silent or kernel.session is None:
            return
        kernel.session.send(kernel.iopub_socket, kind, content, parent=self._parent, ident=kernel._topic(kind))
