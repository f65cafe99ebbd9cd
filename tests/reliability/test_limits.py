"""Tests 19 to 22: no disk, no spool, no descriptors, no processes: children go on, and what is lost is counted."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.reliability.observer import open_descriptors
from tests.reliability.surgeon import operate
from tests.sessions.program import broker_of
from vibesbox_kernel.errors import LaunchError
from vibesbox_kernel.models import SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

MIB = 1 << 20
DISK_BYTES = 8 * MIB


@pytest.fixture
def small_disk(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of eight mebibytes, for the sessions' output."""
    disk = isolation / "disk"
    disk.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only who may mount a file system can have a small disk")
    monkeypatch.setenv("XDG_STATE_HOME", str(disk))
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def _stored(manager, pid: int) -> int:
    stored = cursor = 0
    while not (chunk := await manager.read(pid, cursor, max_bytes=MIB)).eof:
        stored += len(chunk.data)
        cursor = chunk.next_cursor
    return stored


async def test_a_full_disk_stops_nobody_and_is_filled_again_once_there_is_room(small_disk, manager, observer, figure):
    """Ours: promise 4: the child never knows, the loss is exact, and what comes after there is room is kept."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (3 * MIB))
    command = f"head -c {50 * MIB} /dev/zero; echo full >&2; read x; head -c {MIB} /dev/zero; echo end; exit 6"
    pid = await manager.start_session(command)
    with anyio.fail_after(60):
        while manager.output_end(pid) < 50 * MIB + 5:
            await anyio.sleep(0.01)
        ballast.unlink()
        await anyio.sleep(0.1)  # the spool asks a disk that has refused again after 50 ms
        await manager.send_input(pid, "\n")
        info = await manager.wait(pid)
        stored = await _stored(manager, pid)
    assert (info.exit_code, info.output_bytes) == (6, 51 * MIB + 9)
    assert stored + info.dropped_bytes == info.output_bytes
    assert info.dropped_bytes > 40 * MIB
    assert (await manager.tail(pid, 1)).endswith("end\n")
    observer.wait_gone()
    figure(19, "bytes neither stored nor counted, full disk", 0, "bytes", target="0", scale="51 MiB on 8 MiB")


async def test_a_full_disk_is_said_in_the_listing(small_disk, manager):
    """Ours: who looks at the list sees that output is being lost, while it is."""
    pid = await manager.start_session(f"head -c {20 * MIB} /dev/zero; read x")
    with anyio.fail_after(20):
        while manager.output_end(pid) < 20 * MIB:
            await anyio.sleep(0.01)
        while manager.info(pid).problem is None:  # said about once a second
            await anyio.sleep(0.01)
    assert "space" in (manager.info(pid).problem or "")
    await manager.terminate_session(pid, force=True)


@pytest.mark.parametrize("how", ["removed", "without a byte"])
async def test_a_spool_that_is_taken_away_harms_no_session(small_disk, manager, observer, figure, how):
    """Ours: no crash; the statuses are right, and the listing says what is wrong with the output."""
    pids = [await manager.start_session(f"echo before; read x; seq 1 5000; exit {code}") for code in range(6)]
    with anyio.fail_after(30):
        for pid in pids:
            await manager.read(pid, 0, wait=None)
        if how == "removed":
            for directory in small_disk.glob("vibesbox/*/*-*-*-*-*"):
                shutil.rmtree(directory)
        else:
            _fill(small_disk)
        for pid in pids:
            await manager.send_input(pid, "\n")
        infos = [await manager.wait(pid) for pid in pids]
        assert [info.exit_code for info in infos] == list(range(6))
        assert {info.status for info in infos} == {SessionStatus.COMPLETED}
        assert (await manager.run("exit 9")).exit_code == 9
    observer.wait_gone()


def _fill(disk: Path) -> None:
    """Take what is left; a mount that is written to can not be made read-only."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


async def test_out_of_descriptors_a_start_fails_clearly_and_nothing_else(manager, observer, figure):
    """Linux: EMFILE. Nothing is started half, what runs goes on, and room is used again."""
    await manager.run("true")
    broker = broker_of(os.getpid())
    resource.prlimit(broker, resource.RLIMIT_NOFILE, (100, resource.prlimit(broker, resource.RLIMIT_NOFILE)[1]))
    before = open_descriptors(broker)
    pids: list[int] = []
    with anyio.fail_after(30):
        with contextlib.suppress(LaunchError):
            while len(pids) < 200:
                pids.append(await manager.start_session("while read x; do echo $x; done"))
        assert 5 < len(pids) < 100
        for _ in range(20):  # as often as one likes
            with pytest.raises(LaunchError):
                await manager.start_session("exec sleep 600")
        assert {one.name for one in observer.learn()} <= {"sh", "sleep"}
        assert sum(one.name == "sleep" for one in observer.alive()) == 0
        for pid in pids:
            await manager.send_input(pid, "here\n")
            assert (await manager.read(pid, 0, wait=5)).data == b"here\n"
        for pid in pids:
            assert await manager.terminate_session(pid, force=True)
        assert (await manager.run("echo again")).output == "again\n"
    assert open_descriptors(broker) <= before + 1
    observer.wait_gone()
    figure(21, "sessions harmed by a lack of descriptors", 0, "sessions", target="0", scale=f"{len(pids)} sessions")


async def test_out_of_processes_a_start_fails_clearly_and_nothing_else(observer, figure, monkeypatch, tmp_path):
    """Linux: EAGAIN of fork(2). The same."""
    barrier = tmp_path / "no-forks"
    operate(monkeypatch, tmp_path, no_forks=str(barrier))
    async with SessionManager() as manager:
        with anyio.fail_after(30):
            pid = await manager.start_session("while read x; do echo $x; done")
            barrier.touch()
            for io in ("pipe", "pty") * 10:
                with pytest.raises(LaunchError):
                    await manager.start_session("exec sleep 600", io=io)
            assert [one.pid for one in observer.learn()] == [pid]
            await manager.send_input(pid, "here\n")
            assert (await manager.read(pid, 0, wait=None)).data == b"here\n"
            barrier.unlink()
            assert (await manager.run("echo again")).output == "again\n"
            assert await manager.terminate_session(pid, force=True)
    observer.wait_gone()
    figure(22, "sessions harmed by a lack of processes", 0, "sessions", target="0")
