"""A notification of the browser when a session ends: an anywidget that asks the page's leave, and tells once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import traitlets

from vibesbox_kernel.errors import BrokerError, SessionNotFoundError
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.widgets.live import STATIC, Buffers, LiveWidget, Message

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

CLAIM_SECONDS = 5.0
"""A page that has the word and has not told within this time is taken to be gone."""

MAX_PAGE_CHARACTERS = 100


class NoticeView(LiveWidget):
    """Tells in the page that a session has ended.

    Several pages may show the notebook, and each may be gone the next moment: a page asks for the word before it tells,
    and says so when it has. So one of them tells, once.

    Args:
        manager: Whose session it is.
        session_id: The session.
        name: Says what the session is called.
        words: Says how it ended.
    """

    _esm = STATIC / "notice.js"
    _css = STATIC / "notice.css"
    noun = "notice"

    subject = traitlets.Unicode().tag(sync=True)
    ended = traitlets.Unicode().tag(sync=True)
    told = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        manager: SessionManager,
        session_id: str,
        *,
        name: Callable[[SessionInfo], str],
        words: Callable[[SessionInfo], str],
    ) -> None:
        self._session_id = session_id
        self._words = words
        self._page = ""
        self._claimed_until = 0.0
        super().__init__(manager, subject=name(manager.info(session_id)))

    @property
    def picture(self) -> str:
        """What stands in its place where there is no kernel."""
        return self.ended or f"The end of {self.subject} is told by a notification."

    def _start(self) -> None:
        self._own(self._watch)

    async def _watch(self) -> None:
        with contextlib.suppress(BrokerError, SessionNotFoundError):  # it goes on without us, or was forgotten
            self.ended = self._words(await self._manager.wait(self._session_id))
            if self.on_change is not None:
                self.on_change()

    def _obey(self, message: Message, buffers: Buffers) -> None:
        page = str(message.get("page", ""))[:MAX_PAGE_CHARACTERS]
        if message.get("t") == "claim":
            self._give_the_word(page)
        elif message.get("t") == "told" and page == self._page:
            self.told = True
        elif message.get("t") == "failed" and page == self._page:
            self._claimed_until = 0.0

    def _give_the_word(self, page: str) -> None:
        now = time.monotonic()
        if self.ended and not self.told and now >= self._claimed_until:
            self._page, self._claimed_until = page, now + CLAIM_SECONDS
            self.send({"t": "tell", "page": page})
