"""The spool: any chunks in, any steps out, and every byte that is missing is counted."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibesbox_kernel.broker.spool import Spool
from vibesbox_kernel.sessions.spool_reader import SpoolReader

CHUNKS = st.lists(st.binary(max_size=50), max_size=30)


def read_all(reader: SpoolReader, step: int) -> tuple[bytes, int]:
    """Everything stored and the number of bytes that were skipped."""
    data, dropped, cursor = b"", 0, 0
    while (chunk := reader.read(cursor, step)).data:
        data += chunk.data
        dropped += chunk.dropped
        assert chunk.next_cursor == cursor + chunk.dropped + len(chunk.data)
        cursor = chunk.next_cursor
    return data, dropped


@given(CHUNKS, st.integers(1, 64), st.integers(1, 20))
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
def test_over_its_limit_the_oldest_goes_and_is_counted(chunks, limit, segment):
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(directory, limit_bytes=limit, segment_bytes=segment)
        for chunk in chunks:
            spool.write(chunk)
        written = b"".join(chunks)
        data, dropped = read_all(SpoolReader(Path(directory)), 7)
        assert dropped == (spool.dropped if data else 0)
        assert data == written[spool.dropped :]
        assert sum(path.stat().st_size for path in Path(directory).iterdir()) <= limit
        spool.close()


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=30), st.booleans()), max_size=20), st.integers(1, 40))
@settings(deadline=None)
def test_what_a_full_disk_did_not_take_is_a_gap_of_exactly_that_size(writes, segment):
    """Ours: a reader finds the loss in the names of the segments alone."""
    real_write = os.write
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        spool = Spool(directory, segment_bytes=segment, retry_seconds=0)
        kept, lost = b"", 0
        for data, full in writes:

            def write(descriptor: int, piece: memoryview, *, full: bool = full) -> int:
                if full:
                    raise OSError(28, "No space left on device")
                return real_write(descriptor, piece)

            patch.setattr(os, "write", write)
            spool.write(data)
            kept, lost = (kept, lost + len(data)) if full else (kept + data, lost)
        patch.undo()
        data, dropped = read_all(SpoolReader(Path(directory)), 11)
        assert data == kept
        assert spool.dropped == lost
        trailing = sum(len(data) for data, _ in itertools.takewhile(lambda one: one[1], reversed(writes)))
        assert dropped == lost - (trailing if kept else lost)
        spool.close()


def test_a_reader_keeps_up_with_a_writer_and_misses_nothing():
    with tempfile.TemporaryDirectory() as directory:
        pieces = [bytes([n % 251]) * (n % 97 + 1) for n in range(20_000)]
        whole = b"".join(pieces)
        spool = Spool(directory, segment_bytes=4096)

        def write_all() -> None:
            for piece in pieces:
                spool.write(piece)

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


@pytest.mark.parametrize(("cursor", "size"), [(-1, 1), (0, -1)])
def test_a_negative_cursor_or_size_is_refused(tmp_path, cursor, size):
    with pytest.raises(ValueError, match="negative"):
        SpoolReader(tmp_path).read(cursor, size)


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
