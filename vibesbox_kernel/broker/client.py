"""One connection to the broker: requests in, answers and events out, and the lease on the sessions."""

from __future__ import annotations

import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.wire import FrameDecoder, FrameError, Message, encode

logger = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 1 << 20
"""Above this a client's requests wait and its events are left out, until it reads again."""

_RECEIVE_BYTES = 1 << 16


class Client:
    """A peer that may start sessions. When it is gone, its lease is: ``on_gone`` is called once.

    The lease ends at end of file *or* when the peer's process has died, whichever is first: a child
    that the user's code forked may hold a copy of the socket open for ever.
    """

    def __init__(
        self,
        loop: Loop,
        connection: socket.socket,
        *,
        on_request: Callable[[Client, Message], None],
        on_gone: Callable[[Client], None],
    ) -> None:
        self.pid = peer_pid(connection)
        self._loop = loop
        self._connection = connection
        self._on_request = on_request
        self._on_gone = on_gone
        self._decoder = FrameDecoder()
        self._unsent = bytearray()
        self._missed_events = False
        self._gone = False
        self._watched = (True, False)  # for reading, for writing
        connection.setblocking(False)
        loop.watch(connection.fileno(), self._on_ready)
        self._pinned = self._pin_peer()

    def answer(self, request: Message, result: dict[str, Any]) -> None:
        """Say that a request was carried out."""
        self._send({"id": request.get("id"), "ok": result})

    def refuse(self, request: Message, kind: str, message: str, **facts: Any) -> None:
        """Say that a request was not carried out, and why."""
        self._send({"id": request.get("id"), "error": {"kind": kind, "message": message, **facts}})

    def publish(self, event: Message) -> None:
        """Tell an event; a client that does not read is told later that it missed some."""
        if len(self._unsent) > MAX_UNSENT_BYTES:
            self._missed_events = True
            return
        self._send(event)

    def tell(self, kind: str, session: Session, *, others: int = 0) -> None:
        """What happened to a session, and how it stands.

        Args:
            others: For a leader that has stopped: live processes of its session besides it.
        """
        self.publish({"event": kind, "at": time.time(), "session": session.record(), "others": others})

    def close(self) -> None:
        """End the connection and with it the lease."""
        if self._gone:
            return
        self._gone = True
        self._loop.unwatch(self._connection.fileno())
        self._connection.close()
        if self._pinned >= 0:
            self._loop.unwatch(self._pinned)
            os.close(self._pinned)
        self._on_gone(self)

    def _pin_peer(self) -> int:
        try:
            pinned = os.pidfd_open(self.pid)
        except OSError:
            return -1  # already dead, or in another pid namespace: end of file will have to do
        self._loop.watch(pinned, self.close)
        return pinned

    def _on_ready(self) -> None:
        if self._gone:
            return  # closed earlier in this turn of the loop
        if self._unsent:
            self._flush()
        if len(self._unsent) <= MAX_UNSENT_BYTES:
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
        for message in messages:
            self._on_request(self, message)

    def _send(self, message: Message) -> None:
        if self._gone:
            return
        idle = not self._unsent
        self._unsent += encode(message)
        if idle:
            self._flush()

    def _flush(self) -> None:
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._unsent.clear()  # the peer is gone; reading will notice
            return
        del self._unsent[:sent]
        if self._missed_events and len(self._unsent) <= MAX_UNSENT_BYTES // 2:
            self._missed_events = False
            self._unsent += encode({"event": "missed"})
        # A client that does not read is not read from either: back-pressure on this one alone.
        wanted = (len(self._unsent) <= MAX_UNSENT_BYTES, bool(self._unsent))
        if wanted != self._watched:
            self._watched = wanted
            self._loop.watch_both(self._connection.fileno(), self._on_ready, read=wanted[0], write=wanted[1])


def peer_pid(connection: socket.socket) -> int:
    """The process at the other end.

    Source: unix(7), SO_PEERCRED.
    """
    return _credentials(connection)[0]


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end."""
    return _credentials(connection)[1]


def _credentials(connection: socket.socket) -> tuple[int, int, int]:
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, gid = struct.unpack("3i", packed)
    return pid, uid, gid
