"""Who is at the other end of a socket, and word of its death."""

from __future__ import annotations

import importlib.util
import os
import select
import socket
import struct
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from vibesbox_kernel.broker import peer

EVFILT_PROC, EV_ADD, NOTE_EXIT = -5, 1, 0x80000000


def _is_readable(descriptor: int, *, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def test_the_peer_is_the_process_at_the_other_end():
    """Linux: SO_PEERCRED."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer.peer_credentials(ours) == (os.getpid(), os.getuid())


def test_a_deathwatch_becomes_readable_with_the_end_of_the_process():
    """Linux: pidfd_open(2)."""
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    deathwatch = peer.Deathwatch(process.pid)
    assert not _is_readable(deathwatch.fileno(), seconds=0)
    process.stdin.close()
    assert _is_readable(deathwatch.fileno(), seconds=10)
    process.wait(10)
    assert _is_readable(deathwatch.fileno(), seconds=0)  # and stays so
    deathwatch.close()
    deathwatch.close()
    assert deathwatch.fileno() == -1


def test_there_is_no_deathwatch_over_a_process_that_is_gone():
    """Ours: who asks is told at once."""
    process = subprocess.Popen(["true"])
    process.wait(10)
    with pytest.raises(OSError):
        peer.Deathwatch(process.pid)


# macOS, with stand-ins for what Python has there only


class FakeQueue:
    """A kqueue that knows one process."""

    def __init__(self) -> None:
        self.closed = False

    def fileno(self) -> int:
        assert not self.closed
        return 77

    def control(self, changes: list[tuple[int, ...]], most: int) -> None:
        assert most == 0
        if changes != [(4711, EVFILT_PROC, EV_ADD, NOTE_EXIT)]:
            raise ProcessLookupError(3, "No such process")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def on_darwin(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as it loads on macOS."""
    fakes: dict[str, Any] = {
        "kqueue": FakeQueue,
        "kevent": lambda *fields: fields,
        "KQ_FILTER_PROC": EVFILT_PROC,
        "KQ_EV_ADD": EV_ADD,
        "KQ_NOTE_EXIT": NOTE_EXIT,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(select, name, fake, raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    spec = importlib.util.spec_from_file_location("peer_on_darwin", peer.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_on_darwin_the_peer_is_told_by_two_options(on_darwin: ModuleType):
    """macOS: struct xucred and a pid, at the level of local sockets."""

    class Connection:
        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            known = {(0, 1, 76): struct.pack("=IIh", 0, 501, 1) + bytes(66), (0, 2, 4): struct.pack("=i", 4711)}
            return known[level, option, size]

    assert on_darwin.peer_credentials(Connection()) == (4711, 501)


def test_on_darwin_a_deathwatch_is_a_queue_with_one_event(on_darwin: ModuleType):
    """macOS: kqueue(2); the queue itself becomes readable, and nobody takes the event out."""
    deathwatch = on_darwin.Deathwatch(4711)
    assert deathwatch.fileno() == 77
    deathwatch.close()
    assert deathwatch.fileno() == -1


def test_on_darwin_there_is_no_deathwatch_over_a_process_that_is_gone(on_darwin: ModuleType):
    """macOS: ESRCH."""
    with pytest.raises(ProcessLookupError):
        on_darwin.Deathwatch(4712)
