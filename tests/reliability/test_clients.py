"""Test 27: slow, dead and hostile clients delay nobody, cost little, and harm no session but their own."""

from __future__ import annotations

import contextlib
import os
import statistics
import time

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.broker.test_door import START, RawClient
from tests.reliability.observer import Deathwatch, everybody, open_descriptors, resident_bytes
from tests.sessions.program import broker_of
from vibesbox_kernel.broker.wire import PROTOCOL, encode, pack_bytes
from vibesbox_kernel.sessions.places import make_places

pytestmark = pytest.mark.anyio

MIB = 1 << 20


def _half_a_frame(client: RawClient) -> None:
    client.send((100_000).to_bytes(4, "big") + b"{" * 50_000)


def _a_gigabyte_announced(client: RawClient) -> None:
    client.send((1 << 30).to_bytes(4, "big"))
    with contextlib.suppress(OSError):
        for _ in range(64):
            client.send(b"x" * MIB)


def _reads_nothing(client: RawClient) -> None:
    client._socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(20_000):
            client.send(encode({"id": 1, "op": "hello", "protocol": PROTOCOL}))


def _byte_by_byte(client: RawClient) -> None:
    frame = encode({"id": 1, "op": "usage"})
    for byte in frame * 30:
        client.send(bytes([byte]))


def _nonsense(client: RawClient) -> None:
    with contextlib.suppress(OSError):
        for _ in range(200):
            client.send(os.urandom(10_000))


def _deep_json(client: RawClient) -> None:
    body = b'{"id":' + b"[" * 500_000
    client.send(len(body).to_bytes(4, "big") + body)


HOSTILE = (_half_a_frame, _a_gigabyte_announced, _reads_nothing, _byte_by_byte, _nonsense, _deep_json)


async def test_bad_clients_delay_nobody(manager, observer, figure):
    """Ours: thirty bad clients at once, all there to the end; a good one is answered as if it were alone."""
    pid = await manager.start_session("while read x; do echo $x; done")
    broker = broker_of(os.getpid())
    seconds: list[float] = []
    path = str(make_places(manager.hub.instance).socket)
    clients = [RawClient(path) for _ in range(5 * len(HOSTILE))]

    async def ask_often(until: anyio.Event) -> None:
        cursor = 0
        while not until.is_set() or len(seconds) < 100:
            began = time.monotonic()
            await manager.send_input(pid, "now\n")
            cursor = (await manager.read(pid, cursor, wait=None)).next_cursor
            seconds.append(time.monotonic() - began)

    try:
        with anyio.fail_after(60):
            all_bad = anyio.Event()
            async with anyio.create_task_group() as group:
                group.start_soon(ask_often, all_bad)
                async with anyio.create_task_group() as bad:
                    for number, client in enumerate(clients):
                        bad.start_soon(run_sync, HOSTILE[number % len(HOSTILE)], client)
                all_bad.set()
        resident = resident_bytes(broker)
        assert (await manager.run("echo new")).output == "new\n"
    finally:
        for client in clients:
            client.close()
    assert resident < 40 * MIB  # promise 5, and a mebibyte at most that waits for each who reads nothing
    with anyio.fail_after(10):
        while open_descriptors(broker) > 20:
            await anyio.sleep(0.01)
    await manager.terminate_session(pid, force=True)
    observer.wait_gone()
    ordered, scale = sorted(seconds), f"{len(clients)} bad clients"
    median = statistics.median(seconds) * 1000
    figure(27, "an answer beside bad clients, median", median, "ms", target="< 50 ms", scale=scale)
    figure(27, "an answer beside bad clients, p99", ordered[len(ordered) * 99 // 100] * 1000, "ms", scale=scale)
    figure(27, "the broker's memory with them", resident / MIB, "MiB", scale=scale)


async def _sleepers_below(pid: int, count: int) -> list[int]:
    """The children of a process, once so many of them sleep."""
    while True:
        found = [one.pid for one in everybody() if one.parent == pid and one.name == "sleep"]
        if len(found) == count:
            return found
        await anyio.sleep(0.02)


async def test_who_floods_with_unread_events_is_bounded(manager, observer, figure):
    """Ours: a client that owns a flood and reads nothing gets its events merged, not hoarded."""
    pid = await manager.start_session("exec sleep 600")
    client = RawClient(str(make_places(manager.hub.instance).socket))
    broker = broker_of(os.getpid())
    try:
        before = resident_bytes(broker)
        ids = [f"{number:08d}-1111-4111-8111-111111111111" for number in range(200)]
        argv = ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; done; exec sleep 600"]
        for session_id in ids:
            client.send(
                encode({"id": 1, **START, "session_id": session_id, "argv": argv, "command": pack_bytes(b"x" * 2000)})
            )
        with anyio.fail_after(20):
            found = await _sleepers_below(broker, 1 + len(ids))
            growth = resident_bytes(broker) - before
            with Deathwatch(set(found) - {pid}) as deaths:
                client.close()
                await run_sync(deaths.wait)
        assert manager.info(pid).is_running
        assert growth < 8 * MIB
        figure(27, "growth for a client that reads no events", growth / MIB, "MiB", scale=f"{len(ids)} sessions")
    finally:
        client.close()
    await manager.terminate_session(pid, force=True)
    observer.wait_gone()
