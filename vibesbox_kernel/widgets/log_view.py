"""The live log of one session: an anywidget that asks for the lines in sight, and is told how much there is."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from vibesbox_kernel.errors import SessionNotFoundError, VibesboxError
from vibesbox_kernel.models import EventKind, SessionInfo
from vibesbox_kernel.shell.log_index import LogIndex
from vibesbox_kernel.shell.log_lines import Kind, LogLine
from vibesbox_kernel.shell.log_query import LogQuery, QueryError
from vibesbox_kernel.shell.log_reader import LogReader
from vibesbox_kernel.shell.log_search import LogSearch
from vibesbox_kernel.widgets.live import STATIC, Buffers, LiveWidget, Message, Work, module, number_in
from vibesbox_kernel.widgets.log_download import Download
from vibesbox_kernel.widgets.pace import Pace

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.widgets.log_picture import LogPicture

PUSHED_BYTES_PER_SECOND = 300_000
"""What is sent without having been asked for is not more."""
MAX_UNHEARD = 3
"""So many messages go out before one is acknowledged; after that few."""
UNHEARD_SECONDS = 1.0
"""The time between those few: who can not be heard, because a cell blocks the kernel, is told all the same."""
MAX_ROWS = 200
MAX_VIEWERS = 8
MAX_REQUESTS = 64
PICTURE_SECONDS = 10.0
COUNTING_SECONDS = 0.25
_FORGOTTEN = "This session is not remembered any more, and its output is gone with it."

Describe = Callable[[SessionInfo], str]
"""Says in words what session this is, or how it stands."""


@dataclass
class Place:
    """Where the user is in the log: it is the same after the page was reloaded.

    Attributes:
        line: The first line in sight.
        following: The end is in sight, and what comes.
    """

    line: int = 0
    following: bool = True


@dataclass
class Viewer:
    """One picture of the view in a page.

    Attributes:
        rows: So many lines it wants when it follows.
        is_new: It has not been told anything yet.
    """

    rows: int = MAX_ROWS // 2
    is_new: bool = True


class LogView(LiveWidget):
    """A session's output as it comes and from its first byte on.

    Args:
        manager: Whose session it is.
        session_id: The session.
        name: Says what the session is called.
        word: Says how it stands.
        picture: What stands in the view's place where there is none.
    """

    _esm = module("view.js", "log.js")
    _css = STATIC / "log.css"
    noun = "log"

    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, manager: SessionManager, session_id: str, *, name: Describe, word: Describe, picture: LogPicture
    ) -> None:
        self._picture = picture
        self._session_id = session_id
        self._name, self._word = name, word
        self._pace = Pace()
        self._index = LogIndex(manager, session_id)
        self._reader = LogReader(manager, session_id, self._index)
        self._requests: asyncio.Queue[Message] = asyncio.Queue(MAX_REQUESTS)
        self._place = Place()
        self._viewers: OrderedDict[str, Viewer] = OrderedDict()
        self._query, self._age = LogQuery(), 0
        self._search: LogSearch | None = None
        self._told_found: Message = {}  # how far the search has come, as everybody knows it
        self._searching: asyncio.Task[None] | None = None
        self._counted = asyncio.Event()
        self._downloads: OrderedDict[tuple[str, int], Download] = OrderedDict()
        self._told: Message = {}
        self._sent = self._heard = 0
        self._sent_lines = 0
        self._may_send_at = 0.0
        self._news_of_viewers = asyncio.Event()
        self._manager = manager
        self._drawn = (time.monotonic(), self._facts())
        self._will_draw = False
        super().__init__(manager, title=name(self._info()))

    def _start(self) -> None:
        self._own(self._follow)
        self._own(self._paint)
        self._own(self._serve)

    async def _follow(self) -> None:
        async with self._manager.events() as events:
            self._pace.mark()  # what happened before the subscription has no event here
            async for event in events:
                if event.session_id == self._session_id:
                    self._pace.mark(begun_or_over=event.kind is not EventKind.OUTPUT)

    async def _paint(self) -> None:
        while True:
            await self._pace.wait(ticking=False)
            await self._draw_picture(now=self._pace.take_begun_or_over())
            if not (self._has_view and self._viewers):
                continue
            await self._count()
            await self._until_page_bears_it()
            await self._tell()

    async def _draw_picture(self, *, now: bool) -> None:
        """Have the static picture drawn anew: at an end or a beginning, and now and then while output comes."""
        drawn_at, before = self._drawn
        seen = self._facts()
        wait = drawn_at + PICTURE_SECONDS - time.monotonic()
        if seen == before or (wait > 0 and not now):
            if seen != before and not self._will_draw:
                self._will_draw = True
                asyncio.get_running_loop().call_later(wait, self._pace.mark)
            return
        self._drawn, self._will_draw = (time.monotonic(), seen), False
        self.title = self._name(self._info())
        await self._picture.read()
        if self.on_change is not None:
            self.on_change()

    def _facts(self) -> tuple[object, ...]:
        """What the picture depends on."""
        info = self._info()
        return info.output_bytes, self._word(info), self._name(info)

    async def _count(self) -> None:
        """Go over what has come until now, and say now and then how far we are."""
        end = self._manager.output_end(self._session_id)
        told_at = time.monotonic()
        while await self._index.advance() and self._index.cursor < end:
            if time.monotonic() > told_at + COUNTING_SECONDS and self._sent - self._heard < MAX_UNHEARD:
                await self._tell()
                told_at = time.monotonic()
        await self._index.drop_oldest(self._info().dropped_bytes)
        self._counted.set()

    async def _until_page_bears_it(self) -> None:
        while not any(one.is_new for one in self._viewers.values()):
            wait = self._may_send_at - time.monotonic()
            if self._sent - self._heard >= MAX_UNHEARD:
                wait = max(wait, UNHEARD_SECONDS)
            if wait <= 0:
                return
            self._news_of_viewers.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._news_of_viewers.wait()
            except TimeoutError:
                return

    async def _tell(self) -> None:
        """Say how much there is, with the last lines where somebody follows; nothing if nothing is new."""
        index, info = self._index, self._info()
        state: Message = {
            "first": index.first,
            "total": index.total,
            "open": index.is_open,
            "oldest": index.oldest,
            "bytes": index.cursor,
            "size": self._manager.output_end(self._session_id),
            "word": self._word(info),
        }
        new = [name for name, one in self._viewers.items() if one.is_new]
        if state == self._told and not new:
            return
        self._told = state
        self._sent += 1
        message: Message = {"op": "state", "n": self._sent, "age": self._age, **state}
        if new:
            query = {"text": self._query.text, "regex": self._query.regex, "case": self._query.case, "age": self._age}
            message |= {"hello": new, "place": asdict(self._place), "query": query}
        if self._place.following or new:
            message["tail"] = await self._tail(everything=bool(new))
        for name in new:
            if name in self._viewers:
                self._viewers[name].is_new = False
        self._may_send_at = time.monotonic() + len(json.dumps(message)) / PUSHED_BYTES_PER_SECOND
        self.send(message)

    async def _tail(self, *, everything: bool) -> Message:
        """The last lines: those that are new, or as many as are in sight."""
        rows = max((one.rows for one in self._viewers.values()), default=0)
        first = max(self._index.total - rows, 0 if everything else self._sent_lines, self._index.first)
        ends = self._index.ends
        lines = await self._reader.lines(first, rows)
        self._sent_lines = ends
        return {"first": lines[0].number if lines else first, "lines": self._encoded(lines)}

    def _encoded(self, lines: Sequence[LogLine]) -> list[Any]:
        return [encoded(line, self._query.marks(line.plain) if self._search is not None else []) for line in lines]

    async def _guard(self, work: Work) -> None:
        await super()._guard(partial(self._unless_forgotten, work))

    async def _unless_forgotten(self, work: Work) -> None:
        try:
            await work()
        except SessionNotFoundError:
            self.notice = _FORGOTTEN

    def _info(self) -> SessionInfo:
        return self._manager.info(self._session_id)

    # What the browser asks for.

    def _obey(self, message: Message, _buffers: Buffers) -> None:
        view, op = str(message.get("view"))[:32], str(message.get("op"))
        if op == "bye":
            self._viewers.pop(view, None)
            return
        if op == "hello" or view not in self._viewers:
            self._welcome(view)
        self._viewers.move_to_end(view)
        if op == "ack":
            self._heard = max(self._heard, min(number_in(message, "n"), self._sent))
            self._news_of_viewers.set()
        elif op == "alive":
            if number_in(message, "n") < self._sent:  # a message was lost on its way: say it all once more
                self._told, self._sent_lines = {}, 0
            self._pace.mark()  # it may have been away for long
        elif op == "place":
            self._place = Place(number_in(message, "line"), bool(message.get("following")))
            self._viewers[view].rows = max(1, min(number_in(message, "rows"), MAX_ROWS))
        elif op == "search":
            self._look_for(message)
        elif op == "stop":
            self._downloads.pop((view, number_in(message, "id")), None)
        elif op in self._answers and not self._requests.full():  # what is not answered the page asks again
            self._requests.put_nowait({**message, "view": view})

    def _welcome(self, view: str) -> None:
        self._viewers[view] = Viewer()
        while len(self._viewers) > MAX_VIEWERS:
            self._viewers.popitem(last=False)
        self._heard = self._sent
        self._news_of_viewers.set()
        self._pace.mark()

    async def _serve(self) -> None:
        """Answer what was asked for, one after the other."""
        while True:
            request = await self._requests.get()
            try:
                await self._answers[request["op"]](self, request)
            except SessionNotFoundError:
                self.notice = _FORGOTTEN
            except VibesboxError as error:
                self.notice = str(error)

    async def _send_lines(self, request: Message) -> None:
        lines = await self._reader.lines(
            number_in(request, "first"), max(1, min(number_in(request, "count"), MAX_ROWS))
        )
        self._answer(request, first=lines[0].number if lines else 0, lines=self._encoded(lines))

    async def _send_piece(self, request: Message) -> None:
        line = number_in(request, "line")
        piece = await self._reader.piece(line, number_in(request, "offset"))
        if piece is not None:
            self._answer(request, line=line, **asdict(piece))

    async def _send_hit(self, request: Message) -> None:
        search = self._search
        found = search.find(number_in(request, "line", least=-1), back=bool(request.get("back"))) if search else None
        line, at = found if found is not None else (None, None)
        progress = self._progress()
        self._answer(request, line=line, at=at, **progress)
        if not progress["done"]:
            self._told_found = {}  # so its end is told, even if that had been told before more output came

    async def _send_part(self, request: Message) -> None:
        key = (request["view"], number_in(request, "id"))
        if key not in self._downloads:
            self._downloads[key] = Download(self._manager, self._info(), plain=bool(request.get("plain")))
            while len(self._downloads) > MAX_VIEWERS:
                self._downloads.popitem(last=False)
        download = self._downloads[key]
        part = await download.part(number_in(request, "at"))
        if part is None:
            return
        facts = {"next": part.number + 1, "read": part.read, "dropped": part.dropped, "done": part.done}
        self._answer(request, [part.data], at=part.number, name=download.name, size=download.size, **facts)

    _answers: ClassVar = {"lines": _send_lines, "piece": _send_piece, "goto": _send_hit, "part": _send_part}

    def _answer(self, request: Message, buffers: Sequence[bytes] = (), **facts: Any) -> None:
        self.send({"op": request["op"], "view": request["view"], "id": request.get("id"), **facts}, list(buffers))

    # Searching.

    def _look_for(self, message: Message) -> None:
        self._age = number_in(message, "age")
        self._query = LogQuery(
            str(message.get("text", "")), regex=bool(message.get("regex")), case=bool(message.get("case"))
        )
        if self._searching is not None:
            self._searching.cancel()
        self._search = self._searching = None
        if not self._query.text:
            return
        try:
            self._search = LogSearch(self._manager, self._session_id, self._index, self._query)
        except QueryError as error:
            self.send({"op": "found", "age": self._age, "count": 0, "done": True, "error": str(error)})
            return
        self._searching = self._own(partial(self._search_on, self._search))

    async def _search_on(self, search: LogSearch) -> None:
        """Search what there is, and what comes; say how far we are, and how much was found."""
        self._told_found = {}
        told_at = 0.0
        while True:
            self._counted.clear()
            while await search.step():
                if time.monotonic() > told_at + COUNTING_SECONDS:
                    self._tell_progress()
                    told_at = time.monotonic()
            self._tell_progress()
            if search.is_full:
                return
            await self._counted.wait()

    def _tell_progress(self) -> None:
        progress = self._progress()
        if progress != self._told_found:
            self._told_found = progress
            self.send({"op": "found", **progress})

    def _progress(self) -> Message:
        search = self._search
        if search is None:
            return {"age": self._age, "count": 0, "full": False, "done": True, "percent": 100}
        percent = 100 * search.cursor // max(1, self._index.cursor)
        done = {"done": search.is_done, "percent": 100 if search.is_done else percent}
        return {"age": self._age, "count": search.count, "full": search.is_full, **done}


def encoded(line: LogLine, marks: Sequence[tuple[int, int]]) -> Any:
    """A line as the browser gets it: its text alone, or its segments and what was found in it."""
    segments = line.segments
    if not marks and len(segments) == 1 and segments[0].kind is Kind.STDOUT:
        return segments[0].text
    parts = [[int(one.kind), one.text if one.kind.is_text else one.count] for one in segments]
    return {"s": parts, "m": [list(mark) for mark in marks]} if marks else {"s": parts}
