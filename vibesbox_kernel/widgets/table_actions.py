"""What can be done to a session from the table, by the names that pages call it by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.errors import InvalidOptionError, VibesboxError
from vibesbox_kernel.models import InputKind
from vibesbox_kernel.shell.error_words import in_words
from vibesbox_kernel.shell.human import format_bytes
from vibesbox_kernel.shell.references import label
from vibesbox_kernel.widgets.download import Download

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.widgets.calls import Action, Message
    from vibesbox_kernel.widgets.shell_hands import ShellHands

MAX_INPUT_CHARS = 1 << 20
MAX_AT_ONCE = 2000

OpenView = Callable[[str, str], Awaitable[None]]
"""Opens a view of a kind on the session with an id."""
VIEWS = ("log", "terminal")
Own = Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
"""Does something in the background, as long as the table lives."""


class TableActions:
    """Carries out actions on sessions. Belongs to the engine's loop.

    Args:
        manager: Whose sessions are meant.
        send: Sends a message to the pages, with bytes if there are any.
        own: Starts what goes on in the background.
        complain: Says in a session's row what went wrong in the background.
        hands: Acts on the notebook's shell, where there is one.
        open_view: Opens other views, where there are any.
    """

    def __init__(
        self,
        manager: SessionManager,
        *,
        send: Callable[[dict[str, Any], bytes], None],
        own: Own,
        complain: Callable[[str, str], None],
        hands: ShellHands | None = None,
        open_view: OpenView | None = None,
    ) -> None:
        self._manager = manager
        self._send = send
        self._own = own
        self._complain = complain
        self._hands = hands
        self._open_view = open_view
        self._downloads: dict[str, Download] = {}

    def table(self) -> dict[str, Action]:
        """All actions that there are here, by name."""
        actions: dict[str, Action] = {
            "interrupt": self._interrupt,
            "terminate": self._terminate,
            "kill": partial(self._terminate, force=True),
            "terminate_all": self._terminate_all,
            "input": self._input,
            "command": self._command,
            "save": self._save,
            "rename": self._rename,
            "durable": self._durable,
        }
        if self._hands is not None:
            actions |= {"background": self._background, "rerun": self._rerun}
            if self._hands.can_bring_back:
                actions["foreground"] = self._foreground
        if self._open_view is not None:
            actions |= {kind: partial(self._view, kind=kind) for kind in VIEWS}
        return actions

    def got_piece(self, call: str) -> None:
        """The page has taken a piece of a log that is being saved."""
        if call in self._downloads:
            self._downloads[call].got()

    def cancel(self, call: str) -> None:
        """The page does not want the log any more."""
        if call in self._downloads:
            self._downloads[call].cancel()

    async def _interrupt(self, session_id: str, _message: Message) -> str:
        if self._hands is not None:
            await self._hands.interrupt(session_id)
        else:
            await self._manager.interrupt(session_id)
        return "interrupted"

    async def _terminate(self, session_id: str, _message: Message, *, force: bool = False) -> str:
        return "" if await self._manager.terminate_session(session_id, force=force) else "it was over already"

    async def _terminate_all(self, _session_id: str, message: Message) -> str:
        """Each failure is said in the row of its session, and counted here."""
        ids = [str(one) for one in message.get("ids", ())][:MAX_AT_ONCE]
        failures = [one for one in await asyncio.gather(*map(self._try_to_end, ids)) if one]
        if failures:
            raise VibesboxError(f"{len(failures)} of {len(ids)} sessions could not be ended; their rows say why")
        return f"ended {len(ids)} sessions"

    async def _try_to_end(self, session_id: str) -> str:
        try:
            await self._manager.terminate_session(session_id)
        except VibesboxError as error:
            self._complain(session_id, in_words(error))
            return session_id
        return ""

    async def _input(self, session_id: str, message: Message) -> str:
        text, eof = str(message.get("text", "")), message.get("eof") is True
        if len(text) > MAX_INPUT_CHARS:
            raise VibesboxError(f"that is more than {format_bytes(MAX_INPUT_CHARS)}; write it to a file instead")
        # Whether it is a secret the page knows by what it showed; that may have changed on the way here.
        hidden = message.get("secret") is True or self._manager.info(session_id).input_kind is InputKind.PASSWORD
        data = f"{text}\n" if message.get("enter") is True else text
        await self._manager.send_input(session_id, data, eof=eof, hidden=hidden)
        return "the input has ended" if eof else "sent"

    async def _command(self, session_id: str, _message: Message) -> str:
        return self._manager.info(session_id).command

    async def _save(self, session_id: str, message: Message) -> str:
        call = str(message.get("call", ""))
        download = self._downloads[call] = Download(self._manager, call, self._send)
        try:
            sent, gone = await download.run(session_id)
        finally:
            del self._downloads[call]
        lost = f"; {gone:,} bytes before them were dropped" if gone else ""
        return f"saved {format_bytes(sent)}{lost}"

    async def _rename(self, session_id: str, message: Message) -> str:
        name = str(message.get("name", "")).strip() or None
        await self._manager.rename_session(session_id, name)
        return f"is called {name} now" if name else "has no name any more"

    async def _durable(self, session_id: str, message: Message) -> str:
        durable = message.get("durable") is True
        await self._manager.make_durable(session_id, durable)
        return "it outlives the kernel now" if durable else "it ends with the kernel now"

    async def _background(self, session_id: str, _message: Message) -> str:
        assert self._hands is not None
        await self._hands.background(session_id)
        return "it goes on in the background"

    async def _foreground(self, session_id: str, _message: Message) -> str:
        info = self._manager.info(session_id)
        if info.ended_at is not None:
            raise InvalidOptionError("session", label(info), "one that is not over")
        self._own(partial(self._follow, session_id))
        return "its output comes below this table, until it ends or goes to the background again"

    async def _follow(self, session_id: str) -> None:
        assert self._hands is not None
        try:
            await self._hands.bring_back(session_id)
        except VibesboxError as error:
            self._complain(session_id, in_words(error))

    async def _rerun(self, session_id: str, _message: Message) -> str:
        assert self._hands is not None
        return f"runs again as {await self._hands.rerun(session_id)}"

    async def _view(self, session_id: str, _message: Message, *, kind: str) -> str:
        assert self._open_view is not None
        await self._open_view(kind, session_id)
        return "it is below"
