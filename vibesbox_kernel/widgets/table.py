"""The live process table: one small anywidget that follows a SessionManager's events.

What a page is sent, beside the answers to its calls (``calls``) and the pieces of logs (``download``)::

    {"op": "hello", "now": 1790000000.0}                                  the kernel's clock
    {"op": "rows", "number": 7, "full": false, "put": {id: …}, "gone": […]}    what has changed (``patches``)
    {"op": "spark", "put": {id: [[cpu, …], [memory, …]]}}                  the last minute, one value a second
    {"op": "detail", "id": …, …}                                           see ``details``

What it sends: ``hello`` (it begins to look, or has missed something), ``alive``, ``view`` (which rows can be seen: only
of these the last line is read), ``open`` and ``shut`` (details), ``do`` (a call), ``got`` and ``cancel`` (a download).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import traitlets

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.models import EventKind, SessionInfo, SessionStatus
from vibesbox_kernel.shell.references import from_word
from vibesbox_kernel.widgets.calls import Calls
from vibesbox_kernel.widgets.details import Details
from vibesbox_kernel.widgets.last_lines import LastLines
from vibesbox_kernel.widgets.live import STATIC, Buffers, LiveWidget, Message, module
from vibesbox_kernel.widgets.loads import Loads
from vibesbox_kernel.widgets.pace import Pace
from vibesbox_kernel.widgets.patches import RowPatches
from vibesbox_kernel.widgets.plots import spark
from vibesbox_kernel.widgets.rows import Describe, Extras, Row, RowBook, Selection, select
from vibesbox_kernel.widgets.table_actions import OpenView, TableActions

if TYPE_CHECKING:
    from vibesbox_kernel.models import ListeningPort
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.widgets.shell_hands import ShellHands

LINES_SECONDS = 0.2
"""Last lines are read at most this often; events tell that there is something to read."""
LOOK_SECONDS = 1.0
MAX_VIEWS = 8
MAX_WATCHED = 200
_PARTS = (
    "view.js",
    "table/dom.js",
    "table/words.js",
    "table/plots.js",
    "table/columns.js",
    "table/calls.js",
    "table/actions.js",
    "table/forms.js",
    "table/details.js",
    "table/rows.js",
    "table/frame.js",
    "table.js",
)
"""Of its module."""


class SessionTable(LiveWidget):
    """A table of a manager's sessions that changes by itself, and from which they are acted on.

    Args:
        manager: Whose sessions are shown.
        describe: Puts a session into words.
        running_limit: At most so many running sessions, the newest.
        ended_limit: At most so many ended ones, those that ended last.
        hands: Acts on the notebook's shell; without it there is no sending to the background and no running again.
        open_view: Opens another view on a session: its "log", its "terminal".
        only: The id of the one session to show, with its details.
    """

    _esm = module(*_PARTS)
    _css = STATIC / "table.css"
    noun = "table"

    caption = traitlets.Unicode().tag(sync=True)
    actions: traitlets.List[Any] = traitlets.List().tag(sync=True)
    only = traitlets.Unicode().tag(sync=True)
    proxied = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        manager: SessionManager,
        *,
        describe: Describe,
        running_limit: int = 100,
        ended_limit: int = 20,
        hands: ShellHands | None = None,
        open_view: OpenView | None = None,
        only: str | None = None,
    ) -> None:
        self._limits = {"running_limit": running_limit, "ended_limit": ended_limit}
        self._hands = hands
        self._pace = Pace()
        self._manager = manager
        self._book = RowBook(describe)
        self._patches = RowPatches()
        self._loads = Loads()
        self._lines = LastLines(manager)
        self._details = Details(manager, self._tell)
        self._ports: dict[str, tuple[ListeningPort, ...]] = {}
        self._watched: dict[str, tuple[str, ...]] = {}
        self._written = asyncio.Event()
        self._looks = asyncio.Event()
        self._wanted_anew = False
        self._runs_any = False
        can = TableActions(
            manager,
            send=lambda content, data: self.send(content, [data]),
            own=self._own,
            complain=self._complain,
            hands=hands,
            open_view=open_view,
        )
        self._can = can
        actions = can.table()
        self._calls = Calls(actions, send=self._tell, changed=self._pace.mark)
        proxied = find_spec("jupyter_server_proxy") is not None
        super().__init__(manager, caption=CAPTION, actions=sorted(actions), only=only or "", proxied=proxied)

    def _start(self) -> None:
        self._own(self._follow)
        self._own(self._paint)
        self._own(self._read_lines)
        self._own(self._look)

    # What happens

    async def _follow(self) -> None:
        async with self._manager.events() as events:
            self._pace.mark(begun_or_over=True)  # what happened before the subscription has no event here
            async for event in events:
                if event.kind is EventKind.OUTPUT:
                    # A chatty session must not redraw the table all the time.
                    if self._is_watched(event.session_id):
                        self._written.set()
                    continue
                if event.kind in _OVER:
                    self._calls.attempt(event.session_id).error = ""  # that it could not be ended is true no more
                self._pace.mark(begun_or_over=event.kind in _BEGUN_OR_OVER)
                self._written.set()

    async def _paint(self) -> None:
        while True:
            tick_due = await self._pace.wait(ticking=self._has_view and self._runs_any)
            if tick_due:
                await self._manager.refresh_usage()
                self._loads.tick(self._manager.list_sessions(), time.monotonic())
            self._draw()
            if self._pace.take_begun_or_over() and self.on_change is not None:
                self.on_change()

    async def _read_lines(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            await self._lines.read({one for ids in self._watched.values() for one in ids})
            self._pace.mark()
            await asyncio.sleep(LINES_SECONDS)

    async def _look(self) -> None:
        """Once a second, as long as somebody looks: ports and details."""
        while True:
            self._looks.clear()
            if self._has_view:
                ports = dict(await self._manager.all_ports())
                if ports != self._ports:
                    self._ports = ports
                    self._pace.mark()
                await self._details.refresh()
            try:
                async with asyncio.timeout(LOOK_SECONDS if self._has_view and self._must_look() else None):
                    await self._looks.wait()
            except TimeoutError:
                continue

    def _must_look(self) -> bool:
        return self._runs_any or self._details.are_open

    # What is shown

    def _draw(self) -> None:
        sessions = self._manager.list_sessions()
        selection = self._select(sessions)
        known = {one.session_id for one in sessions}
        self._calls.forget_all_but(known)
        self._lines.forget_all_but(known)
        had_any, self._runs_any = self._runs_any, any(one.ended_at is None for one in selection.shown)
        if self._runs_any and not had_any:
            self._looks.set()
        rows = self._rows(selection.shown)
        with self.hold_sync():
            self.caption = _caption(sessions)
            self.notice = selection.notice
        again, self._wanted_anew = self._wanted_anew, False
        message = self._patches.everything(rows) if again else self._patches.changes(rows)
        if message is not None:
            self._tell(message)

    def _select(self, sessions: Sequence[SessionInfo]) -> Selection:
        if self.only:
            return Selection(shown=tuple(one for one in sessions if one.session_id == self.only))
        return select(sessions, **self._limits)

    def _rows(self, shown: Sequence[SessionInfo]) -> list[Row]:
        awaited = frozenset() if self._hands is None else self._hands.awaited()
        return self._book.rows(shown, partial(self._extras, awaited=awaited), datetime.now(UTC))

    def _extras(self, info: SessionInfo, *, awaited: Collection[str]) -> Extras:
        session_id = info.session_id
        attempt, here = self._calls.attempt(session_id), self._manager.is_of_here(session_id)
        return Extras(
            ours=self._manager.is_ours(session_id),
            where="" if here else from_word(info, here=False),
            load=self._loads.of(session_id),
            line=self._lines.of(session_id),
            ports=tuple(one.port for one in self._ports.get(session_id, ())),
            foreground=session_id in awaited,
            busy=attempt.busy[-1] if attempt.busy else "",
            error=attempt.error,
        )

    def _tell(self, message: Message) -> None:
        self.send(message)

    def _complain(self, session_id: str, error: str) -> None:
        self._calls.complain(session_id, error)
        self._pace.mark()

    # What pages ask for

    def _obey(self, message: Message, _buffers: Buffers) -> None:
        match message.get("op"):
            case "hello":
                self.send({"op": "hello", "now": time.time()})
                self._wanted_anew = True
                self._pace.mark()
                self._looks.set()
            case "alive":
                self._looks.set()
            case "view":
                self._watch(_word(message, "view"), message.get("ids"))
            case "open":
                self._details.open(_word(message, "view"), _word(message, "id"))
                self._looks.set()
            case "shut":
                self._details.shut(_word(message, "view"), _word(message, "id"))
            case "do":
                self._own(partial(self._calls.carry_out, message))
            case "got":
                self._can.got_piece(_word(message, "call"))
            case "cancel":
                self._can.cancel(_word(message, "call"))

    def _watch(self, view: str, ids: object) -> None:
        """A page says which rows can be seen in it."""
        known = set(self._watched.pop(view, ()))
        watched = tuple(str(one) for one in ids)[:MAX_WATCHED] if isinstance(ids, list) else ()
        self._watched[view] = watched
        if len(self._watched) > MAX_VIEWS:
            del self._watched[next(iter(self._watched))]
        self._written.set()
        new = [one for one in watched if one not in known]
        if new:
            self._own(partial(self._send_sparks, new))

    def _is_watched(self, session_id: str) -> bool:
        return any(session_id in ids for ids in self._watched.values())

    async def _send_sparks(self, session_ids: Sequence[str]) -> None:
        put = {}
        for session_id in session_ids:
            try:
                info = self._manager.info(session_id)
                if info.is_running:
                    points = await self._manager.usage(session_id)
                    put[session_id] = spark(points, info.elapsed(datetime.now(UTC)).total_seconds())
            except VibesboxError:  # over meanwhile, or forgotten
                continue
        if put:
            self._tell({"op": "spark", "put": put})


CAPTION = "Processes"
_OVER = frozenset({EventKind.ENDED, EventKind.KILLED, EventKind.LOST})
_BEGUN_OR_OVER = frozenset({EventKind.QUEUED, EventKind.STARTED, EventKind.RESTARTING}) | _OVER


def _word(message: Message, name: str) -> str:
    return str(message.get(name, ""))


def _caption(sessions: Sequence[SessionInfo]) -> str:
    ended = sum(one.ended_at is not None for one in sessions)
    queued = sum(one.status is SessionStatus.QUEUED for one in sessions)
    waiting = f"{queued} queued, " if queued else ""
    return f"{CAPTION}: {len(sessions) - ended - queued} running, {waiting}{ended} ended"
