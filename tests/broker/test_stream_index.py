"""Two streams in one spool: whatever is stored, dropped or refused, each byte that is read is its own stream's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.broker.test_spool import Disk
from vibesbox_kernel.broker import spool as spool_module
from vibesbox_kernel.broker.spool import Spool
from vibesbox_kernel.broker.stream_index import MAX_MARKS, StreamIndex
from vibesbox_kernel.broker.wire import MARK_BYTES, STDERR, STDOUT, index_path
from vibesbox_kernel.models import StreamName
from vibesbox_kernel.sessions.spool_reader import SpoolReader

# What stdout gets is in lower case and what stderr gets in upper case, so that each byte tells whose it is.
OUT = st.text("abc", max_size=20).map(lambda text: (STDOUT, text.encode()))
ERR = st.text("ABC", max_size=20).map(lambda text: (STDERR, text.encode()))
PIECES = st.lists(OUT | ERR, max_size=30)


def read_all(directory: str, step: int) -> bytes:
    """Everything stored; checks of each byte that it is said to be its own stream's."""
    reader, cursor, data = SpoolReader(Path(directory), split=True), 0, b""
    while (chunk := reader.read(cursor, step)).data:
        assert b"".join(piece for _, piece in chunk.pieces()) == chunk.data
        for stream, piece in chunk.pieces():
            assert piece.isupper() if stream is StreamName.STDERR else piece.islower()
        data += chunk.data
        cursor = chunk.next_cursor
    return data


@given(PIECES, st.integers(4, 64), st.integers(1, 20), st.integers(1, 16))
@settings(deadline=None)
def test_each_byte_is_its_own_streams_whatever_the_segments_the_limit_and_the_steps(pieces, limit, segment, step):
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(directory, limit_bytes=limit, segment_bytes=segment, split=True)
        for stream, data in pieces:
            spool.write(data, stream)
        written = b"".join(data for _, data in pieces)
        assert read_all(directory, step) == written[spool.dropped :]
        spool.close()


@given(PIECES, st.lists(st.integers(0, 30), max_size=10), st.integers(1, 40), st.integers(0, 30))
@settings(deadline=None)
def test_each_byte_is_its_own_streams_when_the_disk_refuses_now_and_then(pieces, takes, segment, tail):
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        disk = Disk()
        patch.setattr(spool_module, "os", disk)
        spool = Spool(directory, segment_bytes=segment, tail_bytes=tail, retry_seconds=0, split=True)
        for number, (stream, data) in enumerate(pieces):
            disk.takes = takes[number] if number < len(takes) else None
            spool.write(data, stream)
        disk.takes = None
        spool.write(b"end", STDOUT)
        assert read_all(directory, 7).endswith(b"end")
        spool.close()


def test_a_segment_without_stderr_has_no_index_and_a_dropped_one_takes_its_own_along(tmp_path):
    spool = Spool(str(tmp_path), limit_bytes=16, segment_bytes=4, split=True)
    for data, stream in ((b"aaaa", STDOUT), (b"BBBB", STDERR), (b"cccc", STDOUT)):
        spool.write(data, stream)
    assert [path.name for path in tmp_path.glob("err.*")] == ["err.4"]
    spool.write(b"d" * 12)
    assert not list(tmp_path.glob("err.*"))
    spool.close()


def test_the_marks_of_a_segment_are_bounded(tmp_path):
    """Ours: a program that goes to and fro with each byte makes no index that is larger than its output may be."""
    index = StreamIndex(str(tmp_path))
    for cursor in range(0, 2 * MAX_MARKS, 1000):
        for at in range(cursor, cursor + 1000):
            index.switch(at, at % 2)
        index.store(0, cursor, cursor + 1000)
        index.stored(cursor + 1000)
    assert os.stat(index_path(str(tmp_path), 0)).st_size <= MAX_MARKS * MARK_BYTES


def test_a_reader_takes_no_half_mark_for_a_whole_one(tmp_path):
    spool = Spool(str(tmp_path), split=True)
    spool.write(b"out", STDOUT)
    spool.write(b"ERR", STDERR)
    with open(index_path(str(tmp_path), 0), "ab") as file:
        file.write(b"\0\0\0")
    assert read_all(str(tmp_path), 100) == b"outERR"
    spool.close()
