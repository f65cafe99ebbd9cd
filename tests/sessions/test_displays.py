"""The socket by which sessions ask for something to be shown."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.errors import DisplayRefusedError
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.displays import Display, DisplayDoor
from vibesbox_kernel.tools.protocol import SOCKET_VARIABLE, Header

pytestmark = pytest.mark.anyio


@dataclass(eq=False)
class Stage:
    """Notes what it is to show, and where."""

    shown: list[tuple[Display, int]] = field(default_factory=list)
    refuses: str = ""

    async def show(self, display: Display, cursor: int) -> None:
        if self.refuses:
            raise DisplayRefusedError(self.refuses)
        self.shown.append((display, cursor))


async def open_door(manager: SessionManager, session_id: str, stage: Stage) -> str:
    """Where the socket is."""

    async def begin() -> dict[str, str]:
        environment = await manager.displays.open()
        manager.displays.expect(session_id, stage)
        return environment

    return (await manager.engine.run(begin()))[SOCKET_VARIABLE]


async def ask(path: str, data: bytes, *, end: bool = False) -> dict[str, str]:
    """What is answered to these bytes."""

    def talk() -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(path)
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").readline()

    answer: dict[str, str] = json.loads(await anyio.to_thread.run_sync(talk))
    return answer


def request(session_id: str, *parts: tuple[str, bytes], display_id: str | None = None) -> bytes:
    header = Header(session_id, display_id, tuple((kind, len(data)) for kind, data in parts))
    return header.encode() + b"".join(data for _, data in parts)


async def test_a_display_comes_with_the_cursor_behind_what_was_written_before(manager):
    """Ours: what the session wrote before it asked is stored, though nobody was told of it yet."""
    stage = Stage()
    pid = await manager.start_session("echo before; read x", io="pty")
    session_id = manager.info(pid).session_id
    path = await open_door(manager, session_id, stage)
    with anyio.fail_after(5):
        while not (await manager.read(pid, 0, wait=None)).data.endswith(b"before\n"):
            pass
        assert await ask(path, request(session_id, ("text/html", b"<p>"), ("text/plain", b"p"), display_id="a")) == {}
    assert stage.shown == [(Display({"text/html": "<p>", "text/plain": "p"}, 4, "a"), len("before\n"))]


async def test_a_session_that_is_not_ours_is_refused(manager):
    path = await open_door(manager, "some", Stage())
    answer = await ask(path, request("other", ("text/plain", b"x")))
    assert "not one that this notebook shows" in answer["error"]


async def test_a_session_that_nobody_looks_at_any_more_is_refused(manager):
    stage = Stage()
    path = await open_door(manager, "some", stage)
    del stage
    assert "error" in await ask(path, request("some", ("text/plain", b"x")))


async def test_a_refusal_is_handed_on_in_its_own_words(manager):
    stage = Stage(refuses="there is no room")
    path = await open_door(manager, "some", stage)
    assert await ask(path, request("some", ("text/plain", b"x"))) == {"error": "there is no room"}


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\n", b"x" * 100_000, b'{"session": "some"}\n'])
async def test_a_broken_request_is_answered_and_harms_nobody(manager, data):
    stage = Stage()
    path = await open_door(manager, "some", stage)
    with anyio.fail_after(5):
        assert "error" in await ask(path, data, end=True)
        assert await ask(path, request("some", ("text/plain", b"x"))) == {}


async def test_a_display_that_does_not_come_whole_is_not_shown(manager):
    stage = Stage()
    path = await open_door(manager, "some", stage)
    assert "error" in await ask(path, request("some", ("text/plain", b"x" * 10))[:-3], end=True)
    assert stage.shown == []


async def test_the_socket_is_the_users_own_and_goes_with_the_manager(manager):
    path = await open_door(manager, "some", Stage())
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    await manager.aclose()
    assert not Path(path).exists()


async def test_the_door_opens_again_when_its_directory_was_taken_away(manager):
    """Ours: a broker that died has taken the runtime directory along."""
    stage = Stage()
    path = await open_door(manager, "some", stage)
    Path(path).unlink()
    path = await open_door(manager, "some", stage)
    assert await ask(path, request("some", ("text/plain", b"x"))) == {}


async def test_the_door_opens_again_where_it_was_closed(manager, caplog):
    """Ours: a shell that is prepared while its manager closes asks for it once more."""
    first = await manager.displays.open()
    await manager.engine.run(manager.displays.aclose())
    assert await manager.displays.open() == first
    assert "can not show anything" not in caplog.text


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_an_opening_that_is_cancelled_leaves_no_socket(tmp_path: Path, steps: int):
    """CI: the first bash was still being prepared when its program ended."""

    async def catch_up(_session_id: str) -> int:
        return 0

    door = DisplayDoor(lambda: tmp_path, catch_up)
    opening = asyncio.create_task(door.open())
    for _ in range(steps):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await door.aclose()
    del opening
    gc.collect()  # a socket that was left open says so
