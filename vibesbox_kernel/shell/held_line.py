"""The last, unfinished line of a cell's output, held back for a moment: it may be a prompt, which the box shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.models import StreamName

if TYPE_CHECKING:
    from vibesbox_kernel.shell.sink import OutputSink

HOLD_SECONDS = 0.15
"""A little longer than it takes to see that the session waits for input, on a machine that is not busy."""

IsPrompt = Callable[[], Awaitable[bool]]


class HeldLine:
    """An ``OutputSink`` in front of another. What ends in the middle of a line passes a little later.

    A front-end shows the prompt of its input box, and then the answer, in the cell. So a prompt that was taken
    for the box is not shown here, and neither is what the terminal echoes of the answer.

    Args:
        sink: Shows what passes.
        holds: Hold anything back at all.
    """

    def __init__(self, sink: OutputSink, *, holds: bool = True) -> None:
        self._sink = sink
        self._held = self._lent = ""
        self._echo = ""
        self._seen_of_echo = 0
        self._timer: asyncio.TimerHandle | None = None
        self._passes = not holds
        self._stream = StreamName.STDOUT
        self._is_prompt: IsPrompt | None = None
        self._deciding: asyncio.Task[None] | None = None

    def decide_by(self, is_prompt: IsPrompt) -> None:
        """Ask, when the time of what is held is up, whether it is a prompt; if so, it is left to whoever lends it."""
        self._is_prompt = is_prompt

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        """Called by the pump."""
        if stream is not self._stream:
            self.release()
            self._stream = stream
        text = self._held + self._without_echo(text)
        self._held = ""
        # A line that overwrites itself shows progress: it is no prompt, and must not lag.
        cut = text.rfind("\n") + 1
        if self._passes or "\r" in text[cut:]:
            cut = len(text)
        self._hold(text[cut:])
        self._show(text[:cut])

    def line(self, text: str) -> None:
        """Called where something is to be said between the output."""
        self.release()
        self._sink.line(text)

    def passing(self, text: str) -> None:
        """Called while nothing comes."""
        self._sink.passing(text)

    def take_back(self, lines: int) -> None:
        """Called by the pump."""
        self._take()
        self._sink.take_back(lines)

    def omitted(self, notice: str) -> None:
        """Called by the pump."""
        self.release()
        self._sink.omitted(notice)

    def tail(self, text: str) -> None:
        """Called by the pump."""
        self.release()
        self._sink.tail(text)

    def offer_terminal(self, session_id: str) -> None:
        """Called by the pump."""
        self.release()
        self._sink.offer_terminal(session_id)

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        """Called by the pump."""
        self.release()
        self._sink.display(data, display_id=display_id, update=update)

    def lend(self) -> None:
        """What is held is shown elsewhere now, as a prompt."""
        self._sink.passing("")
        self._lent = self._take()

    def drop_lent(self) -> None:
        """What was lent was answered: it need not be shown any more."""
        self._lent = ""

    def show_lent(self) -> None:
        """Nobody else shows what was lent any more."""
        lent, self._lent = self._lent, ""
        self._show(lent)

    def release(self) -> None:
        """Show what is held."""
        self._show(self._take())

    def expect_echo(self, text: str) -> None:
        """Do not show this text if it is what comes next: it is the terminal's echo of an answer."""
        self._echo, self._seen_of_echo = text, 0

    def close(self) -> None:
        """Hold nothing any more."""
        self._passes = True
        self._echo = ""
        if self._deciding is not None:
            self._deciding.cancel()
        self.show_lent()
        self.release()

    def _take(self) -> str:
        taken, self._held = self._held, ""
        self._stop_timer()
        return taken

    def _show(self, text: str) -> None:
        if text:
            self._sink.text(text, self._stream)

    def _hold(self, text: str) -> None:
        self._held = text
        if not text:
            self._stop_timer()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        if self._is_prompt is None:
            self.release()
        elif self._deciding is None or self._deciding.done():
            self._deciding = asyncio.create_task(self._decide(self._is_prompt), name="vibesbox-held-line")

    async def _decide(self, is_prompt: IsPrompt) -> None:
        if not await is_prompt():
            self.release()
        elif self._held and self._timer is None:  # about to be lent, unless the question ends just now
            self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._time_is_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _without_echo(self, text: str) -> str:
        expected = self._echo[self._seen_of_echo :]
        if not expected:
            return text
        if text.startswith(expected):
            self._echo = ""
            return text[len(expected) :]
        if expected.startswith(text):
            self._seen_of_echo += len(text)
            return ""
        seen, self._echo = self._echo[: self._seen_of_echo], ""
        return seen + text  # it was something else
