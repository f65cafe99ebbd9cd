"""Open descriptors of a leader that has stopped itself, handed over to one that is prepared later."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from tests.pipes import end_of
from vibesbox_kernel.errors import SessionEndedError
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.prepared import HeldDescriptors

pytestmark = pytest.mark.anyio

DRIVER = ["/bin/bash", "--norc", "--noprofile", "-c", 'read -r -u 250 line; exec 250<&-; eval "$line"']


async def begin(manager: SessionManager, line: str, io: str = "pty", descriptors: HeldDescriptors | None = None) -> str:
    env = {"PATH": os.environ["PATH"]}
    prepared = await manager.prepare_session(DRIVER, env=env, io=io, descriptors=descriptors)
    await manager.begin_session(prepared.session_id, command=line, control=line.encode() + b"\n")
    return prepared.session_id


async def taken_from(manager: SessionManager, line: str, io: str = "pty", *, keep: bool = False) -> HeldDescriptors:
    """What a leader has open when it stops; it is settled then."""
    session_id = await begin(manager, f"{line}; kill -STOP $$", io)
    with anyio.fail_after(5):
        handover = await manager.wait_handover(session_id)
        assert handover.stopped
        held = await manager.hold_descriptors(session_id, handover.descriptors)
        await manager.settle_session(session_id, 0, keep=keep)
    return held


async def output(manager: SessionManager, line: str, held: HeldDescriptors, io: str = "pty") -> str:
    session_id = await begin(manager, line, io, held)
    with anyio.fail_after(5):
        await manager.wait(session_id)
    return (await manager.tail(session_id)).rstrip()


async def test_a_file_is_handed_over_with_its_place_in_it(manager, isolation):
    """POSIX: the offset belongs to the open file, not to the process."""
    file = isolation / "file"
    file.write_text("1\n2\n3\n")
    held = await taken_from(manager, f"exec 3<{file} 12>>{isolation}/log; read -u 3 x")
    assert (held.numbers, held.lost) == ((3, 12), ())
    assert await output(manager, "read -u 3 x; echo $x; echo hi >&12", held) == "2"
    assert (isolation / "log").read_text() == "hi\n"
    assert await output(manager, "read -u 3 x; echo $x", held) == "3"


@pytest.mark.parametrize("number", [4, 5, 6, 7, 8, 9, 15, 20])
async def test_no_number_is_mistaken_for_one_of_the_brokers_own(manager, isolation, number):
    """Ours: the numbers of a shell's descriptors say nothing of ours."""
    every = " ".join(f"{n}<<<{n}" for n in range(3, 31) if n not in (number, 10, 11))
    held = await taken_from(manager, f"exec {every}")
    read = "; ".join(f"read -u {n} x; echo -n $x," for n in held.numbers)
    assert await output(manager, read, held) == "".join(f"{n}," for n in held.numbers)


async def test_the_sessions_own_terminal_becomes_the_next_ones(manager):
    held = await taken_from(manager, "exec 3>&1 4</dev/tty")
    assert await output(manager, "echo three >&3; [[ -t 4 ]] && echo terminal", held) == "three\nterminal"


@pytest.mark.parametrize("io", ["split", "split-pipe"])
async def test_the_sessions_own_stderr_becomes_the_next_ones(manager, io):
    """Ours: where stderr is a stream of its own, and stdout is too."""
    held = await taken_from(manager, "exec 3>&1 4>&2", io=io)
    session_id = await begin(manager, "echo out >&3; echo err >&4", io, held)
    with anyio.fail_after(5):
        await manager.wait(session_id)
    chunk = await manager.read(session_id, 0, max_bytes=100)
    told_apart = {str(stream): data for stream, data in chunk.pieces()}
    assert told_apart == {"stdout": b"out\n", "stderr": b"err\n"}


async def test_the_sessions_own_pipe_becomes_the_next_ones(manager):
    held = await taken_from(manager, "exec 3>&1 4<&0", io="pipe")
    assert await output(manager, "echo three >&3; exec 4<&- 3>&-", held, io="pipe") == "three"
    assert await output(manager, "echo three >&3", held, io="pty") == "three"


async def test_a_pipe_ends_when_what_is_held_is_released(manager, isolation):
    """POSIX: a pipe's reader sees the end when the last writer is gone; no other process of ours has inherited one."""
    os.mkfifo(isolation / "fifo")
    reader = os.open(isolation / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    held = await taken_from(manager, f"exec 3>{isolation}/fifo")
    other = await manager.start_session("sleep 100")
    assert Path(f"/proc/{other}/fd/3").exists() is False
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    await manager.release_descriptors(held)
    assert await end_of(reader)
    with pytest.raises(SessionEndedError, match="no descriptors"):
        await begin(manager, "true", descriptors=held)


async def test_a_lock_is_handed_over(manager, isolation):
    """POSIX: flock(2) belongs to the open file."""
    held = await taken_from(manager, f"exec 9>{isolation}/lock; flock 9")
    assert await output(manager, f"flock -n {isolation}/lock true || echo locked", held) == "locked"


async def test_what_can_not_be_held_is_named(manager):
    held = await taken_from(manager, "exec 250</dev/null 3</dev/null")
    assert (held.numbers, held.lost) == ((3,), (250,))


async def test_nothing_is_taken_from_a_leader_that_runs(manager):
    session_id = await begin(manager, "sleep 100")
    with pytest.raises(SessionEndedError, match="has not stopped"):
        await manager.hold_descriptors(session_id, [3])


async def test_what_a_program_has_held_ends_with_it(isolation):
    """Ours: the broker lives on with another program's sessions, and holds nothing for one that is gone."""
    os.mkfifo(isolation / "fifo")
    reader = os.open(isolation / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    async with SessionManager(instance="shared") as stays:
        await stays.start_session("sleep 100")
        async with SessionManager(instance="shared") as goes:
            await taken_from(goes, f"exec 3>{isolation}/fifo")
        assert await end_of(reader)
