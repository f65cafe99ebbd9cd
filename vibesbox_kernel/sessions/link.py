"""The connection to the broker: found or started, then requests, answers and events.

Everything in here runs on the engine's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
import os
import signal
import socket
import sys
import threading
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
    NameTakenError,
    SessionEndedError,
    SessionOwnedError,
    ShellNotFoundError,
    VibesboxError,
)
from vibesbox_kernel.sessions.places import Places

logger = logging.getLogger(__name__)

HELLO_SECONDS = 20.0
"""A loaded machine, or a broker before us that is still ending its sessions."""

LEAVE_SECONDS = 20.0
LAST_WORDS_SECONDS = 0.2
_RECEIVE_BYTES = 1 << 16
_LEASE = 3  # the guardian's descriptor for the first connection
_ATTEMPTS = 3
_ISOLATED = (sys.executable, "-I", "-S", "-X", "utf8")
_BOOTSTRAP = Path(wire.__file__).with_name("bootstrap.py")

_links: weakref.WeakSet[BrokerLink] = weakref.WeakSet()


class BrokerLink(asyncio.BufferedProtocol):
    """One connection. While it is open, it is also the lease on the sessions started over it.

    Attributes:
        number: What the broker calls us in its records; 0 until it has said so.
    """

    def __init__(self, on_event: Callable[[Message], None], on_lost: Callable[[bool], None]) -> None:
        self._on_event = on_event
        self._on_lost = on_lost
        self._decoder = FrameDecoder()
        self._received = memoryview(bytearray(_RECEIVE_BYTES))
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._transport: asyncio.Transport | None = None
        self._guardian: int | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._guardian_watch: _Watch | None = None
        self._broker: _Watch | None = None
        self._closing = False
        self._descriptor = -1
        self.number = 0
        self._follows = False

    @classmethod
    async def open(
        cls,
        places: Places,
        on_event: Callable[[Message], None],
        on_lost: Callable[[bool], None],
        *,
        label: str,
        follows: bool = False,
    ) -> BrokerLink:
        """Connect to the instance's broker.

        Args:
            on_event: Called with every event of the broker.
            on_lost: Called once when the link has ended, with whether that was our doing.
            label: Who we are, for people.
            follows: Only to look at what another program's broker has, which must be there; otherwise
                one is started if there is none.

        Raises:
            BrokerError: None could be reached or started; says where its log is.
        """
        problem: Exception | None = None
        for _ in range(_ATTEMPTS):
            link = cls(on_event, on_lost)
            try:
                await link._connect(places, label, follows=follows)
                return link
            except (OSError, BrokerError, TimeoutError) as error:
                # A broker that is just leaving may still accept us; the next attempt finds it gone.
                problem = error
                await link.aclose()
            except BaseException:
                link.abort()
                link.reap_later()
                raise
        raise BrokerError(f"no broker for {places.runtime}: {problem}; see {places.state}/broker.log") from problem

    @property
    def is_open(self) -> bool:
        """Whether requests can be made."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def has_left(self) -> bool:
        """Whether the guardian that we started, if we did, is gone."""
        return self._guardian is None or self._ended.done()

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

    async def aclose(self, *, leave: bool = True) -> None:
        """End the lease, and wait until a broker that we started has left.

        Args:
            leave: Whether it will leave; with durable sessions it stays, and is not waited for.
        """
        self._closing = True
        if self._transport is not None:
            self._transport.close()
        if leave:
            await self.wait_left(LEAVE_SECONDS)
        else:
            self.reap_later()

    async def wait_left(self, timeout: float) -> None:
        """Wait until the broker has left, if it is ours alone to wait for."""
        if self._guardian is not None:
            await asyncio.wait([self._ended], timeout=timeout)

    def reap_later(self) -> None:
        """Let no zombie stay of a guardian that goes on without us, and ends when nobody here watches it any more."""
        if self._guardian_watch is not None and not self._ended.done():
            assert self._guardian is not None
            self._guardian_watch.close()
            threading.Thread(target=_reap, args=(self._guardian,), name="vibesbox-reaper", daemon=True).start()

    def abort(self) -> None:
        """End the lease without waiting for anything."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.BufferedProtocol: a plain one is given a fresh buffer of 256 KiB for each notice of a few bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._descriptor = transport.get_extra_info("socket").fileno()
        _links.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by asyncio."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio."""
        try:
            messages = self._decoder.feed(self._received[:nbytes])
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
        if self._broker is not None:
            self._broker.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(BrokerError("the broker ended before it answered"))
        if not self._closing:
            logger.warning("the link to the broker was lost: %s", error or "end of file")
        self._on_lost(self._closing)

    # Inside

    async def _connect(self, places: Places, label: str, *, follows: bool) -> None:
        loop = asyncio.get_running_loop()
        connection = _dial(str(places.socket))
        self._follows = follows
        if connection is None and follows:
            raise BrokerError(f"nobody listens at {places.socket}")
        if connection is None:
            connection, self._guardian = _start_broker(places)
        if self._guardian is not None:
            self._guardian_watch = _Watch(self._guardian, self._on_guardian_gone)
        await loop.create_unix_connection(lambda: self, sock=connection)
        async with asyncio.timeout(HELLO_SECONDS):
            self._watch_broker(await self.introduce(label))

    async def introduce(self, label: str) -> int:
        """Say who we are, and hear how every session stands; returns the broker's pid."""
        answer = await self.request("hello", protocol=PROTOCOL, label=label, follows=self._follows)
        self.number = answer["client"]
        return int(answer["pid"])

    def _watch_broker(self, pid: int) -> None:
        """Know the broker's death from itself: a forked child may hold the other end of our socket open."""
        self._broker = _Watch(pid, self._on_broker_gone)

    def _on_broker_gone(self) -> None:
        if self._transport is not None:
            # Its last words may still be on their way.
            asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._transport.close)

    def _on_guardian_gone(self) -> None:
        """It has left with its broker, or died alone: then the sessions go on, with nobody behind the broker."""
        if self._guardian is not None:
            with contextlib.suppress(ChildProcessError):  # reaped by somebody who waits for just any child
                os.waitpid(self._guardian, os.WNOHANG)
        if not self._ended.done():
            self._ended.set_result(None)
        if self._transport is not None and self._broker is None:
            self._transport.close()  # it gave up before there was a broker

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


class _Watch:
    """Calls back, on the running loop, when a process has died."""

    def __init__(self, pid: int, on_death: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_death = on_death
        self._deathwatch: wire.Deathwatch | None = None
        try:
            self._deathwatch = wire.Deathwatch(pid)
        except OSError:
            self._loop.call_soon(on_death)
        else:
            self._loop.add_reader(self._deathwatch.fileno(), self._fire)

    def close(self) -> None:
        """Watch no more."""
        if self._deathwatch is not None:
            self._loop.remove_reader(self._deathwatch.fileno())
            self._deathwatch.close()
            self._deathwatch = None

    def _fire(self) -> None:
        self.close()
        self._on_death()


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _dial(path: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    connection.setblocking(False)
    return connection


def _start_broker(places: Places) -> tuple[socket.socket, int]:
    """Start guardian and broker; returns our end of the first connection and the guardian's pid."""
    ours, theirs = socket.socketpair()
    arguments = [*_ISOLATED, str(_BOOTSTRAP), str(places.runtime), str(places.state), str(_LEASE)]
    with theirs:
        # Handed over by the spawn itself: it never is inheritable in this process, whose other threads may fork.
        handed_over = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), _LEASE)]
        silenced = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        try:
            guardian = os.posix_spawn(
                sys.executable,
                arguments,
                {"PATH": os.defpath},
                file_actions=[*handed_over, *silenced],
                setsid=True,  # Jupyter's signals to the kernel's group must not reach it
                setsigdef=[signal.SIGINT, signal.SIGPIPE],
                setsigmask=[],
            )
        except BaseException:
            ours.close()
            raise
    ours.setblocking(False)
    return ours, guardian


def _error(facts: dict[str, Any]) -> VibesboxError:
    kind, message = str(facts.get("kind")), str(facts.get("message"))
    path, number = str(facts.get("path", "")), int(facts.get("errno") or errno.EIO)
    if kind == "shell":
        return ShellNotFoundError(path, os.strerror(number).lower())
    if kind == "directory":
        return DirectoryNotFoundError(path, os.strerror(number).lower())
    if kind == "system":
        return LaunchError(number, f"the system refused to start {path}" if path else "the broker's system call")
    if kind == "owned":
        return SessionOwnedError(str(facts.get("session_id", ""))[:8], message)
    if kind == "name":
        return NameTakenError(message, str(facts.get("holder")), facts.get("pid"))
    if kind in ("ended", "state", "unknown"):
        return SessionEndedError("", message)
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
