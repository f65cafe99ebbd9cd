"""Asking the front-end of a request for input, while everything else goes on.

ipykernel's own ``raw_input`` waits on the main thread: no comm, no completion and no interrupt would be heard
meanwhile.
"""

# mypy: allow-untyped-calls
# ipykernel annotates few of its methods.
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipykernel.kernelbase import Kernel

POLL_SECONDS = 0.03


class StdinChannel:
    """A kernel's stdin channel. Asks one question at a time: an answer does not always say what it answers.

    Args:
        kernel: Whose channel it is; the socket is only touched on the thread of the kernel's main loop.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._lock = asyncio.Lock()

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
        async with self._lock:
            self._drain()
            session = self._kernel.session
            assert session is not None
            question = session.send(self._kernel.stdin_socket, "input_request", content, parent, ident=ident)
            assert question is not None
            while True:
                answer = self._receive()
                if answer is not None and _answers(answer, question, parent):
                    return str(answer["content"].get("value", ""))
                await asyncio.sleep(POLL_SECONDS)

    def _drain(self) -> None:
        """Answers to questions that were withdrawn: a front-end leaves their boxes where they are."""
        while self._receive() is not None:
            pass

    def _receive(self) -> dict[str, Any] | None:
        socket = self._kernel.stdin_socket
        if self._kernel.session is None or not socket.poll(0):
            return None
        try:
            _, message = self._kernel.session.recv(socket)
        except ValueError as error:  # not signed with our key
            self._kernel.log.warning("an answer was left out: %s", error)
            return {}
        return message


class FrontEnd:
    """The front-end of one request, as a ``Respondent`` of the cell that it asked to run."""

    def __init__(self, channel: StdinChannel, parent: dict[str, Any], ident: Any, *, allowed: bool) -> None:
        self._channel = channel
        self._parent = parent
        self._ident = ident
        self._allowed = allowed

    @property
    def can_answer(self) -> bool:
        """Whether the request has said so."""
        return self._allowed

    async def ask(self, prompt: str, *, password: bool) -> str | None:
        """Show an input box and wait for what is put into it."""
        return await self._channel.ask(self._parent, self._ident, prompt, password=password)


def _answers(answer: dict[str, Any], question: dict[str, Any], parent: dict[str, Any]) -> bool:
    """Whether a message is the answer to a question; a front-end that does not say which it answers is believed."""
    if answer.get("msg_type") != "input_reply":
        return False
    asked = answer.get("parent_header", {}).get("msg_id")
    return asked is None or asked in (question["header"]["msg_id"], parent["header"]["msg_id"])
