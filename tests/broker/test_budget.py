"""The limit of all sessions together: counted to the byte, and made room for at the cost of the oldest."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibesbox_kernel.broker import budget as budget_module
from vibesbox_kernel.broker.budget import Budget
from vibesbox_kernel.broker.spool import Spool


def budget(root: Path, limit_bytes: int) -> Budget:
    (root / "own").mkdir(exist_ok=True)
    return Budget(str(root), str(root / "own"), limit_bytes=limit_bytes)


def session(root: Path, name: str, of: Budget, *, on_full: str = "drop_oldest", segment_bytes: int = 10) -> Spool:
    (root / "own" / name).mkdir()
    return Spool(str(root / "own" / name), segment_bytes=segment_bytes, on_full=on_full, budget=of, retry_seconds=0)


def others(root: Path, name: str, size: int) -> Path:
    """What another broker's session has stored."""
    directory = root / name / "session"
    directory.mkdir(parents=True)
    (directory / "out.0").write_bytes(b"x" * size)
    (directory / "meta.json").write_bytes(b"m" * 1000)
    return directory


def on_disk(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("out.*"))


def test_the_oldest_ended_session_goes_first_then_who_stores_the_most(tmp_path):
    of = budget(tmp_path, 100)
    first, second, small, large = (session(tmp_path, name, of) for name in ("first", "second", "small", "large"))
    for spool, size in ((second, 20), (first, 20), (small, 20), (large, 40)):
        spool.write(b"x" * size)
    first.close()
    second.close()
    small.write(b"y" * 10)
    assert (first.stored, second.stored, large.stored, small.stored) == (10, 20, 40, 30)
    small.write(b"y" * 30)
    assert (first.stored, second.stored, large.stored, small.stored) == (0, 0, 40, 60)
    large.write(b"y" * 10)
    assert (large.stored, small.stored) == (50, 50)
    assert (large.dropped, small.dropped, first.dropped, second.dropped) == (0, 10, 20, 20)
    assert of.stored == on_disk(tmp_path) == 100
    large.close()
    small.close()


def test_what_the_broker_has_forgotten_goes_before_everything_else(tmp_path):
    of = budget(tmp_path, 60)
    spools = [session(tmp_path, name, of) for name in ("a", "b", "c")]
    for spool in spools:
        spool.write(b"x" * 20)
        spool.close()
    of.forget(spools[1], removed=False)
    new = session(tmp_path, "new", of)
    new.write(b"y" * 10)
    assert [on_disk(tmp_path / "own" / name) for name in ("a", "b", "c", "new")] == [20, 0, 20, 10]
    shutil.rmtree(tmp_path / "own" / "c")
    of.forget(spools[2], removed=True)
    assert of.stored == on_disk(tmp_path) == 30
    new.close()


def test_a_session_that_would_rather_wait_is_not_robbed(tmp_path):
    of = budget(tmp_path, 40)
    waiting, other = session(tmp_path, "waiting", of, on_full="block"), session(tmp_path, "other", of)
    waiting.write(b"w" * 30)
    other.write(b"o" * 30)
    assert (waiting.stored, other.stored, other.dropped) == (30, 10, 20)
    waiting.write(b"w" * 10)
    assert (waiting.stored, other.stored) == (40, 0)
    waiting.write(b"w" * 5)
    assert (waiting.room(), waiting.stored) == (0, 40)
    assert str(waiting.problem) == "All sessions together may store 40 bytes, and have"
    waiting.discard(10)
    assert waiting.retry()
    assert (waiting.problem, waiting.stored, waiting.dropped) == (None, 35, 10)
    waiting.close()
    other.write(b"o" * 40)
    # It has ended and waits no more: before what is new would be lost, and for no more than that, it gives.
    assert (waiting.stored, other.stored) == (25, 10)
    other.close()


def test_what_other_brokers_store_leaves_less_for_ours(tmp_path):
    living = others(tmp_path, "living", 60)
    others(tmp_path, "dead", 20)
    of = budget(tmp_path, 100)
    spool = session(tmp_path, "s", of)
    spool.write(b"x" * 50)
    assert (of.others, spool.stored, spool.dropped) == (80, 20, 30)
    assert on_disk(living) == 60
    spool.close()


def test_whatever_the_others_have_ours_may_store_a_little(tmp_path):
    others(tmp_path, "full", 5000)
    of = budget(tmp_path, 640)
    spool = session(tmp_path, "s", of)
    spool.write(b"x" * 50)
    assert (spool.stored, spool.problem) == (10, None)
    spool.close()


def test_a_look_at_many_directories_is_taken_in_small_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(budget_module, "LOOKS_AT_ONCE", 7)
    for number in range(50):
        others(tmp_path, f"other{number}", 3)
    of = budget(tmp_path, 1 << 30)
    spool = session(tmp_path, "s", of)
    before = len(os.listdir("/proc/self/fd"))
    spool.write(b"x")
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert of.others == 0
    for _ in range(20):
        of.go_on_looking()
    assert of.others == 150
    spool.close()


def test_how_old_a_look_may_get_depends_on_how_near_the_limit_is(tmp_path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("vibesbox_kernel.broker.budget.time.monotonic", lambda: now)
    of = budget(tmp_path, 1000)
    spool = session(tmp_path, "s", of)

    def seen_after(seconds: float, size: int) -> int:
        nonlocal now
        now += seconds
        others(tmp_path, f"other{now}", size)
        spool.write(b"x" * 20)
        return of.others

    assert seen_after(0, 100) == 100
    assert seen_after(11, 100) == 100
    assert seen_after(50, 400) == 600
    assert seen_after(9, 100) == 600
    assert seen_after(1, 100) == 800
    spool.close()


def test_a_disk_that_refuses_everybody_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(budget_module, "MEMORY_BYTES", 100)
    of = budget(tmp_path, 1 << 30)
    spools = [session(tmp_path, str(number), of) for number in range(10)]
    for spool in spools:
        shutil.rmtree(spool.directory)
        Path(spool.directory).touch()  # no directory can be made there
        spool.write(b"x" * 30)
        assert spool.problem is not None
    assert of.memory == 100
    for spool in spools:
        Path(spool.directory).unlink()
        spool.write(b"y")
    assert of.memory == 0
    assert of.stored == on_disk(tmp_path) == 110
    for spool in spools:
        spool.close()


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "close", "discard", "suspend", "forget"]),
        st.integers(0, 3),
        st.integers(0, 40),
    ),
    max_size=40,
)


@given(ACTIONS, st.integers(20, 100))
@settings(deadline=None)
def test_the_count_is_what_lies_on_the_disk_whatever_happens(actions, limit):
    with tempfile.TemporaryDirectory() as base:
        root = Path(base)
        of = budget(root, limit)
        spools = [session(root, str(n), of, on_full="block" if n == 0 else "drop_oldest") for n in range(4)]
        forgotten: set[int] = set()
        for action, which, size in actions:
            spool = spools[which]
            if which in forgotten:
                continue
            if action == "write":
                spool.write(b"x" * (min(size, spool.room()) if spool.blocks else size))
            elif action == "discard":
                spool.discard(size)
            elif action == "suspend":
                spool.suspend()
            else:
                spool.close()
            if action == "forget":
                forgotten.add(which)
                of.forget(spool, removed=False)
            assert of.stored == on_disk(root) <= limit
            for number, one in enumerate(spools):
                if number not in forgotten:
                    assert one.stored == on_disk(root / "own" / str(number)) == one.end - one.dropped
        for spool in spools:
            spool.close()


@pytest.mark.parametrize(("limit", "words"), [(100, "100 bytes"), (1536, "1.5 KiB"), (4 << 30, "4 GiB")])
def test_the_limit_is_named_in_words(tmp_path, limit, words):
    of = budget(tmp_path, limit)
    with pytest.raises(OSError, match=f"may store {words}, and have"):
        of.claim(limit + 1)


def test_a_session_is_forgotten_once_however_often_that_is_said(tmp_path):
    """Ours: a session that was only prepared is unmade, and not remembered; both say so."""
    of = budget(tmp_path, 1000)
    other, discarded = (session(tmp_path, name, of) for name in ("other", "discarded"))
    other.write(b"x" * 100)
    discarded.write(b"x" * 100)
    discarded.close()
    for _ in range(2):
        of.forget(discarded, removed=True)
    assert of.stored == 100
    for _ in range(2):
        of.forget(other, removed=False)
    assert of.stored == 100
    shutil.rmtree(tmp_path / "own/discarded")
    new = session(tmp_path, "new", of)
    of.claim(1000)
    assert of.stored == 0 == on_disk(tmp_path)
    new.close()


def test_what_the_user_removed_of_a_forgotten_session_is_counted_no_more_when_room_is_needed(tmp_path):
    """Ours: its size is kept with its name."""
    of = budget(tmp_path, 100)
    removed, kept = (session(tmp_path, name, of) for name in ("removed", "kept"))
    for spool, size in ((removed, 30), (kept, 20)):
        spool.write(b"x" * size)
        spool.close()
        of.forget(spool, removed=False)
    shutil.rmtree(tmp_path / "own/removed")
    new = session(tmp_path, "new", of)
    new.write(b"y" * 70)
    assert (of.stored, on_disk(tmp_path / "own/kept")) == (90, 20)
    new.write(b"y" * 20)
    assert of.stored == on_disk(tmp_path) == 90
    new.close()
