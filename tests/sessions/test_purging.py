"""What ended sessions have left goes when the user says so; what runs, and what is others', never does."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.errors import InvalidOptionError
from vibesbox_kernel.models import SessionStatus
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.catalogue import is_alive
from vibesbox_kernel.sessions.places import state_root

pytestmark = pytest.mark.anyio

DAY = 24 * 3600.0


def directory_of(manager: SessionManager, pid: int) -> Path:
    """Where the records and the output of a session are."""
    return manager.hub.places.state / manager.info(pid).session_id


def make_older(directory: Path, seconds: float) -> None:
    """Have a directory, and all that is in it, be last written so long ago."""
    then = time.time() - seconds
    for path in [*directory.rglob("*"), directory]:
        with contextlib.suppress(FileNotFoundError):  # its broker may be writing a file anew, beside it
            os.utime(path, (then, then))


async def ended(manager: SessionManager, command: str = "echo said") -> int:
    """Run a command to its end; returns its pid."""
    pid = await manager.start_session(command)
    await manager.wait(pid)
    return pid


async def gone_program(command: str = "echo said", *, instance: str) -> None:
    """A program that has run something, and is gone with its broker."""
    async with SessionManager(instance=instance) as manager:
        await ended(manager, command)
    with anyio.fail_after(10):
        while not _is_dead(instance):
            await anyio.sleep(0.01)


def _is_dead(instance: str) -> bool:
    return not is_alive(state_root() / instance)


async def test_of_ours_only_what_has_ended_long_ago_goes(manager: SessionManager):
    """Ours: what has ended a moment ago, and what runs, can be read on."""
    old, new, alive = await ended(manager), await ended(manager), await manager.start_session("echo begun; sleep 600")
    await manager.read(alive, 0, wait=10)
    for pid in (old, alive):
        make_older(directory_of(manager, pid), 2 * DAY)
    directory = directory_of(manager, old)
    report = await manager.purge()
    assert (report.sessions, report.kept, report.failed) == (1, 1, ())
    assert report.freed_bytes >= len("said\n")
    assert not directory.exists()
    assert [info.pid for info in manager.list_sessions()] == [new, alive]
    assert await manager.tail(new) == "said\n"
    assert await manager.tail(alive) == "begun\n"
    everything = await manager.purge(0)
    assert (everything.sessions, everything.kept) == (1, 0)
    (left,) = manager.list_sessions(True)
    assert left.status is SessionStatus.RUNNING
    assert manager.get_session(old) is None


async def test_a_dry_run_deletes_nothing(manager: SessionManager):
    """Ours: and says the same."""
    pid = await ended(manager)
    await gone_program(instance="gone")
    said = await manager.purge(0, dry_run=True)
    assert directory_of(manager, pid).exists()
    assert len(manager.list_sessions(True)) == 2
    done = await manager.purge(0)
    assert (said.sessions, said.freed_bytes) == (done.sessions, done.freed_bytes) == (2, said.freed_bytes)
    assert said.dry_run
    assert not done.dry_run
    assert (await manager.purge(0)).sessions == 0


async def test_what_programs_that_are_gone_have_left_goes(manager: SessionManager):
    """Ours: with its directory, when nothing is left in it."""
    await gone_program("echo one", instance="one")
    async with SessionManager(instance="two") as other:
        older, newer = await ended(other), await ended(other)
        make_older(directory_of(other, older), 3 * DAY)
        kept = directory_of(other, newer)
    with anyio.fail_after(10):
        while not _is_dead("two"):
            await anyio.sleep(0.01)
    make_older(state_root() / "one", 3 * DAY)
    report = await manager.purge(2 * DAY)
    assert (report.sessions, report.kept) == (2, 1)
    assert not (state_root() / "one").exists()
    assert kept.exists()
    assert [info.command for info in manager.list_sessions(True)] == ["echo said"]


async def test_of_other_living_programs_nothing_goes(manager: SessionManager):
    """Ours: neither what they run nor what they may still show."""
    await manager.start_session("true")
    async with SessionManager(instance="other") as other:
        pid = await ended(other)
        await other.start_session("sleep 600", name="theirs")
        make_older(state_root() / "other", 30 * DAY)
        report = await manager.purge(0)
        assert directory_of(other, pid).exists()
        assert await other.tail(pid) == "said\n"
    assert report.sessions <= 1  # our own


async def test_a_durable_session_that_nobody_owns_is_not_touched(manager: SessionManager):
    """Ours: it runs, whoever started it."""
    async with SessionManager(instance="left") as other:
        await other.start_session("echo begun; sleep 600", name="train", durable=True)
    make_older(state_root() / "left", 30 * DAY)
    assert (await manager.purge(0)).sessions == 0
    (info,) = manager.list_sessions(True)
    assert (info.name, info.is_running) == ("train", True)
    await manager.adopt_session(info.session_id)
    await manager.terminate_session(info.session_id, force=True)


async def test_an_age_that_can_not_be_is_refused(manager: SessionManager):
    """Ours: InvalidOptionError."""
    for age in (-1.0, float("nan")):
        with pytest.raises(InvalidOptionError):
            await manager.purge(age)
