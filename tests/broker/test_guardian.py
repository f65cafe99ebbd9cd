"""The guardian and what dead runs have left: it never keeps the guardian from its own broker."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.sessions.program import running
from vibesbox_kernel.broker import janitor
from vibesbox_kernel.broker.run import new_run, read_run, write_run

pytestmark = pytest.mark.anyio


def dead_run(state_root: Path, name: str) -> Path:
    """What a guardian leaves that is killed together with its broker."""
    directory = state_root / name
    directory.mkdir(parents=True)
    (directory / "broker.log").touch()
    write_run(str(directory), new_run(f"/nowhere/{name}"))
    return directory


async def test_a_dead_run_that_can_not_be_cleaned_up_keeps_nobody_from_the_others(tmp_path, monkeypatch, caplog):
    """Ours: a directory that is read-only, or somebody else's."""
    runs = [dead_run(tmp_path, name) for name in ("one", "two", "three")]
    unlink = os.unlink

    def refuse(path: str) -> None:
        if path.startswith(f"{tmp_path}/two/"):
            raise PermissionError(13, "Permission denied", path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", refuse)
    assert janitor.sweep_dead_runs(str(tmp_path)) == 0
    assert [read_run(str(run)) is None for run in runs] == [True, False, True]
    assert "tmp_path" not in caplog.text
    assert f"{tmp_path}/two could not be cleaned up" in caplog.text


@pytest.fixture
def stuck_runs(isolation: Path) -> Iterator[None]:
    """Dead runs of which one record can not be read: whoever sweeps waits, as for a disk that does not answer.

    There are some of them, because the program's own tidying up holds each for a moment.
    """
    records = [dead_run(isolation / "state/vibesbox", f"stuck{number}") / "session/exit.json" for number in range(5)]
    for record in records:
        record.parent.mkdir()
        os.mkfifo(record)
    yield
    for record in records:
        with contextlib.suppress(OSError):
            os.close(os.open(record, os.O_WRONLY | os.O_NONBLOCK))  # let go whoever still waits


@pytest.mark.parametrize("killed", ["broker", "program"])
async def test_a_sweep_that_takes_long_delays_no_clean_up_of_our_own(stuck_runs, lifeline, killed):
    """Ours: guardian and sweep are two processes, and the guardian leaves soon after its broker."""
    with anyio.fail_after(20), running([(f"exec 9>{lifeline.path}; echo up >&9; exec sleep 600", "/bin/bash")]) as own:
        await lifeline.held()
        while len(_children(own.guardian)) < 2:
            await anyio.sleep(0.01)
        sweeper = next(pid for pid in _children(own.guardian) if pid != own.broker)
        if killed == "broker":
            os.kill(own.broker, signal.SIGKILL)
        else:
            own.kill()
        await lifeline.released()
        for pid in (sweeper, own.guardian):
            while _lives(pid):
                await anyio.sleep(0.01)


async def test_a_sweep_goes_on_while_the_guardian_waits_and_is_reaped(isolation, lifeline):
    """Ours: dead runs are cleaned up beside a healthy broker, which nobody hears of."""
    root = isolation / "state/vibesbox"
    dead = [dead_run(root, f"dead{number}") for number in range(3)]
    foreign = dead_run(root, "foreign")
    facts = json.loads((foreign / "run.json").read_text())
    (foreign / "run.json").write_text(json.dumps({**facts, "host": f"not-{socket.gethostname()}"}))
    with anyio.fail_after(20), running([(f"exec 9>{lifeline.path}; echo up >&9; exec sleep 600", "/bin/bash")]) as own:
        await lifeline.held()
        while all((run / "run.json").exists() for run in dead):  # the program's tidying up may hold some just now
            await anyio.sleep(0.01)
        while _children(own.guardian) != [own.broker]:
            await anyio.sleep(0.01)
        assert (foreign / "run.json").exists()
        own.kill()
        await lifeline.released()
        while _lives(own.guardian):
            await anyio.sleep(0.01)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
