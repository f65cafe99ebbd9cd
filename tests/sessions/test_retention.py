"""Old output: gone after a while or over a bound, but never that of a living broker."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import time
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.sessions import SessionManager, retention
from vibesbox_kernel.sessions.retention import remove_old

DAY = 24 * 3600.0


def remains(root: Path, name: str, *, age: float, size: int = 10) -> Path:
    """What a broker of this id left, so many seconds ago."""
    directory = root / name
    (directory / "session").mkdir(parents=True)
    (directory / "broker.log").touch()
    (directory / "session" / "out.0").write_bytes(b"x" * size)
    for path in [*directory.rglob("*"), directory]:
        os.utime(path, (time.time() - age, time.time() - age))
    return directory


def test_what_is_too_old_goes_and_the_rest_stays(tmp_path):
    old, new = remains(tmp_path, "old", age=8 * DAY), remains(tmp_path, "new", age=6 * DAY)
    assert remove_old(tmp_path, now=time.time()) == ["old"]
    assert (old.exists(), new.exists()) == (False, True)


def test_over_the_bound_the_oldest_go_first(tmp_path):
    for number in range(5):
        remains(tmp_path, f"r{number}", age=(5 - number) * 3600, size=100)
    assert remove_old(tmp_path, now=time.time(), max_bytes=250) == ["r0", "r1", "r2"]


def test_nothing_there_is_fine(tmp_path):
    assert remove_old(tmp_path / "none", now=time.time()) == []


def test_what_another_machine_may_still_use_stays(tmp_path):
    """Ours: a lock that is held on another machine may not be seen on a network's disk."""
    for name, run in (("away", {"host": "elsewhere", "tag": 1}), ("here", {"host": socket.gethostname()}), ("bad", [])):
        directory = remains(tmp_path, name, age=30 * DAY)
        (directory / "run.json").write_text(json.dumps(run))
        os.utime(directory / "run.json", (0, 0))
        os.utime(directory, (0, 0))
    assert sorted(remove_old(tmp_path, now=time.time())) == ["bad", "here"]
    assert (tmp_path / "away" / "session" / "out.0").exists()


def test_a_broker_that_starts_in_a_directory_that_goes_can_tell(tmp_path, monkeypatch):
    """Ours: it gets its lock only when the directory is gone, and then the log is not at its place."""
    directory = remains(tmp_path, "old", age=30 * DAY)
    real_rmtree, seen = shutil.rmtree, []
    with (directory / "broker.log").open("a") as log:

        def rmtree(doomed: Path, *, ignore_errors: bool) -> None:
            with pytest.raises(BlockingIOError):
                fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
            seen.append(directory.exists())
            remains(tmp_path, "old", age=0)  # another one makes it anew meanwhile
            real_rmtree(doomed, ignore_errors=ignore_errors)

        with monkeypatch.context() as patch:
            patch.setattr("vibesbox_kernel.sessions.retention.shutil.rmtree", rmtree)
            assert remove_old(tmp_path, now=time.time()) == ["old"]
        fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert os.fstat(log.fileno()).st_nlink == 0
    assert seen == [False]
    assert (directory / "session" / "out.0").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("living", [False, True])
def test_a_directory_that_was_used_again_since_it_was_found_stays(tmp_path, monkeypatch, living):
    directory = remains(tmp_path, "old", age=30 * DAY)
    real_measure = retention.measure
    with (directory / "broker.log").open("a") as log:

        def measure(one: Path) -> retention.Remains:
            found = real_measure(one)
            if living:
                fcntl.flock(log, fcntl.LOCK_SH)
            else:
                (directory / "session" / "out.0").write_bytes(b"new")
            return found

        # The first look is the one that finds it: what happens after that must be seen by the second.
        with monkeypatch.context() as patch:
            patch.setattr(retention, "_is_dead", lambda _: True)
            patch.setattr(retention, "measure", measure)
            assert remove_old(tmp_path, now=time.time()) == []
    assert directory.exists()


def test_a_deletion_that_was_interrupted_is_finished(tmp_path):
    (tmp_path / ".deleting-0" / "session").mkdir(parents=True)
    assert remove_old(tmp_path, now=time.time()) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anyio
async def test_a_living_broker_keeps_its_output_however_old(isolation):
    async with SessionManager() as manager:
        result = await manager.run("echo kept")
        root = isolation / "state" / "vibesbox"
        assert remove_old(root, now=time.time() + 1000 * DAY, max_bytes=0) == []
        assert manager.info(result.session_id).output_bytes == 5
    assert len(remove_old(root, now=time.time() + 1000 * DAY)) == 1


@pytest.mark.anyio
async def test_a_manager_tidies_up_by_itself(isolation):
    old = remains(isolation / "state" / "vibesbox", "old", age=30 * DAY)
    async with SessionManager() as manager:
        await manager.run("true")
        with anyio.fail_after(5):
            while old.exists():
                await anyio.sleep(0.01)
