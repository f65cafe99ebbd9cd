"""The broker's door: who may come in, what they may ask, and what they are told."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from vibesbox_kernel.broker.client import Client, peer_uid
from vibesbox_kernel.broker.ending import GRACE_SECONDS, Survivors
from vibesbox_kernel.broker.launch import Launch, LaunchFailedError, resize
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.spool import LIMIT_BYTES
from vibesbox_kernel.broker.supervisor import Supervisor
from vibesbox_kernel.broker.wire import MAX_COMMAND_BYTES, PROTOCOL, SESSION_MARKER, Message, unpack_bytes

logger = logging.getLogger(__name__)

NOTICE_SECONDS = 0.002
"""Output of one session is told at once, then at most this often."""

MAX_CONTROL_BYTES = 4096  # what a pipe takes at once, so that the write can not block


class RefusedError(Exception):
    """A request that can not be carried out.

    Attributes:
        kind: A word that the client maps to an error class.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class Server:
    """Serves clients until the last one and its sessions are gone."""

    def __init__(self, loop: Loop, listener: socket.socket, first: socket.socket, directory: str, umask: int) -> None:
        self._loop = loop
        self._listener = listener
        self._umask = umask
        self._clients: set[Client] = set()
        self._pending_output: set[Session] = set()
        self._notice_scheduled = False
        self._leaving = False
        self._supervisor = Supervisor(loop, directory, on_event=self._on_event, on_output=self._on_output)
        self._operations: dict[str, Callable[[Client, Message], dict[str, Any] | None]] = {
            "hello": self._hello,
            "start": self._start,
            "begin": self._begin,
            "discard": self._discard,
            "settle": self._settle,
            "resume": self._resume,
            "feed": self._feed,
            "signal": self._signal,
            "interrupt": self._interrupt,
            "resize": self._resize,
            "end": self._end,
            "usage": self._usage,
        }
        loop.watch(listener.fileno(), self._accept)
        loop.on_signal(signal.SIGTERM, self._leave)
        self._admit(first)

    # Clients

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            logger.warning("a client could not be accepted: %s", error)
            return
        self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        uid = peer_uid(connection)
        if uid != os.getuid():
            logger.warning("a client of uid %d was turned away", uid)
            connection.close()
            return
        self._clients.add(Client(self._loop, connection, on_request=self._on_request, on_gone=self._on_gone))

    def _on_gone(self, client: Client) -> None:
        logger.info("client=%d gone", client.pid)
        self._clients.discard(client)
        for session in self._supervisor.running:
            if session.owner is client:
                session.owner = None
                self._supervisor.end(session, reason="shut down", grace=0)
        self._leave_if_idle()

    def _leave(self) -> None:
        """SIGTERM: end everything, then go."""
        logger.info("asked to leave; %d sessions to end", len(self._supervisor.running))
        self._leaving = True
        for session in self._supervisor.running:
            self._supervisor.end(session, reason="shut down", grace=0)
        self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        if (self._leaving or not self._clients) and not self._supervisor.running:
            self._loop.stop()

    # Events

    def _on_event(self, kind: str, session: Session) -> None:
        if session.listed:
            event: Message = {"event": kind, "session": session.record(), "at": time.time()}
            if kind == "stopped":
                event["others"] = len(self._supervisor.others(session))
            self._pending_output.discard(session)  # the record says how far its output has come
            for client in list(self._clients):
                client.publish(event)
        if kind == "ended":
            self._leave_if_idle()

    def _on_output(self, session: Session) -> None:
        if not session.listed:
            return
        self._pending_output.add(session)
        if self._notice_scheduled:
            return
        now = time.monotonic()
        if now - session.noticed_at >= NOTICE_SECONDS:
            self._tell_output()
        else:
            self._notice_scheduled = True
            self._loop.call_later(NOTICE_SECONDS, self._tell_output)

    def _tell_output(self) -> None:
        self._notice_scheduled = False
        now = time.monotonic()
        ends = {}
        for session in self._pending_output:
            session.noticed_at = now
            ends[session.session_id] = [session.spool.end, session.spool.dropped]
        self._pending_output.clear()
        if ends:
            for client in list(self._clients):
                client.publish({"event": "output", "ends": ends})

    # Requests

    def _on_request(self, client: Client, request: Message) -> None:
        operation = self._operations.get(str(request.get("op")))
        try:
            if operation is None:
                raise RefusedError("request", f"no such operation: {request.get('op')!r}")
            result = operation(client, request)
        except RefusedError as error:
            client.refuse(request, error.kind, str(error))
        except LaunchFailedError as error:
            client.refuse(request, error.kind, str(error), path=error.path, errno=error.number)
        except (KeyError, TypeError, ValueError) as error:
            logger.warning("client=%d sent a bad %s request: %r", client.pid, request.get("op"), error)
            client.refuse(request, "request", f"bad {request.get('op')} request: {error!r}")
        except OSError as error:
            logger.exception("client=%d: %s failed", client.pid, request.get("op"))
            client.refuse(request, "system", str(error), path="", errno=error.errno)
        else:
            if result is not None:
                client.answer(request, result)

    def _hello(self, client: Client, request: Message) -> dict[str, Any]:
        if request["protocol"] != PROTOCOL:
            raise RefusedError("protocol", f"this broker speaks protocol {PROTOCOL}")
        for session in self._supervisor.sessions.values():
            if session.listed:
                client.publish({"event": "known", "session": session.record(), "at": time.time()})
        return {"protocol": PROTOCOL, "pid": os.getpid()}

    def _start(self, client: Client, request: Message) -> dict[str, Any]:
        if self._leaving:
            raise RefusedError("leaving", "this broker is ending")
        session_id = str(request["session_id"])
        if session_id in self._supervisor.sessions:
            raise RefusedError("request", f"session {session_id} exists")
        command = str(request["command"])
        if len(command.encode("utf-8", "surrogateescape")) > MAX_COMMAND_BYTES:
            raise RefusedError("request", "the command is too long")
        prepared = bool(request["prepared"])
        order = Launch(
            argv=[str(word) for word in request["argv"]],
            env={**{str(k): str(v) for k, v in request["env"].items()}, SESSION_MARKER: session_id},
            cwd=str(request["cwd"]),
            io="pty" if request["io"] == "pty" else "pipe",
            feed=bool(request["feed"]),
            control=prepared,
            rows=int(request["rows"]),
            columns=int(request["columns"]),
            umask=self._umask,
        )
        session = self._supervisor.start(
            session_id,
            order,
            owner=client,
            label=str(request["owner"]),
            command=command,
            name=_text_or_none(request.get("name")),
            listed=not prepared,
            limit_bytes=int(request.get("limit_bytes") or LIMIT_BYTES),
        )
        self._limit_time(session, request)
        return {"pid": session.pid, "directory": session.directory}

    def _begin(self, client: Client, request: Message) -> dict[str, Any]:
        session = self._session(request)
        control = unpack_bytes(request["control"])
        if session.listed or session.over or session.control < 0:
            raise RefusedError("state", "the session is not a prepared one any more")
        if len(control) > MAX_CONTROL_BYTES:
            raise RefusedError("request", f"more than {MAX_CONTROL_BYTES} control bytes")
        self._supervisor.begin(
            session, command=str(request["command"]), name=_text_or_none(request.get("name")), control=control
        )
        self._limit_time(session, request)
        return {"pid": session.pid}

    def _discard(self, client: Client, request: Message) -> dict[str, Any]:
        session = self._supervisor.sessions.get(str(request["session_id"]))
        if session is not None and session.listed:
            raise RefusedError("state", "the session has begun; end it instead")
        if session is not None:
            self._supervisor.discard(session)
        return {}

    def _settle(self, client: Client, request: Message) -> dict[str, Any]:
        session = self._session(request)
        code = int(request["code"])
        if session.settled or not session.leader_alive:
            raise RefusedError("state", "the leader is gone or has handed over already")
        self._supervisor.settle(session, code & 0xFF, keep=bool(request["keep"]))
        return {}

    def _resume(self, client: Client, request: Message) -> dict[str, Any]:
        self._supervisor.resume(self._session(request))
        return {}

    def _feed(self, client: Client, request: Message) -> dict[str, Any]:
        session = self._session(request)
        if session.over or session.input < 0:
            raise RefusedError("ended", "takes no input (any more)")
        if not self._supervisor.feed(session, unpack_bytes(request["data"]), eof=bool(request["eof"])):
            raise RefusedError("ended", "does not read the input that it has already; try again later")
        return {}

    def _signal(self, client: Client, request: Message) -> dict[str, Any]:
        session = self._running(request)
        self._supervisor.signal(session, signal.Signals(int(request["signal"])))
        return {}

    def _interrupt(self, client: Client, request: Message) -> dict[str, Any]:
        self._supervisor.interrupt(self._running(request))
        return {}

    def _resize(self, client: Client, request: Message) -> dict[str, Any]:
        session = self._running(request)
        if not session.is_pty or session.output < 0:
            raise RefusedError("ended", "has no terminal")
        resize(session.output, int(request["rows"]), int(request["columns"]))
        return {}

    def _end(self, client: Client, request: Message) -> None:
        """End sessions at the same time; answered when the last is gone, or with what survived."""
        sessions = [self._supervisor.sessions.get(str(one)) for one in request["session_ids"]]
        wanted = [one for one in sessions if one is not None and not one.over]
        was_running = [one.session_id for one in wanted]
        survivors: dict[str, dict[str, str]] = {}
        remaining = set(was_running)

        def done(session_id: str, left: Survivors) -> None:
            remaining.discard(session_id)
            if left:
                survivors[session_id] = {str(pid): why for pid, why in left.items()}
            if not remaining:
                client.answer(request, {"ended": was_running, "survivors": survivors})

        if not wanted:
            client.answer(request, {"ended": [], "survivors": {}})
        grace = 0.0 if request["force"] else GRACE_SECONDS
        reason = "killed" if request["force"] else "terminated"
        for session in wanted:
            self._supervisor.end(
                session,
                reason=str(request.get("reason") or reason),
                grace=grace,
                on_done=lambda left, session_id=session.session_id: done(session_id, left),  # type: ignore[misc]
            )

    def _usage(self, client: Client, request: Message) -> dict[str, Any]:
        return {"usage": self._supervisor.usage()}

    def _limit_time(self, session: Session, request: Message) -> None:
        seconds = request.get("timeout")
        if seconds is not None:
            self._supervisor.limit_time(session, float(seconds), grace=GRACE_SECONDS)

    def _session(self, request: Message) -> Session:
        session = self._supervisor.sessions.get(str(request["session_id"]))
        if session is None:
            raise RefusedError("unknown", "no such session here")
        return session

    def _running(self, request: Message) -> Session:
        session = self._session(request)
        if session.over:
            raise RefusedError("ended", "is over")
        return session


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
