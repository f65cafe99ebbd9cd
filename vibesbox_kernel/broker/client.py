"""One connection to the broker: requests in, answers and events out, and the lease on the sessions."""

from __future__ import annotations

import itertools
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.wire import Deathwatch, FrameDecoder, FrameError, Message, encode, peer_credentials

logger = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 1 << 20
"""Above this a client's requests wait and its events are left out, until it reads again."""

_RECEIVE_BYTES = 1 << 16
_WRITE_BYTES = 1 << 16
"""What a turn of the loop has to say goes out in one write, unless it is more than this."""
TURN_SECONDS = 0.01
"""How long one client's requests are carried out before everything else has its turn."""


_numbers = itertools.count(1)


class Client:
    """A peer that may start sessions. When it is gone, its lease is: ``on_gone`` is called once.

    The lease ends at end of file *or* when the peer's process has died, whichever is first: a child
    that the user's code forked may hold a copy of the socket open for ever.

    Attributes:
        number: What it is called in records, unique in this broker's life.
        label: What it says of itself, for people.
        follows: It only looks at sessions of others: the broker does not stay for it.
        greeted: It has introduced itself; a session's process that only reports does not.
    """

    def __init__(
        self,
        loop: Loop,
        connection: socket.socket,
        *,
        on_request: Callable[[Client, Message], None],
        on_gone: Callable[[Client], None],
    ) -> None:
        self.pid = peer_credentials(connection)[0]
        self.number = next(_numbers)
        self.label = f"pid {self.pid}"
        self.follows = False
        self.greeted = False
        self._loop = loop
        self._connection = connection
        self._on_request = on_request
        self._on_gone = on_gone
        self._decoder = FrameDecoder()
        self._unsent = bytearray()
        self._requests: deque[Message] = deque()
        self._missed_events = False
        self._put_out: set[Session] = set()
        self._gone = False
        self._watched = (True, False)  # for reading, for writing
        connection.setblocking(False)
        loop.watch(connection.fileno(), self._on_ready)
        self._deathwatch = self._watch_peer()

    def answer(self, request: Message, result: dict[str, Any]) -> None:
        """Say that a request was carried out."""
        self._send({"id": request.get("id"), "ok": result})

    def refuse(self, request: Message, kind: str, message: str, **facts: Any) -> None:
        """Say that a request was not carried out, and why."""
        self._send({"id": request.get("id"), "error": {"kind": kind, "message": message, **facts}})

    def tell(self, kind: str, session: Session, *, keep: bool = False) -> None:
        """What happened to a session, and how it stands.

        A client that does not read is told later that it missed some, and asks how they stand.

        Args:
            keep: Not to be left out: it is the answer to that question.
        """
        if len(self._unsent) > MAX_UNSENT_BYTES and not keep:
            self._miss()
            return
        self._put_out.discard(session)  # the record says how far its output has come
        self._send({"event": kind, "at": time.time(), "session": session.record()})

    def tell_output(self, sessions: Iterable[Session]) -> None:
        """That sessions have put out something; for a client that is busy, merged until it reads."""
        if len(self._unsent) > MAX_UNSENT_BYTES:
            self._miss()
            return
        self._put_out.update(sessions)
        if not self._is_busy:
            self._send_output()

    def _miss(self) -> None:
        """It will ask how all stand, and is told how far their output has come: nothing need be kept for it."""
        self._missed_events = True
        self._put_out.clear()

    def _send_output(self) -> None:
        if self._put_out:
            ends = {one.session_id: [one.spool.end, one.spool.dropped] for one in self._put_out}
            self._put_out.clear()
            self._send({"event": "output", "ends": ends})

    def close(self) -> None:
        """End the connection and with it the lease."""
        if self._gone:
            return
        self._gone = True
        self._loop.unwatch(self._connection.fileno())
        self._connection.close()
        if self._deathwatch is not None:
            self._loop.unwatch(self._deathwatch.fileno())
            self._deathwatch.close()
        self._on_gone(self)

    def _watch_peer(self) -> Deathwatch | None:
        try:
            deathwatch = Deathwatch(self.pid)
        except OSError:
            return None  # already dead, or in another pid namespace: end of file will have to do
        self._loop.watch(deathwatch.fileno(), self.close)
        return deathwatch

    def _on_ready(self) -> None:
        if self._gone:
            return  # closed earlier in this turn of the loop
        if self._unsent:
            self._flush()
        if len(self._unsent) <= MAX_UNSENT_BYTES and not self._requests:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._connection.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            messages = self._decoder.feed(data)
        except FrameError as error:
            logger.warning("client=%d dropped: %s", self.pid, error)
            data = b""
        if not data:
            self.close()
            return
        self._requests.extend(messages)
        self._carry_out()

    def _carry_out(self) -> None:
        """Do what was asked, for a while: deaths and other clients are not kept waiting for thirty starts."""
        deadline = time.monotonic() + TURN_SECONDS
        while self._requests and not self._gone:
            self._on_request(self, self._requests.popleft())
            if self._requests and time.monotonic() > deadline:
                self._loop.call_later(0, self._carry_out)
                return

    def _send(self, message: Message) -> None:
        if self._gone:
            return
        first = not self._unsent
        self._unsent += encode(message)
        if first:
            self._loop.when_turn_ends(self._flush)
        if len(self._unsent) > _WRITE_BYTES and not self._is_busy:
            self._flush()

    @property
    def _is_busy(self) -> bool:
        """Whether it has not read yet what was written before."""
        return self._watched[1]

    def _flush(self) -> None:
        if self._gone or not self._unsent:
            return
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._unsent.clear()  # the peer is gone; reading will notice
            return
        del self._unsent[:sent]
        if not self._unsent and self._put_out:
            self._send_output()
            return
        if self._missed_events and len(self._unsent) <= MAX_UNSENT_BYTES // 2:
            self._missed_events = False
            self._unsent += encode({"event": "missed"})
        # A client that does not read is not read from either: back-pressure on this one alone.
        wanted = (len(self._unsent) <= MAX_UNSENT_BYTES, bool(self._unsent))
        if wanted != self._watched:
            self._watched = wanted
            self._loop.watch_both(self._connection.fileno(), self._on_ready, read=wanted[0], write=wanted[1])
