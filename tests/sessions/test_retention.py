"""Old output: gone after a while or over a bound, but never that of a living broker."""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.sessions import SessionManager
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
