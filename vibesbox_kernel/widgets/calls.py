"""What a page asks a table to do, and what becomes of it: taken, done, or why not.

A page numbers its calls. Each is answered by ``took`` as soon as it has arrived, which a front-end can not bring about
while Python is blocked and messages wait: until then its button says so. ``done`` follows when it is over::

    page    {"op": "do", "call": "k3f-7", "action": "rename", "id": "6f0c…", "name": "web"}
    kernel  {"op": "took", "call": "k3f-7"}
    kernel  {"op": "done", "call": "k3f-7", "text": "is called web now"}
    kernel  {"op": "done", "call": "k3f-7", "error": "web is taken by the running session with pid 4711"}
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.shell.error_words import in_words

logger = logging.getLogger(__name__)

Message = dict[str, Any]
Action = Callable[[str, Message], Awaitable[str]]
"""Does something to the session with an id, as a message asks; returns what to say of it, or nothing."""

MAX_CALL_CHARS = 100


@dataclass
class Attempt:
    """What became of the user's wishes about one session.

    Attributes:
        busy: What is being done right now: names of actions, oldest first.
        error: What went wrong last, in words; empty when nothing did.
    """

    busy: list[str] = field(default_factory=list)
    error: str = ""


class Calls:
    """Carries out calls and answers them. Belongs to one event loop.

    Args:
        actions: What can be asked for.
        send: Sends a message to the pages.
        changed: Called when a row is to be drawn anew.
    """

    def __init__(
        self, actions: Mapping[str, Action], *, send: Callable[[Message], None], changed: Callable[[], None]
    ) -> None:
        self._actions = actions
        self._send = send
        self._changed = changed
        self._attempts: dict[str, Attempt] = {}

    def attempt(self, session_id: str) -> Attempt:
        """What became of the wishes about a session so far."""
        return self._attempts.get(session_id) or Attempt()

    def complain(self, session_id: str, error: str) -> None:
        """Something went wrong with a session, outside of any call."""
        self._attempts.setdefault(session_id, Attempt()).error = error

    def forget_all_but(self, known: set[str]) -> None:
        """Forget the sessions that are not known any more."""
        self._attempts = {key: one for key, one in self._attempts.items() if key in known or one.busy}

    async def carry_out(self, message: Message) -> None:
        """Take one call and answer it, whatever becomes of it."""
        call = str(message.get("call", ""))[:MAX_CALL_CHARS]
        self._send({"op": "took", "call": call})
        name, session_id = str(message.get("action", ""))[:MAX_CALL_CHARS], str(message.get("id", ""))
        attempt = self._attempts.setdefault(session_id, Attempt())
        attempt.busy.append(name)
        attempt.error = ""
        self._changed()
        answer = {}
        try:
            answer = await self._answer(name, session_id, message)
        finally:  # cancelled, too: the table is closed then, and nobody need be told
            attempt.busy.remove(name)
        attempt.error = answer.get("error", "")
        self._changed()
        self._send({"op": "done", "call": call, **answer})

    async def _answer(self, name: str, session_id: str, message: Message) -> dict[str, str]:
        action = self._actions.get(name)
        if action is None:
            return {"error": f"there is no action {name!r} here; there is: {', '.join(self._actions)}"}
        try:
            return {"text": await action(session_id, message)}
        except VibesboxError as error:
            return {"error": in_words(error)}
        except Exception as error:
            # Its text only: a message may hold a secret that the user has typed, and so may a traceback's frames.
            logger.exception("session=%s: %s failed", session_id, name)
            return {"error": f"{type(error).__name__}: {error}"}
