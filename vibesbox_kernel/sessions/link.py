"""The connection to the broker: found or started, then requests, answers and events.

Everything in here runs on the engine's loop.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import os
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vibesbox_kernel.broker import wire
from vibesbox_kernel.broker.wire import PROTOCOL, FrameDecoder, FrameError, Message, encode
from vibesbox_kernel.errors import (
    BrokerError,
    DirectoryNotFoundError,
    LaunchError,
    SessionEndedError,
    ShellNotFoundError,
    VibesboxError,
)
from vibesbox_kernel.sessions.places import Places

logger = logging.getLogger(__name__)

HELLO_SECONDS = 20.0
"""A loaded machine, or a broker before us that is still ending its sessions."""

LEAVE_SECONDS = 20.0
_ATTEMPTS = 3
_ISOLATED = (sys.executable, "-I", "-S", "-X", "utf8")
_BOOTSTRAP = Path(wire.__file__).with_name("bootstrap.py")

_links: weakref.WeakSet[BrokerLink] = weakref.WeakSet()


class BrokerLink(asyncio.Protocol):
    """One connection. While it is open, it is also the lease on the sessions started over it."""

    def __init__(self, on_event: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        self._on_event = on_event
        self._on_lost = on_lost
        self._decoder = FrameDecoder()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._transport: asyncio.Transport | None = None
        self._guardian: subprocess.Popen[bytes] | None = None
        self._reaping: asyncio.Future[None] | None = None
        self._closing = False
        self._descriptor = -1

    @classmethod
    async def open(cls, places: Places, on_event: Callable[[Message], None], on_lost: Callable[[], None]) -> BrokerLink:
        """Connect to the instance's broker, starting one if there is none.

        Raises:
            BrokerError: None could be reached or started; says where its log is.
        """
        problem: Exception | None = None
        for _ in range(_ATTEMPTS):
            link = cls(on_event, on_lost)
            try:
                await link._connect(places)
                return link
            except (OSError, BrokerError, TimeoutError) as error:
                # A broker that is just leaving may still accept us; the next attempt finds it gone.
                problem = error
                await link.aclose()
        raise BrokerError(f"no broker for {places.runtime}: {problem}; see {places.state}/broker.log") from problem

    @property
    def is_open(self) -> bool:
        """Whether requests can be made."""
        return self._transport is not None and not self._transport.is_closing()

    async def request(self, operation: str, **fields: Any) -> dict[str, Any]:
        """Ask and await the answer.

        Raises:
            VibesboxError: The broker refused (the class says why), or the link ended.
        """
        if self._transport is None or self._transport.is_closing():
            raise BrokerError("the broker is gone")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(encode({"id": number, "op": operation, **fields}))
            self._waiting[number] = answer
            return await answer
        except FrameError as error:
            raise VibesboxError(f"{operation}: {error}") from error
        finally:
            self._waiting.pop(number, None)

    async def aclose(self) -> None:
        """End the lease, and wait until a broker that we started has left."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()
        if self._guardian is not None:
            await _wait_exited(self._guardian, LEAVE_SECONDS)

    def abort(self) -> None:
        """End the lease without waiting for anything."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._descriptor = transport.get_extra_info("socket").fileno()
        _links.add(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        try:
            messages = self._decoder.feed(data)
        except FrameError:
            logger.exception("the broker broke the format; the link is closed")
            if self._transport is not None:
                self._transport.abort()
            return
        for message in messages:
            self._take(message)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        _links.discard(self)
        self._descriptor = -1
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(BrokerError("the broker ended before it answered"))
        if not self._closing:
            logger.warning("the link to the broker was lost: %s", error or "end of file")
        if self._guardian is not None and not self._closing:
            self._reaping = asyncio.ensure_future(_wait_exited(self._guardian, LEAVE_SECONDS))
        self._on_lost()

    # Inside

    async def _connect(self, places: Places) -> None:
        loop = asyncio.get_running_loop()
        connection = _dial(str(places.socket))
        if connection is None:
            connection, self._guardian = _start_broker(places)
        await loop.create_unix_connection(lambda: self, sock=connection)
        async with asyncio.timeout(HELLO_SECONDS):
            await self.request("hello", protocol=PROTOCOL)

    def _take(self, message: Message) -> None:
        if "event" in message:
            self._on_event(message)
            return
        answer = self._waiting.get(message.get("id", 0))
        if answer is None or answer.done():
            return  # who asked has given up
        if "ok" in message:
            answer.set_result(message["ok"])
        else:
            answer.set_exception(_error(message.get("error") or {}))


def _dial(path: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    connection.setblocking(False)
    return connection


def _start_broker(places: Places) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    with theirs:
        guardian = subprocess.Popen(
            [*_ISOLATED, str(_BOOTSTRAP), str(places.runtime), str(places.state), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Jupyter's signals to the kernel's group must not reach it
            env={"PATH": os.defpath},
        )
    ours.setblocking(False)
    return ours, guardian


async def _wait_exited(guardian: subprocess.Popen[bytes], timeout: float) -> None:
    """Reap the guardian, so that it does not stay our zombie."""
    loop = asyncio.get_running_loop()
    exited = loop.create_future()
    try:
        pinned = os.pidfd_open(guardian.pid)
    except OSError:
        guardian.poll()
        return
    try:
        loop.add_reader(pinned, exited.cancel)
        await asyncio.wait([exited], timeout=timeout)
    finally:
        loop.remove_reader(pinned)
        os.close(pinned)
        guardian.poll()


def _error(facts: dict[str, Any]) -> VibesboxError:
    kind, message = str(facts.get("kind")), str(facts.get("message"))
    path, number = str(facts.get("path", "")), int(facts.get("errno") or errno.EIO)
    if kind == "shell":
        return ShellNotFoundError(path, os.strerror(number).lower())
    if kind == "directory":
        return DirectoryNotFoundError(path, os.strerror(number).lower())
    if kind == "system":
        return LaunchError(number, f"the system refused to start {path}" if path else "the broker's system call")
    if kind in ("ended", "state", "unknown"):
        return SessionEndedError(facts.get("session_id", ""), message)
    return BrokerError(message)


def _forget_in_child() -> None:
    """A forked child must not keep the lease of its parent's sessions alive."""
    descriptors = [link._descriptor for link in _links if link._descriptor >= 0]
    if not descriptors:
        return
    # Replaced, not closed: the child's copy of the transport will close this number once more.
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)


os.register_at_fork(after_in_child=_forget_in_child)
