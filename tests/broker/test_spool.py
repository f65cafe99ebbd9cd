"""The spool: any chunks in, any steps out, and every byte that is missing is counted."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibesbox_kernel.broker import spool as spool_module
from vibesbox_kernel.broker.spool import Spool
from vibesbox_kernel.sessions.spool_reader import SpoolReader

CHUNKS = st.lists(st.binary(max_size=50), max_size=30)


class Disk:
    """Stands for ``os`` in the spool: takes so many bytes and refuses then, or takes all of them."""

    def __init__(self) -> None:
        self.takes: int | None = None
        self.error = errno.ENOSPC

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: memoryview) -> int:
        if self.takes is None:
            return os.write(descriptor, data)
        if self.takes == 0:
            raise OSError(self.error, os.strerror(self.error))
        written = os.write(descriptor, data[: self.takes])
        self.takes -= written
        return written


@pytest.fixture
def disk(monkeypatch) -> Disk:
    one = Disk()
    monkeypatch.setattr(spool_module, "os", one)
    return one


def read_all(reader: SpoolReader, step: int) -> tuple[bytes, int]:
    """Everything stored and the number of bytes that were skipped."""
    data, dropped, cursor = b"", 0, 0
    while (chunk := reader.read(cursor, step)).data:
        data += chunk.data
        dropped += chunk.dropped
        assert chunk.next_cursor == cursor + chunk.dropped + len(chunk.data)
        cursor = chunk.next_cursor
    return data, dropped


def on_disk(directory: str) -> dict[int, int]:
    """Every stored byte by its cursor, from the files alone."""
    found: dict[int, int] = {}
    for path in Path(directory).iterdir() if Path(directory).exists() else []:
        start = int(path.name.removeprefix("out."))
        for offset, byte in enumerate(path.read_bytes()):
            assert start + offset not in found, "two segments hold the same byte"
            found[start + offset] = byte
    return found


def descriptors_in(directory: Path) -> list[str]:
    return [
        name
        for name in os.listdir("/proc/self/fd")
        if os.path.realpath(f"/proc/self/fd/{name}").startswith(str(directory))
    ]


@given(CHUNKS, st.integers(1, 64), st.integers(1, 20))
@settings(deadline=None)
def test_what_is_written_is_read_whatever_the_segments(chunks, segment, step):
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(directory, segment_bytes=segment)
        for chunk in chunks:
            spool.write(chunk)
        reader = SpoolReader(Path(directory))
        written = b"".join(chunks)
        assert read_all(reader, step) == (written, 0)
        assert (spool.end, spool.dropped, reader.end()) == (len(written), 0, len(written))
        spool.close()


@given(CHUNKS, st.integers(1, 40), st.integers(1, 10))
@settings(deadline=None)
def test_over_its_limit_the_oldest_goes_and_is_counted(chunks, limit, segment):
    """Ours: whatever its size, three quarters of a limit are used."""
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(directory, limit_bytes=limit, segment_bytes=segment)
        for chunk in chunks:
            spool.write(chunk)
        written = b"".join(chunks)
        data, dropped = read_all(SpoolReader(Path(directory)), 7)
        assert dropped == (spool.dropped if data else 0)
        assert data == written[spool.dropped :]
        assert len(data) == spool.stored <= limit
        assert len(data) >= min(len(written), limit * 3 // 4)
        spool.close()


class Model:
    """What must be on disk, cursor by cursor, of a spool without a limit that keeps a tail of ``kept`` bytes."""

    def __init__(self, kept: int) -> None:
        self.written = b""
        self.stored: set[int] = set()
        self.tail: list[int] = []
        self._kept = kept

    def write(self, data: bytes, takes: int | None) -> None:
        cursors = list(range(len(self.written), len(self.written) + len(data)))
        self.written += data
        left = self.retry(takes)
        if not self.tail:
            self.stored.update(cursors[:left])
            cursors = cursors[left:]
        self.tail = (self.tail + cursors)[-self._kept :] if cursors else self.tail

    def retry(self, takes: int | None) -> int:
        takes = 1 << 30 if takes is None else takes
        taken, self.tail = self.tail[:takes], self.tail[takes:]
        self.stored.update(taken)
        return takes - len(taken)


TAKES = st.one_of(st.none(), st.none(), st.just(0), st.integers(1, 40))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.binary(max_size=40), TAKES),
        st.tuples(st.just("tick"), st.just(b""), TAKES),
        st.tuples(st.just("suspend"), st.just(b""), st.none()),
        st.tuples(st.just("discard"), st.binary(max_size=60), st.none()),
        st.tuples(st.just("remove"), st.binary(min_size=1, max_size=5), st.none()),
        st.tuples(st.just("close"), st.just(b""), TAKES),
    ),
    max_size=25,
)


@given(
    STEPS, st.integers(1, 30), st.integers(1, 30), st.sampled_from([errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
)
@settings(deadline=None, max_examples=150)
def test_whatever_the_disk_does_the_files_hold_what_they_must_and_the_count_is_exact(steps, segment, kept, error):
    """Ours: at every step, for a reader that comes new and for one that follows."""
    with tempfile.TemporaryDirectory() as base, pytest.MonkeyPatch.context() as patch:
        directory, disk, model = f"{base}/session", Disk(), Model(kept)
        Path(directory).mkdir()
        patch.setattr(spool_module, "os", disk)
        patch.setattr(spool_module, "_CHECK_SECONDS", 0)
        disk.error = error
        spool = Spool(directory, segment_bytes=segment, retry_seconds=0, tail_bytes=kept)
        follower, cursor = SpoolReader(Path(directory)), 0
        for kind, data, takes in steps:
            disk.takes = takes
            if kind == "remove":
                shutil.rmtree(directory, ignore_errors=True)
                model.stored.clear()
            if kind in ("write", "remove"):
                spool.write(data)
                model.write(data, takes)
            elif kind == "tick":
                spool.suspend_if_idle(time.monotonic())
                model.retry(takes)
            elif kind == "close":
                spool.close()
                model.retry(takes)
                model.tail = []
            elif kind == "suspend":
                spool.suspend()
            else:
                up_to = len(data)
                before = set(model.stored)
                freed = spool.discard(up_to)
                model.stored &= on_disk(directory).keys()
                model.tail = [one for one in model.tail if one >= up_to]
                gone = before - model.stored
                assert len(gone) == freed
                assert all(one < up_to for one in gone)
            found = on_disk(directory)
            assert found == {one: model.written[one] for one in model.stored}
            assert (spool.end, spool.stored) == (len(model.written), len(found))
            assert spool.dropped == len(model.written) - len(found)
            assert spool.problem is not None or not model.tail
            last = max(found, default=-1) + 1
            assert read_all(SpoolReader(Path(directory)), 11) == (
                bytes(found[one] for one in sorted(found)),
                last - len(found),
            )
            while (chunk := follower.read(cursor, 9)).data:
                start = cursor + chunk.dropped
                assert chunk.data == model.written[start : start + len(chunk.data)]
                cursor = chunk.next_cursor
        disk.takes = None
        spool.close()


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 100)), max_size=30), st.integers(1, 60))
@settings(deadline=None)
def test_who_asks_for_room_loses_nothing_and_stays_within_the_limit(steps, limit):
    """Ours: with ``block`` only a discard makes a byte go."""
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(directory, limit_bytes=limit, on_full="block")
        written, discarded = b"", 0
        for data, up_to in steps:
            piece = data[: spool.room()]
            spool.write(piece)
            written += piece
            assert spool.stored <= limit
            assert spool.room() == limit - spool.stored
            assert spool.is_full == (spool.room() == 0)
            discarded += spool.discard(up_to)
            assert spool.dropped == discarded
            assert read_all(SpoolReader(Path(directory)), 7)[0] == written[discarded:]
        spool.discard(spool.end)
        assert (spool.stored, spool.room()) == (0, limit)
        spool.close()


def test_a_blocking_spool_takes_beyond_its_limit_what_was_left_in_a_pipe(tmp_path):
    """Ours: nothing of a session that may block is ever dropped but by a discard."""
    spool = Spool(str(tmp_path), limit_bytes=11, on_full="block")
    spool.write(b"0123456789abc")
    assert spool.room() == 0
    spool.write(b"def")
    assert read_all(SpoolReader(tmp_path), 100) == (b"0123456789abcdef", 0)
    assert (spool.end, spool.dropped, spool.room()) == (16, 0, 0)
    spool.close()


def test_an_idle_session_holds_no_descriptor_and_goes_on_in_its_segment(tmp_path):
    spool = Spool(str(tmp_path))
    spool.write(b"one ")
    spool.suspend_if_idle(time.monotonic())
    assert len(descriptors_in(tmp_path)) == 1
    spool.suspend_if_idle(time.monotonic())
    assert descriptors_in(tmp_path) == []
    spool.write(b"two")
    assert os.listdir(tmp_path) == ["out.0"]
    assert read_all(SpoolReader(tmp_path), 100) == (b"one two", 0)
    spool.close()


@pytest.mark.parametrize(
    "change", [Path.unlink, lambda path: path.write_bytes(b"on"), lambda path: path.write_bytes(b"longer")]
)
def test_a_suspended_segment_that_is_not_what_it_was_is_left_alone(tmp_path, change):
    """Ours: a byte is never appended where its cursor does not belong."""
    spool = Spool(str(tmp_path))
    spool.write(b"one ")
    spool.suspend()
    change(tmp_path / "out.0")
    spool.write(b"two")
    assert (tmp_path / "out.4").read_bytes() == b"two"
    assert spool.stored == 3 + min(4, (tmp_path / "out.0").stat().st_size if (tmp_path / "out.0").exists() else 0)
    spool.close()


def test_the_end_of_what_a_full_disk_refused_is_written_when_it_has_room_again(tmp_path, disk):
    """Ours: a reader that comes before sees a shorter output, and one that comes later sees more."""
    spool = Spool(str(tmp_path), retry_seconds=0)
    spool.write(b"before ")
    disk.takes = 0
    lost, kept = b"l" * 10_000, b"k" * (64 << 10)
    spool.write(lost + kept)
    assert (spool.problem, spool.dropped) == ("No space left on device", len(lost + kept))
    assert read_all(SpoolReader(tmp_path), 1 << 20) == (b"before ", 0)
    disk.takes = None
    assert spool.suspend_if_idle(time.monotonic())
    assert (spool.problem, spool.dropped) == (None, len(lost))
    spool.write(b" after")
    assert read_all(SpoolReader(tmp_path), 1 << 20) == (b"before " + kept + b" after", len(lost))
    spool.close()


def test_the_last_words_of_a_session_are_tried_once_more_at_its_end(tmp_path, disk):
    spool = Spool(str(tmp_path), retry_seconds=3600)
    disk.takes = 0
    spool.write(b"last words")
    disk.takes = None
    spool.close()
    assert read_all(SpoolReader(tmp_path), 100) == (b"last words", 0)
    assert (spool.problem, spool.dropped) == (None, 0)


def test_a_disk_that_refuses_to_the_end_is_still_named(tmp_path, disk):
    spool = Spool(str(tmp_path))
    disk.takes, disk.error = 0, errno.EIO
    spool.write(b"lost")
    spool.close()
    assert (spool.problem, spool.end, spool.dropped) == ("Input/output error", 4, 4)


def test_a_removed_directory_is_made_anew(tmp_path):
    spool = Spool(str(tmp_path / "session"))
    spool.write(b"before")
    shutil.rmtree(tmp_path / "session")
    spool.suspend()
    spool.write(b"after")
    assert (tmp_path / "session").stat().st_mode & 0o777 == 0o700
    assert read_all(SpoolReader(tmp_path / "session"), 100) == (b"after", 6)
    assert (spool.problem, spool.dropped) == (None, 6)
    spool.close()


def test_segments_that_can_not_be_removed_do_no_harm(tmp_path, disk, monkeypatch):
    def unlink(path: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system", path)

    spool = Spool(str(tmp_path), limit_bytes=8)
    spool.write(b"01234567")
    monkeypatch.setattr(disk, "unlink", unlink, raising=False)
    assert (spool.discard(4), spool.drop_oldest_segment(), spool.stored) == (0, 0, 8)
    spool.write(b"89")
    assert spool.stored == len(on_disk(str(tmp_path)))
    spool.close()


def test_a_disk_that_comes_and_goes_does_not_make_segments_without_bound(tmp_path, disk, monkeypatch):
    monkeypatch.setattr(spool_module, "MAX_SEGMENTS", 10)
    spool = Spool(str(tmp_path), retry_seconds=0, tail_bytes=1)
    for _ in range(50):
        disk.takes = 0
        spool.write(b"lost")
        disk.takes = 1
        spool.write(b"x")
    assert len(os.listdir(tmp_path)) <= 11
    assert spool.stored == len(on_disk(str(tmp_path)))
    disk.takes = None
    spool.close()


def test_a_reader_keeps_up_with_a_writer_and_misses_nothing():
    with tempfile.TemporaryDirectory() as directory:
        pieces = [bytes([n % 251]) * (n % 97 + 1) for n in range(20_000)]
        whole = b"".join(pieces)
        spool = Spool(directory, segment_bytes=4096)

        def write_all() -> None:
            for number, piece in enumerate(pieces):
                spool.write(piece)
                if number % 50 == 0:
                    spool.suspend()

        writer = threading.Thread(target=write_all)
        writer.start()
        reader, data = SpoolReader(Path(directory)), b""
        while len(data) < len(whole):
            chunk = reader.read(len(data), 5000)
            assert chunk.dropped == 0
            data += chunk.data
        writer.join()
        assert data == whole
        spool.close()


def test_a_listing_that_missed_a_segment_is_not_taken_for_a_loss(tmp_path, monkeypatch):
    """POSIX: whether readdir shows a file that was made while it ran is unspecified."""
    for start, data in ((0, b"0123"), (4, b"4567"), (8, b"89")):
        (tmp_path / f"out.{start}").write_bytes(data)
    listings = [["out.0", "out.8"], ["out.8", "out.4", "out.0"]]
    monkeypatch.setattr(os, "listdir", lambda _: listings.pop(0) if len(listings) > 1 else listings[0])
    assert read_all(SpoolReader(tmp_path), 3) == (b"0123456789", 0)


@pytest.mark.parametrize(("cursor", "size"), [(-1, 1), (0, -1)])
def test_a_negative_cursor_or_size_is_refused(tmp_path, cursor, size):
    with pytest.raises(ValueError, match="negative"):
        SpoolReader(tmp_path).read(cursor, size)


def test_a_reader_of_a_directory_that_is_gone_finds_nothing(tmp_path):
    reader = SpoolReader(tmp_path / "none")
    assert (reader.read(5, 10).data, reader.read(5, 10).next_cursor, reader.end()) == (b"", 5, 0)


def test_a_reader_that_knows_only_the_first_segment_finds_a_much_later_byte(tmp_path):
    """Ours: the list of segments that a reader remembers may be old; what it gives is never from elsewhere."""
    spool = Spool(str(tmp_path), segment_bytes=10)
    reader = SpoolReader(tmp_path)
    spool.write(b"0123456789")
    assert reader.read(0, 10).data == b"0123456789"
    spool.write(bytes(range(100, 190)))
    chunk = reader.read(55, 5)
    assert (chunk.data, chunk.dropped, chunk.next_cursor) == (bytes(range(145, 150)), 0, 60)
    spool.close()


@pytest.mark.parametrize("before", [0, 10, 300])
def test_a_limit_that_is_known_later_counts_what_is_stored_already(tmp_path, before):
    """Ours: a prepared session has its spool before anybody knows what it may store."""
    spool = Spool(str(tmp_path))
    spool.write(b"x" * before)
    spool.limit(100)
    for _ in range(40):
        spool.write(b"y" * 10)
    assert 75 <= spool.stored <= 100
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == spool.stored
    assert spool.dropped == before + 400 - spool.stored
    spool.close()


def test_a_spool_that_is_to_block_from_now_on_has_the_room_of_its_limit(tmp_path):
    """Ours: and what is stored already is not dropped for it."""
    spool = Spool(str(tmp_path))
    spool.write(b"x" * 30)
    assert not spool.blocks
    spool.limit(100, on_full="block")
    assert (spool.blocks, spool.room()) == (True, 70)
    spool.write(b"y" * 70)
    assert (spool.room(), spool.dropped) == (0, 0)
    assert b"".join(Path(path).read_bytes() for path in sorted(tmp_path.iterdir(), key=_start)) == b"x" * 30 + b"y" * 70
    spool.close()


def _start(path: Path) -> int:
    return int(path.name.partition(".")[2])
