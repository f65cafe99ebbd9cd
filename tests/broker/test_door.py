"""The broker's door, spoken to directly: a bad client is turned away and harms nobody."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from vibesbox_kernel.broker.request import RefusedError
from vibesbox_kernel.broker.request import command as read_command
from vibesbox_kernel.broker.wire import MAX_COMMAND_BYTES, PROTOCOL, FrameDecoder, encode, pack_bytes
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.places import make_places

pytestmark = pytest.mark.anyio


class RawClient:
    """A connection that may say anything."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(5)
        self._socket.connect(path)
        self._decoder = FrameDecoder()
        self._messages: list[dict[str, Any]] = []

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, **request: Any) -> dict[str, Any]:
        self.send(encode({"id": 1, **request}))
        while True:
            for message in self._messages:
                if "id" in message:
                    self._messages.remove(message)
                    return message
            self._messages += self._decoder.feed(self._socket.recv(65536))

    def is_closed_by_peer(self) -> bool:
        try:
            while self._socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
async def served(manager: SessionManager) -> AsyncIterator[tuple[SessionManager, RawClient]]:
    """A manager with one running session, and a raw client of the same broker."""
    await manager.start_session("while read x; do echo $x; done", name="echo")
    client = RawClient(str(make_places(manager.hub.instance).socket))
    yield manager, client
    client.close()
    await manager.send_input("echo", "still here\n")
    with anyio.fail_after(5):
        assert (await manager.read("echo", 0, wait=None)).data == b"still here\n"
        assert (await manager.run("echo new")).output == "new\n"
    await manager.terminate_session("echo", force=True)


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x04nope", b"GET / HTTP/1.1\r\n\r\n" * 100]
)
async def test_who_breaks_the_format_is_disconnected(served, data):
    _, client = served
    client.send(data)
    assert await anyio.to_thread.run_sync(client.is_closed_by_peer)


async def test_half_a_frame_is_waited_for(served):
    _, client = served
    client.send(b"\x00\x00\x10\x00half")


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"op": "no such"},
        {"op": ["a", "list"]},
        {"op": "hello"},
        {"op": "hello", "protocol": 999},
        {"op": "start"},
        {"op": "start", "session_id": "x", "argv": 5},
        {"op": "begin", "session_id": "none", "control": "!"},
        {"op": "settle", "session_id": "none"},
        {"op": "feed", "session_id": "none", "data": "not base64", "eof": False, "hidden": False},
        {"op": "signal", "session_id": "none", "signal": 9},
        {"op": "resize", "session_id": "none", "rows": "many"},
        {"op": "end", "session_ids": 7, "force": True},
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_with_a_reason(served, request_):
    _, client = served
    answer = client.ask(**request_)
    assert answer["error"]["message"]


@pytest.mark.parametrize("kind", ["none", "directory", "fifo", "link", "large", "nul", "not a path"])
def test_a_command_in_a_file_that_is_none_is_refused_with_a_reason(tmp_path: Path, kind: str):
    """Ours: whatever is there, the broker does not wait for it, and keeps no more than it would of a frame."""
    path = tmp_path / "command"
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/etc/passwd")
        case "large":
            path.write_bytes(b"x" * (MAX_COMMAND_BYTES + 1))
        case "nul":
            path.write_bytes(b"a\0b")
    with pytest.raises(RefusedError, match="command"):
        read_command({"command_file": "a\0b" if kind == "not a path" else str(path)})


START = {
    "op": "start",
    "argv": ["/bin/sh", "-c", "sleep 600"],
    "env": {},
    "cwd": "/",
    "command": pack_bytes(b"sleep"),
    "io": "pipe",
    "feed": True,
    "rows": 24,
    "columns": 80,
    "durable": False,
    "prepared": False,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"argv": []},
        {"durable": "yes"},
        {"policy": {"nice": -1}},
        {"policy": {"on_full": "explode"}},
        {"policy": {"after": "all"}},
        {"policy": []},
        {"argv": ["/bin/sh", "a\0b"]},
        {"env": {"a": "b\0c"}},
        {"env": []},
        {"session_id": "../../outside"},
        {"session_id": ""},
        {"session_id": "x" * 5000},
        {"rows": -5, "io": "pty"},
        {"columns": 10**9, "io": "pty"},
        {"policy": {"timeout": "soon"}},
        {"cwd": "/no/such"},
        {"argv": ["/no/such"]},
        {"policy": {"max_output_bytes": "all"}},
    ],
)
async def test_a_start_that_can_not_be_leaves_nothing(served, changes, isolation):
    manager, client = served
    before = {path for path in isolation.rglob("*") if path.is_dir()}
    answer = client.ask(**{**START, "session_id": "11111111-1111-4111-8111-111111111111", **changes})
    assert "error" in answer
    assert {path for path in isolation.rglob("*") if path.is_dir()} == before
    assert len(manager.sessions) == 1


async def test_a_client_that_reads_nothing_delays_nobody(served):
    manager, client = served
    for _ in range(200):
        try:
            client._socket.setblocking(False)
            client.send(encode({"id": 1, "op": "hello", "protocol": PROTOCOL, "pad": "x" * 10_000}))
        except BlockingIOError:
            break
    with anyio.fail_after(10):
        for _ in range(20):
            assert (await manager.run("echo x")).output == "x\n"


async def test_the_sessions_of_a_client_end_with_it_and_only_those(served, lifeline):
    manager, client = served
    command = f"exec 9>{lifeline.path}; echo up >&9; sleep 600"
    session_id = "22222222-2222-4222-8222-222222222222"
    env = {"PATH": os.environ["PATH"]}
    answer = client.ask(**{**START, "session_id": session_id, "argv": ["/bin/sh", "-c", command], "env": env})
    assert answer["ok"]["pid"] > 0
    with anyio.fail_after(5):
        await lifeline.held()
        assert [info.name for info in manager.list_sessions()] == ["echo"]
        client.close()
        await lifeline.released()
