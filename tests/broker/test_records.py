"""A session's facts on disk: whole or not there, also on a disk that fills up."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vibesbox_kernel.broker import records


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """POSIX: a write takes what fits below RLIMIT_FSIZE, as a disk that fills up does; the next is refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_facts_that_do_not_fit_are_refused_and_those_before_stand(tmp_path: Path):
    """Ours: half a record is none, and nothing is left of it."""
    records.write_meta(str(tmp_path), {"command": "before"})
    with files_of_at_most(100), pytest.raises(OSError, match="too large"):
        records.write_meta(str(tmp_path), {"command": "y" * 5000})
    assert records.read_meta(str(tmp_path)) == {"command": "before"}
    assert [path.name for path in tmp_path.iterdir()] == ["meta.json"]


def test_facts_of_any_size_are_read_as_they_were_written(tmp_path: Path):
    """Ours: a later record takes the place of the one before."""
    for command in ("y" * 200_000, "short"):
        records.write_meta(str(tmp_path), {"command": command})
        assert records.read_meta(str(tmp_path)) == {"command": command}
