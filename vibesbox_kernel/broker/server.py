"""The broker's door: who may come in, and what they are told."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable

from vibesbox_kernel.broker.client import Client
from vibesbox_kernel.broker.launch import LaunchFailedError
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.operations import Operations
from vibesbox_kernel.broker.request import RefusedError
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.supervisor import Supervisor
from vibesbox_kernel.broker.wire import Message, peer_credentials

logger = logging.getLogger(__name__)

NOTICE_SECONDS = 0.002
"""Output of one session is told at once, then at most this often."""


ACCEPT_AGAIN_SECONDS = 0.1


class Server:
    """Serves clients until the last one and its sessions are gone."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        first: socket.socket,
        directory: str,
        *,
        door: str,
        announcements: str,
        run_tag: int,
        umask: int,
        descriptor_limit: int,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._clients: set[Client] = set()
        self._pending_output: set[Session] = set()
        self._notice_scheduled = False
        self._leaving = False
        self._supervisor = Supervisor(
            loop,
            directory,
            announcements=announcements,
            run_tag=run_tag,
            on_event=self._on_event,
            on_output=self._on_output,
        )
        self._operations = Operations(
            self._supervisor,
            self._clients,
            tell=self._on_event,
            door=door,
            umask=umask,
            descriptor_limit=descriptor_limit,
        )
        loop.watch(listener.fileno(), self._accept)
        loop.on_signal(signal.SIGTERM, self._leave)
        self._admit(first)

    # Clients

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            # Out of descriptors, most likely. The client waits in the queue, and would wake us for ever.
            logger.warning("a client could not be accepted, trying again: %s", error)
            self._loop.unwatch(self._listener.fileno())
            self._loop.call_later(ACCEPT_AGAIN_SECONDS, self._listen_again)
            return
        self._admit(connection)

    def _listen_again(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.watch(self._listener.fileno(), self._accept)

    def _admit(self, connection: socket.socket) -> None:
        _, uid = peer_credentials(connection)
        if uid != os.getuid():
            logger.warning("a client of uid %d was turned away", uid)
            connection.close()
            return
        self._clients.add(Client(self._loop, connection, on_request=self._on_request, on_gone=self._on_gone))

    def _on_gone(self, client: Client) -> None:
        # Who reports does so ten times a second, for days perhaps: the log is for other things.
        logger.log(logging.INFO if client.greeted else logging.DEBUG, "client=%d gone", client.pid)
        self._clients.discard(client)
        self._operations.client_gone(client)
        # The ended ones too: whoever is gone must not keep others from a session's name or output.
        owned = [session for session in self._supervisor.sessions.values() if session.owner is client]
        self._do_with_each(owned, self._disown)
        self._leave_if_idle()

    def _disown(self, session: Session) -> None:
        """Its owner is gone: it ends, or lives on by itself until somebody adopts it."""
        session.owner, session.attended = None, False
        if session.over:
            self._on_event("changed", session)
            return
        if not session.durable:
            self._supervisor.end(session, reason="shut down", grace=0)
            return
        if session.stopped:
            self._supervisor.handovers.settle_unattended(session)
        # On a full disk whoever looks there takes it for owned still, and is told when it asks.
        with contextlib.suppress(OSError):
            self._supervisor.history.note(session)
        self._on_event("changed", session)

    def _leave(self) -> None:
        """SIGTERM: end everything, then go."""
        logger.info("asked to leave; %d sessions to end", len(self._supervisor.running))
        self._leaving = True
        self._do_with_each(
            self._supervisor.running, lambda session: self._supervisor.end(session, reason="shut down", grace=0)
        )
        self._leave_if_idle()

    @staticmethod
    def _do_with_each(sessions: list[Session], do: Callable[[Session], None]) -> None:
        """The queued ones first: none of them shall start when another leaves room. One that fails stops no other."""
        for session in sorted(sessions, key=lambda one: not one.queued):
            try:
                do(session)
            except Exception:
                logger.exception("session=%s: could not be let go", session.session_id)

    def _leave_if_idle(self) -> None:
        needed = any(not client.follows for client in self._clients)
        if (self._leaving or not needed) and not self._supervisor.running:
            if self._listener.fileno() >= 0:
                self._loop.unwatch(self._listener.fileno())
                self._listener.close()  # who comes now shall start a broker of his own
            self._loop.stop()

    # Events

    def _on_event(self, kind: str, session: Session) -> None:
        if session.listed:
            self._pending_output.discard(session)
            for client in list(self._clients):
                client.tell(kind, session)
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
        for session in self._pending_output:
            session.noticed_at = now
        for client in list(self._clients):
            client.tell_output(self._pending_output)
        self._pending_output.clear()

    # Requests

    def _on_request(self, client: Client, request: Message) -> None:
        try:
            if self._leaving:
                raise RefusedError("leaving", "this broker is ending")
            result = self._operations.carry_out(client, request)
        except RefusedError as error:
            client.refuse(request, error.kind, str(error), **error.facts)
        except LaunchFailedError as error:
            client.refuse(request, error.kind, str(error), path=error.path, errno=error.number)
        except OSError as error:
            logger.exception("client=%d: %s failed", client.pid, request.get("op"))
            client.refuse(request, "system", str(error), path="", errno=error.errno)
        except Exception as error:
            logger.exception("client=%d: %s failed", client.pid, request.get("op"))
            client.refuse(request, "bug", f"{request.get('op')} failed: {error!r}")
        else:
            if result is not None:
                client.answer(request, result)
