"""Output into the spool and input to sessions, over real pipes and terminals, on the broker's own loop."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import signal
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.broker.parts import turn_until
from tests.broker.test_spool import Disk, descriptors_in, read_all
from vibesbox_kernel.broker import spool as spool_module
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.progress_reports import Report
from vibesbox_kernel.broker.session import Outlet, Session
from vibesbox_kernel.broker.spool import Spool
from vibesbox_kernel.broker.streams import Streams
from vibesbox_kernel.broker.wire import SPLIT, STDERR
from vibesbox_kernel.models import StreamName
from vibesbox_kernel.sessions.spool_reader import SpoolReader


class House:
    """A loop with streams and a few sessions, whose other ends the test holds."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loop = Loop()
        self.told: list[int] = []
        self.drained: list[Session] = []
        self.reports: list[Report] = []
        self.streams = Streams(
            self.loop,
            on_output=lambda session: self.told.append(session.spool.end),
            on_drained=self.drained.append,
            on_reports=lambda session, reports: self.reports.extend(reports),
        )
        self._ends: list[int] = []
        self._sessions: list[Session] = []

    def pipe(self, *, on_full: str = "block", limit_bytes: int = 1000) -> tuple[Session, int]:
        """A session whose output is a pipe; and where its child writes."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        return self._session("pipe", reading, on_full, limit_bytes), self._end(writing)

    def terminal(self, *, on_full: str = "block", limit_bytes: int = 1000) -> tuple[Session, int]:
        """A session in a terminal; and where its child reads and writes."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        session = self._session("pty", master, on_full, limit_bytes)
        session.input = master
        return session, self._end(slave)

    def two_pipes(self, *, on_full: str = "block", limit_bytes: int = 1000) -> tuple[Session, int, int]:
        """A session whose stderr is kept apart; and where its child writes either."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        errors, writing_errors = os.pipe2(os.O_CLOEXEC)
        session = self._session("split-pipe", reading, on_full, limit_bytes, errors=errors)
        return session, self._end(writing), self._end(writing_errors)

    def shut(self, end: int) -> None:
        """Close where a child writes."""
        self._ends.remove(end)
        os.close(end)

    def until(self, condition: Callable[[], bool]) -> None:
        """Turn the loop until something is so."""
        turn_until(self.loop, condition)

    def until_taken(self, session: Session, count: int) -> None:
        """Turn the loop until so many bytes have been read from a session."""
        self.until(lambda: session.spool.end == count)

    def stored(self, session: Session) -> bytes:
        return read_all(SpoolReader(Path(session.directory)), 1 << 20)[0]

    def close(self) -> None:
        for session in self._sessions:
            if session.outlets:
                self.streams.close(session)
        for end in self._ends:
            with contextlib.suppress(OSError):
                os.close(end)
        os.close(signal.set_wakeup_fd(-1))
        os.close(self.loop._signals_end)
        self.loop._selector.close()

    def _end(self, descriptor: int) -> int:
        os.set_blocking(descriptor, False)
        self._ends.append(descriptor)
        return descriptor

    def _session(self, io: str, output: int, on_full: str, limit_bytes: int, *, errors: int = -1) -> Session:
        directory = self.directory / f"session{len(self._sessions)}"
        directory.mkdir()
        session = Session(
            session_id=directory.name,
            tag=0,
            owner=None,
            label="test",
            command="",
            name=None,
            cwd="/",
            io=io,
            directory=str(directory),
            spool=Spool(str(directory), limit_bytes=limit_bytes, on_full=on_full, retry_seconds=0, split=io in SPLIT),
            listed=True,
        )
        session.outlets = (Outlet(output), *([Outlet(errors, STDERR)] if errors >= 0 else []))
        for outlet in session.outlets:
            os.set_blocking(outlet.descriptor, False)
        self._sessions.append(session)
        self.streams.open(session)
        return session


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    one = House(tmp_path)
    yield one
    one.close()


@pytest.fixture
def disk(monkeypatch) -> Disk:
    one = Disk()
    monkeypatch.setattr(spool_module, "os", one)
    return one


def fill(descriptor: int, data: bytes) -> int:
    """Write until whoever writes would have to wait; the bytes that went in."""
    written = 0
    with contextlib.suppress(BlockingIOError):
        while written < len(data):
            written += os.write(descriptor, data[written:])
    return written


def pattern(count: int) -> bytes:
    return bytes(n % 251 for n in range(count))


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_a_full_spool_makes_the_child_wait_and_a_discard_lets_it_go_on(house, kind):
    """Ours: with ``block`` not one byte is dropped, however long nobody looks."""
    session, child = getattr(house, kind)()
    whole, sent, read = pattern(100_000), 0, b""
    while len(read) < len(whole):
        sent += fill(child, whole[sent:])
        house.until(lambda: session.waits_for_room or session.spool.end == sent)  # noqa: B023 - called at once
        assert session.spool.stored <= 1000
        assert session.spool.problem is None
        read += house.stored(session)
        session.spool.discard(len(read))
        house.streams.resume(session)
    assert read == whole
    assert session.spool.end == len(whole)


def test_while_a_session_waits_the_loop_has_nothing_to_do_for_it(house):
    """Linux: a descriptor that is still watched would wake the loop at once, again and again."""
    session, child = house.pipe()
    fill(child, bytes(200_000))
    house.until(lambda: session.waits_for_room)
    assert house.loop._selector.select(0) == []
    assert fill(child, b"x") == 0
    house.streams.resume(session)
    assert session.waits_for_room


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_a_session_that_may_drop_never_waits(house, kind):
    session, child = getattr(house, kind)(on_full="drop_oldest")
    whole, sent = pattern(100_000), 0
    while sent < len(whole):
        sent += fill(child, whole[sent:])
        house.until_taken(session, sent)
    assert not session.waits_for_room
    kept = house.stored(session)
    assert 750 <= len(kept) <= 1000
    assert kept == whole[-len(kept) :]
    assert session.spool.dropped == len(whole) - len(kept)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_while_the_disk_refuses_a_blocking_session_waits_and_loses_nothing(house, disk, error):
    session, child = house.pipe(limit_bytes=1 << 20)
    whole = pattern(200_000)
    disk.takes, disk.error = 5000, error
    sent = fill(child, whole)
    house.until(lambda: session.waits_for_room)
    sent += fill(child, whole[sent:])
    assert session.spool.room() == 0
    assert session.spool.problem == os.strerror(error)
    disk.takes = None
    while sent < len(whole):
        house.until_taken(session, sent)
        sent += fill(child, whole[sent:])
    house.until_taken(session, sent)
    assert house.stored(session) == whole
    assert (session.spool.problem, session.spool.dropped) == (None, 0)
    assert house.told[-1] == len(whole)


def test_what_a_session_leaves_in_its_pipe_when_its_spool_is_full_goes_beyond_its_limit(house):
    """Ours: nobody is left to wait for room, and nothing of a session that may block is ever lost."""
    session, child = house.pipe()
    sent = fill(child, pattern(30_000))
    house.until(lambda: session.waits_for_room)
    house.streams.drain_what_is_there(session)
    assert session.spool.end == 1000
    os.close(child)
    house.streams.close(session)
    assert (session.spool.end, session.spool.dropped) == (sent, 0)
    assert house.stored(session) == pattern(sent)
    assert house.drained == [session]


def test_at_the_end_the_disk_is_asked_once_more(house, disk):
    session, child = house.pipe(limit_bytes=100_000)
    disk.takes = 0
    sent = fill(child, pattern(65_000))
    house.until(lambda: session.waits_for_room)
    disk.takes = None
    os.close(child)
    house.streams.close(session)
    assert house.stored(session) == pattern(sent)
    assert session.spool.dropped == 0


def test_a_session_that_waits_for_room_in_a_terminal_still_gets_its_input(house):
    session, child = house.terminal()
    fill(child, bytes(3000))
    house.until(lambda: session.waits_for_room)
    typed = pattern(20_000)
    answers: list[bool] = []
    house.streams.feed(session, typed, eof=False, on_room=answers.append)
    got = b""

    def take() -> bool:
        nonlocal got
        with contextlib.suppress(BlockingIOError):
            got += os.read(child, 65536)
        return len(got) == len(typed)

    house.until(take)
    assert got == typed
    assert answers == [True]
    assert session.waits_for_room


def test_a_terminal_that_is_hung_up_while_its_session_waits_does_not_keep_the_loop_busy(house):
    """Linux: epoll reports a hang-up whether it is asked for or not."""
    session, child = house.terminal()
    sent = fill(child, pattern(3000))
    house.until(lambda: session.waits_for_room)
    house.streams.feed(session, b"x" * 100_000, eof=False, on_room=lambda _: None)
    os.close(child)
    assert house.loop._selector.select(0) == []
    session.spool.discard(1000)
    house.streams.resume(session)
    house.until(lambda: session.spool.end >= min(sent, 2000) or session.outlets[0].next_look is not None)
    house.streams.close(session)
    assert session.output == -1


def test_a_discard_without_need_changes_nothing(house):
    session, child = house.pipe()
    os.write(child, b"some")
    house.until(lambda: session.spool.end == 4)
    session.spool.discard(4)
    house.streams.resume(session)
    os.write(child, b" more")
    house.until(lambda: session.spool.end == 9)
    assert house.stored(session) == b" more"


def test_output_and_input_both_count_as_activity(house):
    session, child = house.terminal()
    session.active_at = 0.0
    os.write(child, b"out")
    house.until(lambda: session.active_at > 0)
    session.active_at = 0.0
    house.streams.feed(session, b"in", eof=False, on_room=lambda _: None)
    assert session.active_at > 0


def test_an_idle_session_holds_the_descriptor_of_its_pipe_and_no_other(house):
    session, child = house.pipe()
    os.write(child, b"quiet now")
    house.until(lambda: session.spool.end == 9)
    for _ in range(2):
        session.spool.suspend_if_idle(time.monotonic())
    assert descriptors_in(house.directory) == []
    os.write(child, b", and again")
    house.until(lambda: session.spool.end == 20)
    assert house.stored(session) == b"quiet now, and again"


def test_two_streams_are_drained_when_both_are_at_their_end(house):
    session, out, errors = house.two_pipes()
    os.write(errors, b"error")
    house.shut(errors)
    house.until(lambda: len(session.outlets) == 1)
    assert house.drained == []
    os.write(out, b" out")
    house.shut(out)
    house.until(lambda: house.drained == [session])
    assert session.output == -1
    assert house.stored(session) == b"error out"


def test_while_there_is_no_room_neither_stream_is_read_and_then_both_are(house):
    """Ours: they share one spool, and its limit."""
    session, out, errors = house.two_pipes()
    sent = fill(out, b"o" * 3000) + fill(errors, b"e" * 3000)
    house.until(lambda: session.waits_for_room)
    assert house.loop._selector.select(0) == []
    read, cursor = {StreamName.STDOUT: b"", StreamName.STDERR: b""}, 0
    reader = SpoolReader(Path(session.directory), split=True)
    while cursor < sent:
        house.until(lambda: session.waits_for_room or session.spool.end == sent)
        while (chunk := reader.read(cursor, 1 << 20)).data:
            for stream, data in chunk.pieces():
                read[stream] += data
            cursor = chunk.next_cursor
        session.spool.discard(cursor)
        house.streams.resume(session)
    assert read == {StreamName.STDOUT: b"o" * 3000, StreamName.STDERR: b"e" * 3000}


def test_what_was_written_until_now_is_taken_of_both_streams_at_once(house):
    session, out, errors = house.two_pipes()
    os.write(out, b"out")
    os.write(errors, b"err")
    house.streams.drain_what_is_there(session)
    assert session.spool.end == 6


def test_a_report_of_progress_is_found_though_it_comes_in_two_reads(house):
    session, out = house.pipe()
    os.write(out, b"some text\x1b]9;4")
    house.until_taken(session, 14)
    assert house.reports == []
    os.write(out, b";1;40\x07more")
    house.until_taken(session, 24)
    assert house.reports == [Report("normal", 0.4)]


def test_what_one_stream_begins_the_other_does_not_end(house):
    session, out, errors = house.two_pipes()
    os.write(out, b"\x1b]9;4;1;4")
    house.until_taken(session, 9)
    os.write(errors, b"0\x07")
    house.until_taken(session, 11)
    os.write(out, b"5\x07")
    house.until_taken(session, 13)
    assert house.reports == [Report("normal", 0.45)]
