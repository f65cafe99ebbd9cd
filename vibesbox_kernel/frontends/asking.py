"""Asking the front-end of a request for input, while everything else goes on.

ipykernel's own ``raw_input`` waits on the main thread: no comm, no completion and no interrupt would be heard
meanwhile.
"""

# mypy: allow-untyped-calls
# ipykernel annotates few of its methods.
from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from ipykernel.kernelbase import Kernel

POLL_SECONDS = 0.03

Client = tuple[bytes, ...]
"""What a client's messages are routed by, the same on all channels."""


class StdinChannel:
    """A kernel's stdin channel. Asks each client one question at a time: an answer need not say what it answers.

    Args:
        kernel: Whose channel it is; the socket is only touched on the thread of the kernel's main loop.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._turns: WeakValueDictionary[Client, asyncio.Lock] = WeakValueDictionary()
        self._open: dict[Client, Question] = {}

    def of(self, parent: dict[str, Any], ident: Any, *, allowed: bool) -> FrontEnd:
        """The front-end that has sent a request.

        Args:
            parent: The request.
            ident: What its messages are routed by.
            allowed: It takes input requests.
        """
        return FrontEnd(self, parent, ident, allowed=allowed)

    async def ask(self, parent: dict[str, Any], ident: Any, prompt: str, *, password: bool) -> str:
        """Ask, from any thread's loop, and wait for the answer; to cancel this withdraws the question."""
        loop: asyncio.AbstractEventLoop = self._kernel.io_loop.asyncio_loop  # type: ignore[attr-defined]
        question = self._ask(parent, ident, {"prompt": prompt, "password": password})
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(question, loop))

    async def _ask(self, parent: dict[str, Any], ident: Any, content: dict[str, Any]) -> str:
        client = tuple(map(bytes, ident))
        turn = self._turns.setdefault(client, asyncio.Lock())
        async with turn:
            self._take_answers()  # those to withdrawn questions: a front-end leaves their boxes where they are
            session = self._kernel.session
            assert session is not None
            sent = session.send(self._kernel.stdin_socket, "input_request", content, parent, ident=ident)
            assert sent is not None
            question = self._open[client] = Question((sent["header"]["msg_id"], parent["header"]["msg_id"]))
            try:
                while question.answer is None:
                    await asyncio.sleep(POLL_SECONDS)
                    self._take_answers()
            finally:
                del self._open[client]
            return question.answer

    def _take_answers(self) -> None:
        """Give each answer that has come to the question that its client was asked, if there is one."""
        session, socket = self._kernel.session, self._kernel.stdin_socket
        while session is not None and socket.poll(0):
            try:
                ident, message = session.recv(socket)
            except ValueError as error:  # not signed with our key
                self._kernel.log.warning("an answer was left out: %s", error)
                continue
            question = self._open.get(tuple(map(bytes, ident or ())))
            if question is not None:
                question.take(message or {})


@dataclass
class Question:
    """A question that a client was asked.

    Attributes:
        ids: The messages that an answer may say it answers: the question, or the request that led to it.
        answer: Once it has come.
    """

    ids: tuple[str, str]
    answer: str | None = None

    def take(self, message: dict[str, Any]) -> None:
        """Take in a message, if it is the answer; a front-end that does not say what it answers is believed."""
        asked = message.get("parent_header", {}).get("msg_id")
        if message.get("msg_type") == "input_reply" and self.answer is None and asked in (None, *self.ids):
            self.answer = str(message["content"].get("value", ""))


class FrontEnd:
    """The front-end of one request, as a ``Respondent`` of the cell that it asked to run.

    Attributes:
        has_asked: Whether a question was shown in the cell.
    """

    def __init__(self, channel: StdinChannel, parent: dict[str, Any], ident: Any, *, allowed: bool) -> None:
        self._channel = channel
        self._parent = parent
        self._ident = ident
        self._allowed = allowed
        self.has_asked = False

    @property
    def can_answer(self) -> bool:
        """Whether the request has said so."""
        return self._allowed

    async def ask(self, prompt: str, *, password: bool) -> str | None:
        """Show an input box and wait for what is put into it."""
        self.has_asked = True
        return await self._channel.ask(self._parent, self._ident, prompt, password=password)
