"""A session's output on its way to a front-end: live at first, bounded always, and never held up by a flood.

The output is pulled: what may not be sent yet stays in the spool and is read when its time has come. So the session is
never slowed down, and nothing piles up here.

1. The *head*: text messages, paced (see ``pacing``), until about 1,000 lines or 200 kB are kept in the front-end.
2. After it only the *tail* is read: by cursor from the output's end, once a second, whatever flows by in between.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from vibesbox_kernel.models import OutputChunk
from vibesbox_kernel.sessions.displays import Display
from vibesbox_kernel.sessions.text_output import dropped_line
from vibesbox_kernel.shell.full_screen import FullScreen
from vibesbox_kernel.shell.gallery import Gallery
from vibesbox_kernel.shell.head import Head
from vibesbox_kernel.shell.notes import say
from vibesbox_kernel.shell.omission import omission_notice
from vibesbox_kernel.shell.pacing import MAX_MESSAGE_BYTES, Clock, LoopClock, Pacer
from vibesbox_kernel.shell.page import Page
from vibesbox_kernel.shell.settings import Values
from vibesbox_kernel.shell.sink import OutputSink as OutputSink
from vibesbox_kernel.shell.tail_view import TailView, read_tail

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

logger = logging.getLogger(__name__)

COALESCE_SECONDS = 0.002
GRACE_SECONDS = 0.5
"""After the head, before the tail is shown: a session that ends within it, slightly over the head, is shown whole."""
TAIL_SECONDS = 1.0
TAIL_BYTES = 20_000
FLUSH_SECONDS = 1.0
DISPLAY_BYTES_PER_SECOND = 5_000_000
DISPLAY_BURST_BYTES = 20_000_000


class OutputPump:
    """Shows one session's output in one sink.

    ``run`` and ``flush_to`` are to be called on the same event loop, the engine's.
    """

    def __init__(
        self,
        manager: SessionManager,
        session_id: str,
        sink: OutputSink,
        *,
        start: int = 0,
        settings: Values | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            manager: Whose session it is.
            session_id: The session.
            sink: Where its output goes.
            start: The cursor to begin at.
            settings: How much of it is shown; the usual, if none are given.
            clock: Time; the event loop's, if none is given.
        """
        self._manager = manager
        self._session_id = session_id
        self._sink = sink
        self._clock = clock or LoopClock()
        self._pacer = Pacer(self._clock)
        self._gallery = Gallery(session_id)
        self._gallery_pacer = Pacer(
            self._clock, bytes_per_second=DISPLAY_BYTES_PER_SECOND, burst_bytes=DISPLAY_BURST_BYTES
        )
        self._display_turn = asyncio.Lock()
        self._full_screen = FullScreen(manager, session_id, self._clock)
        self._screens = 0
        self._offered = False
        settings = settings or Values()
        self._head = Head(start, max_lines=settings.head_lines, max_bytes=settings.head_bytes)
        self._page = Page(sink, self._head, uid=session_id)
        self._tail_lines = settings.tail_lines
        self._pending_bytes = 0
        self._eof = False
        self._tail: TailView | None = None
        self._notice = ""
        self._lock = asyncio.Lock()  # held by whoever moves the cursor or talks to the sink
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Show the output as it comes, until its end; may be cancelled at any time."""
        while not (self._head.over or self._eof):
            await self._run_head()
        if self._head.over:
            await self._run_tail()

    async def flush_to(self, cursor: int) -> None:
        """Show everything before a cursor now, without waiting for its turn.

        Args:
            cursor: At most the end of what is stored; what follows it may be shown too.
        """
        async with self._lock:
            await self._read_to(cursor)
            self._send()
            if self._head.over and (self._tail is not None or self._head.cursor < cursor):
                await self._show_tail(max(cursor, self._shown_to()), last=True)

    @property
    def on_screen(self) -> bool:
        """Whether a program draws on the whole screen, so that nothing is shown; that was said."""
        return self._head.on_screen

    async def show(self, display: Display, cursor: int) -> None:
        """Show a display behind the output before a cursor; returns when that is done, at a pace that a page bears.

        Raises:
            DisplayRefusedError: There is no room for it.
        """
        async with self._display_turn:
            if (delay := self._gallery_pacer.delay()) > 0:
                await self._clock.wait(asyncio.Event(), delay)
            display_id, update = self._gallery.admit(display)
            async with self._lock:
                await self._read_to(cursor)
                self._send()
                if self._head.over and self._tail is None:  # first what is left out before it
                    await self._show_tail(max(cursor, self._shown_to()), last=False)
                self._page.broken()
                self._sink.display(display.data, display_id=display_id, update=update)
            self._gallery_pacer.spend(display.size, lines=self._head.lines)
        self._hurry.set()

    async def _run_head(self) -> None:
        chunk = await self._read(MAX_MESSAGE_BYTES, wait=None)
        async with self._lock:
            await self._take_seeing_screens(chunk)
        if not self._eof:
            reserve = 3 if self._head.half_full else 1  # for the messages of an end that may come any moment
            await self._nap(max(COALESCE_SECONDS, self._pacer.delay(reserve=reserve)))
        async with self._lock:
            while self._wants_more() and self._pending_bytes < MAX_MESSAGE_BYTES:
                chunk = await self._read(MAX_MESSAGE_BYTES - self._pending_bytes, wait=0)
                await self._take_seeing_screens(chunk)
                if not chunk.data:
                    break
            self._send()
            self._head.give_up_if_behind(self._manager.output_end(self._session_id))

    async def _run_tail(self) -> None:
        due = self._clock.now() + GRACE_SECONDS
        while True:
            end = max(self._manager.output_end(self._session_id), self._shown_to())
            chunk = await self._manager.read(self._session_id, end, max_bytes=1, wait=0)
            if chunk.eof:
                async with self._lock:
                    self._eof = True
                    await self._show_tail(chunk.next_cursor, last=True)
                return
            now = self._clock.now()
            if now < due:
                await self._nap(due - now)
            elif chunk.next_cursor > self._shown_to():
                async with self._lock:
                    await self._show_tail(chunk.next_cursor, last=False)
                due = now + TAIL_SECONDS
            else:
                await self._manager.read(self._session_id, end, max_bytes=1, wait=None)

    async def _read_to(self, cursor: int) -> None:
        while self._wants_more() and self._head.cursor < cursor:
            chunk = await self._read(MAX_MESSAGE_BYTES, wait=FLUSH_SECONDS)
            await self._take_seeing_screens(chunk, last=True)
            self._head.give_up_if_behind(cursor)
            if not chunk.data and not chunk.eof:
                logger.warning("session=%s no output at %d though %d is said to be stored", *self._where(cursor))
                return

    def _wants_more(self) -> bool:
        return not (self._head.over or self._eof)

    def _where(self, cursor: int) -> tuple[str, int, int]:
        return self._session_id, self._head.cursor, cursor

    async def _read(self, max_bytes: int, *, wait: float | None) -> OutputChunk:
        return await self._manager.read(self._session_id, self._head.cursor, max_bytes=max_bytes, wait=wait)

    async def _take_seeing_screens(self, chunk: OutputChunk, *, last: bool = False) -> None:
        """Take in a chunk; say it, once for each, when a program begins to draw on the whole screen."""
        if self._head.on_screen and await self._full_screen.is_over(now=last):
            self._head.leave_screen()
        self._take(chunk)
        if self._head.screens > self._screens:
            self._screens = self._head.screens
            if self._head.on_screen:
                notice = await self._full_screen.began()
                self._send()
                self._page.broken()
                say(self._sink, notice)
                self._head.count(notice)
                self._spend(notice)
                self.offer_terminal()

    def offer_terminal(self) -> None:
        """Offer a terminal on the session, if it has one; once: the terminal, or the offer, stays where it is."""
        if not self._offered and self._manager.info(self._session_id).io.is_terminal:
            self._offered = True
            self._sink.offer_terminal(self._session_id)

    def _take(self, chunk: OutputChunk) -> None:
        if chunk.cursor != self._head.cursor or not self._wants_more():
            return  # a flush has read it already
        if chunk.dropped:
            self._page.broken()
            self._page.add(self._head.skip(chunk.dropped, dropped_line(chunk.dropped)))
        for stream, data in chunk.pieces():
            self._page.take(stream, data)
        self._pending_bytes += len(chunk.data)
        if chunk.eof and not self._head.over:
            self._eof = True
            self._page.add(self._head.finish())

    def _send(self) -> None:
        self._pending_bytes = 0
        sent = self._page.send()
        if sent:
            self._spend("".join(sent))

    async def _show_tail(self, end: int, *, last: bool) -> None:
        """Show what is behind the head: all of it as text if it is little, else its end, with a word on the rest."""
        oldest = self._head.cursor
        view = self._tail
        if view is None or end > view.end:
            view = await read_tail(
                self._manager,
                self._session_id,
                oldest=oldest,
                end=end,
                max_lines=self._tail_lines,
                max_bytes=TAIL_BYTES,
            )
        if last and self._tail is None and view.start == oldest:
            for stream, data in view.pieces():
                self._page.absorb(stream, data)
            self._page.add(self._head.finish() if self._eof else ())
            self._send()
            return
        self._send()
        if last or self._tail is None:
            self._say_omitted(view.start - oldest if last else None)
        if self._tail is None or view.text != self._tail.text:
            self._sink.tail(view.text)
            self._spend(view.text)
        self._tail = view

    def _shown_to(self) -> int:
        return max(self._head.cursor, self._tail.end if self._tail else 0)

    def _say_omitted(self, count: int | None) -> None:
        info = self._manager.info(self._session_id)
        notice = omission_notice(str(info.name or info.pid), count, dropped=info.dropped_bytes)
        if notice != self._notice:
            self._notice = notice
            self._sink.omitted(notice)
            self._spend(notice)

    def _spend(self, text: str) -> None:
        size = len(text) if text.isascii() else len(text.encode())
        self._pacer.spend(size, lines=self._head.lines)

    async def _nap(self, seconds: float) -> None:
        """Wait, unless a display comes."""
        self._hurry.clear()
        await self._clock.wait(self._hurry, seconds)
