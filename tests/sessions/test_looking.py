"""Which ports sessions listen on, and whose children their processes are: found in /proc, without the broker."""

from __future__ import annotations

import socket
import sys

import anyio
import pytest

from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.models import ListeningPort
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.listening import listening_sockets

pytestmark = pytest.mark.anyio

LISTEN = """
import os, socket, sys, time
family, address = (socket.AF_INET6, "::1") if sys.argv[1] == "6" else (socket.AF_INET, "127.0.0.1")
if sys.argv[2] == "daemon":
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
server = socket.socket(family)
server.bind((address, 0))
server.listen()
print(server.getsockname()[1], flush=True)
time.sleep(600)
"""


async def port_said_by(manager: SessionManager, ref: str) -> int:
    """The port that a session of ``LISTEN`` has printed."""
    cursor, data = 0, b""
    with anyio.fail_after(10):
        while b"\n" not in data:
            chunk = await manager.read(ref, cursor, wait=None)
            cursor, data = chunk.next_cursor, data + chunk.data
    return int(data)


def command(family: str, kind: str) -> str:
    """The command line of ``LISTEN``."""
    return f"{sys.executable} -c '{LISTEN}' {family} {kind}"


@pytest.mark.parametrize("kind", ["child", "daemon"])
async def test_the_port_of_a_child_and_of_a_daemon_is_found(manager: SessionManager, kind: str):
    """Ours: also where parent and POSIX session are gone."""
    await manager.start_session(f"{command('4', kind)}; true", name="server")
    await manager.start_session("sleep 600", name="other")
    port = await port_said_by(manager, "server")
    (found,) = await manager.ports("server")
    assert (found.port, found.address) == (port, "127.0.0.1")
    assert answers(found)
    assert await manager.ports("other") == ()
    assert set(await manager.all_ports()) == {manager.info("server").session_id}
    await manager.cleanup_all()


def answers(found: ListeningPort) -> bool:
    """Whether one can connect there."""
    with socket.create_connection((found.address, found.port), timeout=10):
        return True


async def test_a_port_of_the_newer_protocol_is_found_and_gone_with_its_session(manager: SessionManager):
    if not socket.has_ipv6 or "::1" not in open_addresses():
        pytest.skip("no IPv6 here")
    await manager.start_session(command("6", "child"), name="server")
    port = await port_said_by(manager, "server")
    assert [(one.port, one.address) for one in await manager.ports("server")] == [(port, "::1")]
    await manager.terminate_session("server", force=True)
    assert await manager.ports("server") == ()


def open_addresses() -> set[str]:
    """Where one can listen."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return set()
    return {"::1"}


async def test_ports_of_a_session_that_there_is_not_are_an_error(manager: SessionManager):
    with pytest.raises(SessionNotFoundError):
        await manager.ports("none")


async def test_our_own_sockets_are_listed_with_address_and_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert ("127.0.0.1", server.getsockname()[1]) in listening_sockets().values()


async def test_the_processes_of_a_session_are_a_tree(manager: SessionManager):
    pid = await manager.start_session("echo up; (sleep 600; true); true", name="tree")
    with anyio.fail_after(10):
        found = await manager.process_tree("tree")
        while len(found) < 3:
            await anyio.sleep(0.02)
            found = await manager.process_tree("tree")
    parents = {one.pid: one.parent for one in found}
    (sleeper,) = [one.pid for one in found if one.command.startswith("sleep")]
    assert parents[parents[sleeper] or 0] == pid
    await manager.cleanup_all()


async def test_the_figures_of_a_session_that_is_over_can_still_be_had(manager: SessionManager):
    pid = await manager.start_session("head -c 1000 /dev/zero; sleep 600")
    cursor = 0
    with anyio.fail_after(10):
        while cursor < 1000:
            cursor = (await manager.read(pid, cursor, wait=None)).next_cursor
        await manager.usage(pid)
        await manager.terminate_session(pid, force=True)
        last = (await manager.usage(pid))[-1]
    assert last.output_bytes == 1000
