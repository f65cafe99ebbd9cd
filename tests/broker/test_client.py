"""A client that does not read: it costs little, harms nobody, and hears later that it missed something."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVarTuple

import pytest

from tests.broker.parts import HandLoop, a_session
from vibesbox_kernel.broker.client import MAX_UNSENT_BYTES, Client
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.wire import FrameDecoder

Ts = TypeVarTuple("Ts")


class DeafLoop(HandLoop):
    """Watches nothing: ``ready`` is what the test calls when the client has read."""

    def __init__(self) -> None:
        super().__init__()
        self.ready: Callable[..., None] = lambda: None

    def watch(self, descriptor: int, on_readable: Callable[[*Ts], None], *arguments: *Ts) -> None:
        pass

    def watch_both(
        self, descriptor: int, callback: Callable[[*Ts], None], *arguments: *Ts, read: bool, write: bool
    ) -> None:
        self.ready = callback

    def unwatch(self, descriptor: int) -> None:
        pass


class Peer:
    """The broker's end of a connection, and the client's."""

    def __init__(self) -> None:
        self.loop = DeafLoop()
        ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.client = Client(self.loop, ours, on_request=lambda *_: None, on_gone=lambda _: None)
        self._decoder = FrameDecoder()

    def read(self) -> list[dict[str, Any]]:
        """Everything that there is for the client, until nothing more comes."""
        found: list[dict[str, Any]] = []
        while True:
            try:
                data = self.theirs.recv(1 << 20)
            except BlockingIOError:
                return found
            found += self._decoder.feed(data)
            self.loop.ready()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.client.close()
    made.theirs.close()


def sessions(directory: Path, count: int) -> list[Session]:
    made = [a_session(directory, number) for number in range(count)]
    for session in made:
        session.command = "x" * 200
    return made


def test_output_is_merged_for_a_busy_client(peer: Peer, tmp_path: Path):
    """Ours: only how far it has come by then."""
    (session,) = sessions(tmp_path, 1)
    while not peer.client._unsent:
        peer.client.tell("changed", session)
    for end in (10, 20, 30):
        session.spool.end = end
        peer.client.tell_output([session])
    ends = [message["ends"] for message in peer.read() if message["event"] == "output"]
    assert ends == [{session.session_id: [30, 30]}]


def test_nothing_is_kept_for_a_client_that_does_not_read_but_that_it_missed_something(peer: Peer, tmp_path: Path):
    """Ours: it asks then how all stand; till then a session that is forgotten is gone."""
    (told,) = sessions(tmp_path, 1)
    before, after = a_session(tmp_path, 1), a_session(tmp_path, 2)
    while not peer.client._unsent:
        peer.client.tell("changed", told)
    peer.client.tell_output([before])
    while len(peer.client._unsent) <= MAX_UNSENT_BYTES:
        peer.client.tell("changed", told)
    peer.client.tell_output([after])
    del before, after
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, Session)] == [told]
    messages = [message["event"] for message in peer.read()]
    assert (messages.count("missed"), messages.count("output")) == (1, 0)
    peer.client.tell_output([told])
    assert [message["event"] for message in peer.read()] == ["output"]
