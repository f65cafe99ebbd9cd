"""A terminal on a session: xterm.js in the page, the session's own terminal at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import replace
from functools import cache, partial
from html import escape
from typing import TYPE_CHECKING

import traitlets

from vibesbox_kernel.errors import BrokerError, SessionEndedError, SessionNotFoundError, SessionOwnedError
from vibesbox_kernel.models import EventKind, SessionInfo
from vibesbox_kernel.shell.ansi import OutputFilter, without_styles
from vibesbox_kernel.shell.human import format_duration
from vibesbox_kernel.shell.references import label
from vibesbox_kernel.shell.table_text import how_it_ended, status_word
from vibesbox_kernel.widgets.live import STATIC, Buffers, LiveWidget, Message, module, number_in
from vibesbox_kernel.widgets.terminal_lead import Lead, Leads
from vibesbox_kernel.widgets.terminal_stream import TerminalStream

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

MAX_SIDE = 1000
MAX_VIEWS = 16
"""So many views in browsers are served, the newest; each has its own place in the output."""
MAX_TYPED_BYTES = 4_000_000
"""So much may wait for a program that reads nothing; more is refused."""
MAX_SCREEN_CHARS = 200_000
REDRAW_SECONDS = 0.15
LOOK_SECONDS = 5.0
"""So often it is looked whether anybody still sits at the keyboard that was taken."""
_LAST_LINES = 24
_NOT_ALIVE = "is over: it takes no input any more"


class TerminalView(LiveWidget):
    """A terminal on a session with a terminal of its own.

    What is typed is given to the session and kept nowhere.

    Args:
        manager: Whose session it is.
        session_id: The session.
        leads: Which of several terminals on one session has the say.
        folded: Only a button that opens it is shown at first.
    """

    _esm = module("view.js", "terminal.js")
    _css = STATIC / "terminal.css"
    noun = "terminal"

    name = traitlets.Unicode().tag(sync=True)
    state = traitlets.Unicode().tag(sync=True)
    refusal = traitlets.Unicode().tag(sync=True)
    """Why it takes no input; empty while it does."""
    folded = traitlets.Bool().tag(sync=True)
    library = traitlets.Unicode().tag(sync=True)
    """Which xterm.js the view needs: a page that has it already does not ask for it."""

    def __init__(self, manager: SessionManager, session_id: str, *, leads: Leads, folded: bool = False) -> None:
        self._manager = manager
        self._session_id = session_id
        self._leads = leads
        self._screen = ""
        self._screen_is_seen = False
        self._over = False
        self._views: dict[str, tuple[TerminalStream, asyncio.Task[None]]] = {}
        self._typed: asyncio.Queue[bytes] = asyncio.Queue()
        self._typed_bytes = 0
        self._keyboard: asyncio.Task[None] | None = None
        super().__init__(manager, folded=folded, library=library_key(), **self._words())

    @property
    def picture(self) -> str:
        """The session and its screen as text, as they were seen last."""
        return f"Terminal of {self.name}: {self.state}\n{self._screen}".rstrip("\n") + "\n"

    @property
    def picture_html(self) -> str:
        """The same as HTML."""
        return f"<pre>{escape(self.picture)}</pre>"

    @property
    def is_over(self) -> bool:
        """Whether the session is."""
        return self._over

    # Everything below runs on the engine's loop.

    def _start(self) -> None:
        self._leads.follow(self, self._session_id, self._tell_lead)
        self._own(self._follow)
        self._own(self._type)

    def _stop(self) -> None:
        self._leads.forget(self)
        super()._stop()

    # What the session does

    async def _follow(self) -> None:
        async with self._manager.events() as events:
            self._draw()
            await self.note_last_lines()
            async for event in events:
                if event.session_id != self._session_id or event.kind is EventKind.OUTPUT:
                    continue
                self._draw()
                if event.kind is EventKind.STARTED:
                    await self._apply_size()
                if event.info.ended_at is not None:
                    await self.note_last_lines()

    def _draw(self) -> None:
        with self.hold_sync():
            for name, value in self._words().items():
                setattr(self, name, value)

    def _words(self) -> dict[str, str]:
        try:
            info = self._manager.info(self._session_id)
        except SessionNotFoundError:
            self._over = True
            return {"state": "over, and not remembered any more", "refusal": f"The session {_NOT_ALIVE}."}
        self._over = info.ended_at is not None
        refusal = self._refusal(info)
        notice = "" if self._over else refusal  # what somebody may try in vain is said before; an end is seen
        return {"name": label(info), "state": _state(info), "refusal": refusal, "notice": notice}

    def _refusal(self, info: SessionInfo) -> str:
        if info.ended_at is not None:
            return f"{label(info)} {_NOT_ALIVE}."
        if not self._manager.is_ours(self._session_id):
            whose = f"belongs to {info.owner}" if info.owned else "belongs to nobody (%adopt takes it over)"
            return f"{label(info)} {whose}: it can be looked at, and takes no input from here."
        return ""

    async def note_last_lines(self) -> None:
        """Have the last lines of output in the picture, until a browser says what is on the screen."""
        if not self._screen_is_seen:
            with contextlib.suppress(SessionNotFoundError, BrokerError):
                lines = await self._manager.tail(self._session_id, _LAST_LINES)
                if not self._screen_is_seen:  # meanwhile
                    self._screen = without_styles(OutputFilter().feed(lines.encode(), final=True))[-MAX_SCREEN_CHARS:]
        self._tell_change()

    def _tell_change(self) -> None:
        if self.on_change is not None:
            self.on_change()

    # What the browser wants

    def _obey(self, message: Message, _buffers: Buffers) -> None:
        view = str(message.get("view", ""))[:64]
        match message.get("op"):
            case "library":
                self.send({"op": "library", "key": library_key()}, [_library()])
            case "unfold":
                self.folded = False
                self._tell_change()
            case "hello":
                self._show(view)
            case "bye":
                self._end_view(view)
            case "taken" if view in self._views:
                self._views[view][0].acknowledge(number_in(message, "bytes"))
            case "size":
                self._own(partial(self._lead, view, message))
            case "type":
                self._take_typed(view, message)
            case "left":
                self._leave_keyboard()
            case "screen":
                self._screen, self._screen_is_seen = str(message.get("text", ""))[:MAX_SCREEN_CHARS], True
                self._tell_change()

    def _show(self, view: str) -> None:
        self._end_view(view)
        if len(self._views) >= MAX_VIEWS:
            self._end_view(next(iter(self._views)))
        stream = TerminalStream(self._manager, self._session_id, partial(self._send_to, view))
        self._views[view] = (stream, self._own(partial(self._serve, stream)))

    async def _serve(self, stream: TerminalStream) -> None:
        """Say how large the session's terminal is, and then what was written at that size."""
        lead = self._leads.of(self._session_id)
        with contextlib.suppress(SessionEndedError, SessionNotFoundError, BrokerError):
            terminal = await self._manager.terminal(self._session_id)
            lead = replace(self._leads.of(self._session_id), rows=terminal.rows, columns=terminal.columns)
            self._leads.set(self._session_id, lead)
        self._tell_lead(lead)
        with contextlib.suppress(SessionNotFoundError):
            await stream.run()

    def _end_view(self, view: str) -> None:
        _, task = self._views.pop(view, (None, None))
        if task is not None:
            task.cancel()
        if not self._views:
            self._leave_keyboard()

    def _send_to(self, view: str, message: dict[str, object], data: bytes) -> None:
        self.send({**message, "view": view}, [data])

    # Its size

    def _tell_lead(self, lead: Lead) -> None:
        self.send({"op": "lead", "view": lead.view, "rows": lead.rows, "columns": lead.columns})

    async def _lead(self, view: str, message: Message) -> None:
        """The view has the say from now on, and the session's terminal the view's size."""
        rows, columns = number_in(message, "rows"), number_in(message, "columns")
        if not (1 <= rows <= MAX_SIDE and 1 <= columns <= MAX_SIDE):
            return
        before = self._leads.of(self._session_id)
        self._leads.set(self._session_id, Lead(view, rows, columns))
        if self.refusal:
            return
        with contextlib.suppress(SessionEndedError, SessionNotFoundError, SessionOwnedError, BrokerError):
            if message.get("redraw") is True and (before.rows, before.columns) == (rows, columns):
                # A program draws its screen anew when the size changes, and has to be asked that way.
                await self._manager.resize(self._session_id, rows + 1, columns)
                await asyncio.sleep(REDRAW_SECONDS)
            if self._leads.of(self._session_id) == Lead(view, rows, columns):
                await self._manager.resize(self._session_id, rows, columns)

    async def _apply_size(self) -> None:
        """It was queued, or is started again: its terminal is new."""
        lead = self._leads.of(self._session_id)
        if lead.view and not self.refusal:
            with contextlib.suppress(SessionEndedError, SessionNotFoundError, SessionOwnedError, BrokerError):
                await self._manager.resize(self._session_id, lead.rows, lead.columns)

    # Its input

    def _take_typed(self, view: str, message: Message) -> None:
        data = _typed(message)
        if self.refusal or not data:
            return  # the view has said so
        if self._typed_bytes + len(data) > MAX_TYPED_BYTES:
            why = f"The program does not read: {len(data)} bytes more were not typed."
            self.send({"op": "refused", "view": view, "why": why})
            return
        self._take_keyboard()
        self._typed_bytes += len(data)
        self._typed.put_nowait(data)

    def _take_keyboard(self) -> None:
        """From the first key on the cell that waits for the session asks nothing: its questions are answered here."""
        if self._keyboard is None or self._keyboard.done():
            self._keyboard = self._own(self._hold_keyboard)

    def _leave_keyboard(self) -> None:
        if self._keyboard is not None:
            self._keyboard.cancel()
            self._keyboard = None

    async def _hold_keyboard(self) -> None:
        with contextlib.suppress(SessionNotFoundError), self._manager.keyboard_taken(self._session_id):
            while self._has_view:  # noqa: ASYNC110  nobody tells that a lease has run out
                await asyncio.sleep(LOOK_SECONDS)

    async def _type(self) -> None:
        """Give the session what was typed, in its order."""
        while True:
            data = await self._typed.get()
            try:
                await self._manager.send_input(self._session_id, data)
            except (SessionEndedError, SessionOwnedError, SessionNotFoundError, BrokerError) as error:
                self.send({"op": "refused", "view": "", "why": str(error)})
            finally:
                self._typed_bytes -= len(data)


def _state(info: SessionInfo) -> str:
    if info.ended_at is None:
        return status_word(info)
    return f"{how_it_ended(info)} after {format_duration(info.duration or 0.0)}"


def _typed(message: Message) -> bytes:
    """What was typed: text, or bytes that are no text (a mouse's), as xterm.js tells them apart."""
    text, is_bytes = message.get("text"), message.get("bytes") is True
    if not isinstance(text, str):
        return b""
    return text.encode("latin-1", "replace") if is_bytes else text.encode("utf-8", "replace")


@cache
def _library() -> bytes:
    return (STATIC / "xterm.js").read_bytes()


@cache
def library_key() -> str:
    """Names the xterm.js that is shipped."""
    return hashlib.sha256(_library()).hexdigest()[:16]
