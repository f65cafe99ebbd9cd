"""Input for a session that IPython waits for: asked of whoever sits there, by Python's own ``input``.

In a terminal that reads the keyboard, in a notebook ipykernel has put the front-end's input box in its place.
Either blocks the thread that waits for the session, which has nothing else to do.
"""

from __future__ import annotations

import asyncio
import getpass
import signal
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from IPython.core.error import StdinNotImplementedError

from vibesbox_kernel.errors import MagicError

if TYPE_CHECKING:
    from vibesbox_kernel.frontends.ipython_output import Relay


def ask_secret(prompt: str) -> str | None:
    """Ask for a secret, masked; None where there is no answer.

    Raises:
        MagicError: There is nobody to ask.
    """
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return None
    except StdinNotImplementedError as error:
        raise MagicError(
            "this front-end takes no input (allow_stdin is false), so no secret can be asked for"
        ) from error


class Keyboard:
    """Asks on the thread that waits for a session; a ``Respondent`` of the session's cell.

    Args:
        relay: Hands what is to be done to that thread.
        allowed: Somebody may be there to answer.
    """

    def __init__(self, relay: Relay, *, allowed: bool) -> None:
        self._relay = relay
        self._allowed = allowed
        self._thread = threading.current_thread()
        self._lock = threading.Lock()
        self._open = False
        self._own_signals = 0

    @property
    def can_answer(self) -> bool:
        """Only where a question can be withdrawn: signals are the main thread's."""
        return self._allowed and self._thread is threading.main_thread()

    async def ask(self, prompt: str, *, password: bool) -> str | None:
        """Have the question asked; when nobody needs the answer any more, it is withdrawn by a signal."""
        answer: Future[str | None] = Future()
        self._relay.do(lambda _: self._ask_here(answer, prompt, password))
        try:
            return await asyncio.wrap_future(answer)
        except asyncio.CancelledError:
            self._withdraw()
            raise

    def interrupted(self) -> bool:
        """What a handler of SIGINT has to call; returns whether the signal came from the user.

        Afterwards it has to call ``leave``.
        """
        if self._own_signals:
            self._own_signals -= 1
            return False
        return True

    def leave(self) -> None:
        """Leave the question that is open, if any.

        Raises:
            KeyboardInterrupt: There is one.
        """
        if self._open:
            raise KeyboardInterrupt

    def _ask_here(self, answer: Future[str | None], prompt: str, password: bool) -> None:
        if not self._relay.is_attached or not answer.set_running_or_notify_cancel():
            answer.cancel()
            return
        try:
            self._open = True
            given = getpass.getpass(prompt) if password else input(prompt)
            with self._lock:
                self._open = False
        except KeyboardInterrupt:
            return  # the session has been interrupted, or does not ask any more: nobody waits for an answer
        except (EOFError, OSError, StdinNotImplementedError):
            given = None
        finally:
            self._open = False
        answer.set_result(given)

    def _withdraw(self) -> None:
        with self._lock:
            if self._open and self._thread.ident is not None:
                self._own_signals += 1
                signal.pthread_kill(self._thread.ident, signal.SIGINT)
