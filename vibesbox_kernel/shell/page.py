"""What a front-end is given of a session's head: text, and blocks of lines that are rewritten in place."""

from __future__ import annotations

from collections.abc import Iterable

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.shell.head import Head
from vibesbox_kernel.shell.moves import cut_in_two, first_move
from vibesbox_kernel.shell.outgoing import Outgoing
from vibesbox_kernel.shell.rewriting import LiveBlock, Recent
from vibesbox_kernel.shell.sink import OutputSink


class Page:
    """Takes bytes in their order, and shows them in turns.

    Args:
        sink: Where they are shown.
        head: Says how much there is, and when it is enough.
        uid: Makes the ids of its blocks unique.
    """

    def __init__(self, sink: OutputSink, head: Head, *, uid: str) -> None:
        self._sink = sink
        self._head = head
        self._uid = uid
        self._waiting = Outgoing()
        self._recent: dict[StreamName, Recent] = {}
        self._halves: dict[StreamName, bytes] = {}
        self._live: LiveBlock | None = None
        self._blocks = 0

    def take(self, stream: StreamName, data: bytes) -> None:
        """Take what there is room for; the head's cursor says how much that was."""
        half = self._halves.pop(stream, b"")
        self._head.pass_over(-len(half))
        data = half + data
        while data and not self._head.over:
            data = self._take_live(data) if self._is_live(stream) else self._take_plain(stream, data)

    def absorb(self, stream: StreamName, data: bytes) -> None:
        """Take all of it, room or not."""
        while data and self._is_live(stream):
            data = self._take_live(data)
        self._waiting.add(stream, self._head.absorb(data, stream))

    def add(self, texts: Iterable[tuple[StreamName, str]]) -> None:
        """Take texts that are ready to be shown."""
        for stream, text in texts:
            self._waiting.add(stream, text)

    def send(self) -> list[str]:
        """Show what waits; returns what was sent."""
        messages = self._waiting.take()
        for stream, text in messages:
            self._sink.text(text, stream)
        sent = [text for _, text in messages]
        live = self._live
        if live is not None and live.changed:
            sent.append(live.text)
            self._show_block(live, sent[-1])
        return sent

    def broken(self) -> None:
        """Something else is shown behind the text: what stands there can not be rewritten any more."""
        self._recent.clear()
        self._settle()

    def _is_live(self, stream: StreamName) -> bool:
        return self._live is not None and self._live.stream is stream

    def _take_plain(self, stream: StreamName, data: bytes) -> bytes:
        """Take text up to where a program goes up with its cursor; returns what follows."""
        if self._live is not None and not self._live.shown:
            self.send()  # the other stream's block stands before this text
        at, end = first_move(data)
        if self._head.on_screen:
            at = end  # there it may go where it likes: nothing is shown of that
        if at == len(data) and (half := cut_in_two(data)):
            at -= half
            self._halves[stream], data = data[at:], data[:at]
            self._head.pass_over(half)
        plain, rest = data[:at], data[at:]
        if plain:
            before = self._head.cursor
            self._waiting.add(stream, self._head.take(plain, stream))
            self._note(stream, plain[: self._head.cursor - before])
        if rest and not (self._head.over or self._head.on_screen):
            self._go_live(stream)
        return rest

    def _note(self, stream: StreamName, data: bytes) -> None:
        self._recent = {stream: self._recent.get(stream, Recent())}  # the other stream's lines are out of reach now
        self._recent[stream].add(data)

    def _go_live(self, stream: StreamName) -> None:
        """Show the lines within reach in a block from now on, not as text."""
        self._settle()
        self.add([(stream, self._head.end_line(stream))])
        begun = self._recent.pop(stream, Recent()).take()
        left = self._waiting.take_back(stream, begun.count(b"\n"))
        if left is not None:
            self.send()
            self._sink.take_back(left)
        self._blocks += 1
        self._live = LiveBlock(stream, begun, number=self._blocks)

    def _take_live(self, data: bytes) -> bytes:
        live = self._live
        assert live is not None
        # By the line, to see where it settles: what follows is text again.
        end = data.find(b"\n") + 1 or len(data)
        live.feed(data[:end])
        self._head.pass_over(end)
        if live.is_settled:
            self._settle()
        elif (cut := live.cut()) is not None:
            self._begin_anew(live, cut)
        return data[end:]

    def _begin_anew(self, live: LiveBlock, cut: str) -> None:
        """Leave the rows out of reach where they are; the others go on in a new block."""
        self._show_block(live, cut)
        self._blocks += 1
        live.number, live.shown, live.changed = self._blocks, False, True
        self._head.count(cut)

    def _settle(self) -> None:
        live = self._live
        if live is not None:
            self.send()
            self._head.count(live.text)
            self._live = None

    def _show_block(self, live: LiveBlock, text: str) -> None:
        # A display ends with its last line; an empty row below would be one too many.
        self._sink.display(
            {"text/plain": text.removesuffix("\n")}, display_id=f"vb-live-{self._uid}-{live.number}", update=live.shown
        )
        live.shown, live.changed = True, False
