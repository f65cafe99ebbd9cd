"""The descriptors of another process, as Linux shows and gives them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vibesbox_kernel.broker import system_descriptors
from vibesbox_kernel.broker.system_descriptors import inherited_descriptors, open_again, take_descriptor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

Holder = Callable[..., int]


@pytest.fixture
def holder() -> Iterator[Holder]:
    """Starts processes that only hold what they are given."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*descriptors: int) -> int:
        program = ["/bin/sh", "-c", "echo; read -r x"]
        held = subprocess.Popen(program, pass_fds=descriptors, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(held)
        assert held.stdout is not None
        held.stdout.readline()
        return held.pid

    yield start
    for one in started:
        one.communicate()


@pytest.fixture
def opened() -> Iterator[Callable[[int], int]]:
    """Closes what a test opens."""
    descriptors: list[int] = []

    def note(descriptor: int) -> int:
        descriptors.append(descriptor)
        return descriptor

    yield note
    for descriptor in descriptors:
        os.close(descriptor)


def test_what_a_process_hands_on_is_listed(holder, opened, isolation):
    kept = opened(os.open(isolation, os.O_RDONLY))
    assert inherited_descriptors(holder(kept)) == [kept]
    assert inherited_descriptors(2**22 + 1) == []


@pytest.mark.parametrize("forbidden", [False, True], ids=["taken", "opened again"])
def test_a_taken_file_stands_where_it_stood(holder, opened, isolation, monkeypatch, forbidden):
    """Ours: whether the system lets us have the descriptor itself or only lets us open the file once more."""
    (isolation / "file").write_text("abcdef")
    kept = opened(os.open(isolation / "file", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
    os.write(kept, b"abcdef")
    os.lseek(kept, 3, os.SEEK_SET)
    pid = holder(kept)
    if forbidden:
        monkeypatch.setattr(system_descriptors, "_SYS_PIDFD_GETFD", -1)  # ENOSYS
    taken = opened(take_descriptor(pid, kept))
    assert os.read(taken, 2) == b"de"
    assert os.lseek(kept, 0, os.SEEK_CUR) == (3 if forbidden else 5)
    os.write(taken, b"g")
    assert (isolation / "file").read_text() == "abcdefg"
    assert not os.get_inheritable(taken)


def test_opening_a_pipe_again_waits_for_nobody(holder, opened):
    """Ours: the broker never waits for a client's processes; then the descriptor waits as it did before."""
    read_end, write_end = os.pipe()
    pid = holder(opened(read_end))
    os.close(write_end)
    again = opened(open_again(pid, read_end))
    assert os.get_blocking(again)
    assert os.read(again, 1) == b""


def test_what_is_not_open_can_not_be_taken(holder):
    with pytest.raises(OSError, match="Bad file descriptor"):
        take_descriptor(holder(), 77)


def test_a_deleted_file_can_be_opened_again(holder, opened, isolation):
    path = Path(isolation / "gone")
    path.write_text("still here")
    kept = opened(os.open(path, os.O_RDONLY))
    path.unlink()
    assert os.read(opened(open_again(holder(kept), kept)), 20) == b"still here"
