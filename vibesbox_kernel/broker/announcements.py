"""Exit statuses that leaders announce ahead of their end, by a line in a fifo.

A shell that has come to the end of its script knows its exit status before it has put its affairs in order; whoever
waits for the script need not wait for those. A leader writes ``TOKEN CODE`` and goes on; the token is its client's
secret, so that no line of another's is taken for it.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable

from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.session import Session

logger = logging.getLogger(__name__)

_READ_BYTES = 1 << 16


class Announcements:
    """The fifo, and whose announcement is awaited.

    Args:
        path: Where the fifo is made; one that a broker before us has left there is replaced.
        on_announced: Called with a session and the exit code that it announces, at most once for each.
    """

    def __init__(self, loop: Loop, path: str, *, on_announced: Callable[[Session, int], None]) -> None:
        self._loop = loop
        self._on_announced = on_announced
        self._awaited: dict[bytes, Session] = {}
        self._begun = b""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.mkfifo(path, 0o600)
        # For writing too: then it never ends, and no writer ever waits for a reader.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        loop.watch(self._descriptor, self.catch_up)

    def close(self) -> None:
        """Hear nothing more."""
        self._loop.unwatch(self._descriptor)
        os.close(self._descriptor)

    def expect(self, session: Session) -> None:
        """A session that has a token may announce its status from now on."""
        if session.token:
            self._awaited[session.token.encode()] = session

    def forget(self, session: Session) -> None:
        """It will announce nothing more."""
        if session.token:
            self._awaited.pop(session.token.encode(), None)

    def catch_up(self) -> None:
        """Take what has been announced so far."""
        try:
            data = self._begun + os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        *lines, self._begun = data.split(b"\n")
        if len(self._begun) > _READ_BYTES:
            self._begun = b""
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        token, _, code = line.rpartition(b" ")
        session = self._awaited.pop(token, None)
        if session is not None and code.isdigit() and int(code) <= 255:
            self._on_announced(session, int(code))
        else:
            logger.info("an announcement that nobody awaits was dropped")
