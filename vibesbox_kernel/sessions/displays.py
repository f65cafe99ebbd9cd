"""Where sessions ask for something rich to be shown: a socket of their manager's.

The command that asks (``tools/show.py``) names its session. What it wants shown goes to whoever shows that session's
output, together with the cursor at which it stands: everything that the session had written before it asked is behind
that. The command gets its answer when it is shown, so whoever floods a page waits, and nothing piles up here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakValueDictionary

from vibesbox_kernel.broker.wire import peer_credentials
from vibesbox_kernel.errors import (
    BrokerError,
    DisplayRefusedError,
    SessionEndedError,
    SessionNotFoundError,
    VibesboxError,
)
from vibesbox_kernel.tools.protocol import (
    MAX_HEADER_BYTES,
    PYTHON_VARIABLE,
    SOCKET_VARIABLE,
    Header,
    ProtocolError,
    decode_header,
    decode_part,
)

logger = logging.getLogger(__name__)

SOCKET_NAME = "show"
HEADER_SECONDS = 5.0
BODY_SECONDS = 30.0
MAX_AT_ONCE = 2
"""So many displays are in memory; who else asks waits with what it has."""

MAX_WAITING = 64


@dataclass(frozen=True)
class Display:
    """Something to show in forms of which a front-end takes the best that it can.

    Attributes:
        data: What a MIME bundle has of each type.
        size: Bytes of all of them.
        display_id: A later display of the session by the same id takes its place.
    """

    data: Mapping[str, Any]
    size: int
    display_id: str | None = None


class Stage(Protocol):
    """Where a session's output is shown."""

    async def show(self, display: Display, cursor: int) -> None:
        """Show a display behind the output before a cursor.

        Raises:
            DisplayRefusedError: It is not shown.
        """


class DisplayDoor:
    """Takes displays of the sessions that it was told of. Everything of it runs on the manager's engine.

    Args:
        directory: Gives a private directory for the socket.
        catch_up: Has everything stored that a session has written so far, and gives the cursor behind it.
    """

    def __init__(self, directory: Callable[[], Path], catch_up: Callable[[str], Awaitable[int]]) -> None:
        self._directory = directory
        self._catch_up = catch_up
        self._stages: WeakValueDictionary[str, Stage] = WeakValueDictionary()
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._opening = asyncio.Lock()
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)
        self._conversations: set[asyncio.Task[None]] = set()

    async def open(self) -> dict[str, str]:
        """Listen, if we do not yet.

        Returns:
            What a session must have in its environment to find us; nothing when there can be no socket: then nothing
            rich is shown, and everything else works.
        """
        async with self._opening:
            if self._path is None or not self._path.exists():  # a broker that died has taken the directory along
                await self.aclose()
                await self._listen(self._directory() / SOCKET_NAME)
        return {} if self._path is None else {SOCKET_VARIABLE: str(self._path), PYTHON_VARIABLE: sys.executable}

    def expect(self, session_id: str, stage: Stage) -> None:
        """Take displays of a session as long as somebody holds its stage."""
        self._stages[session_id] = stage

    async def aclose(self) -> None:
        """Listen no more; who waits for an answer gets none."""
        server, self._server, self._path = self._server, None, None
        if server is not None:
            server.close()
        for conversation in list(self._conversations):
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _listen(self, path: Path) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            _bind_privately(listener, path)
            server = await asyncio.start_unix_server(
                self._converse, sock=listener, limit=MAX_HEADER_BYTES, start_serving=False
            )
        except OSError as error:
            logger.warning("sessions can not show anything: %s: %s", path, error)
            listener.close()
            return
        self._server, self._path = server, path  # first: whoever is cancelled while it starts leaves it to be closed
        await server.start_serving()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            writer.write(json.dumps(await self._answer(reader, writer)).encode() + b"\n")
            await writer.drain()
        except (OSError, asyncio.CancelledError):  # it is gone, or we are going
            pass
        except Exception:
            logger.exception("a display could not be shown")
        finally:
            self._conversations.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, str]:
        try:
            _check_peer(writer)
            if len(self._conversations) > MAX_WAITING:
                raise DisplayRefusedError("too many others want to show something just now")
            header = await _read_header(reader)
            stage = self._stages.get(header.session)
            if stage is None:
                raise DisplayRefusedError("its session is not one that this notebook shows the output of")
            async with self._at_once:
                display = await _read_display(reader, header)
                await stage.show(display, await self._cursor(header.session))
        except (VibesboxError, ProtocolError) as error:
            return {"error": str(error)}
        return {}

    async def _cursor(self, session_id: str) -> int:
        """Where the session's output stands: what it has written until now lies before it."""
        try:
            return await self._catch_up(session_id)
        except (SessionEndedError, SessionNotFoundError, BrokerError):
            return 0  # it is over, and all of its output is on its way


def _bind_privately(listener: socket.socket, path: Path) -> None:
    path.unlink(missing_ok=True)  # ours, from before we were closed
    listener.bind(os.fspath(path))
    path.chmod(0o600)  # before it listens
    listener.setblocking(False)


def _check_peer(writer: asyncio.StreamWriter) -> None:
    _, uid = peer_credentials(writer.get_extra_info("socket"))
    if uid != os.getuid():
        raise DisplayRefusedError(f"the notebook is not of user {uid}")


async def _read_header(reader: asyncio.StreamReader) -> Header:
    try:
        async with asyncio.timeout(HEADER_SECONDS):
            line = await reader.readline()
    except (TimeoutError, ValueError):  # too slow, or too long
        raise _not_whole() from None
    return decode_header(line)


async def _read_display(reader: asyncio.StreamReader, header: Header) -> Display:
    data: dict[str, Any] = {}
    try:
        async with asyncio.timeout(BODY_SECONDS):
            for mime_type, size in header.parts:
                data[mime_type] = decode_part(mime_type, await reader.readexactly(size))
    except (TimeoutError, asyncio.IncompleteReadError):
        raise _not_whole() from None
    return Display(data, header.size, header.display_id)


def _not_whole() -> ProtocolError:
    return ProtocolError("the request did not come whole")
