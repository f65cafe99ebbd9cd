"""The limits that a session can have, what happens when it meets them, and the figures that tell."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.errors import InvalidOptionError, SessionEndedError
from vibesbox_kernel.models import EndReason, SessionPolicy, SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

HOARD = f"exec {sys.executable} -I -S -c \"held = bytearray(b'x' * (64 << 20)); print('held', flush=True); input()\""


async def test_a_session_that_is_silent_for_too_long_is_ended_and_one_that_speaks_is_not(manager):
    with anyio.fail_after(20):
        silent = await manager.submit_session("echo once; sleep 600", idle_timeout=0.3)
        speaking = await manager.submit_session("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done", idle_timeout=5)
        info = await manager.wait(silent)
        assert (info.end_reason, info.status) == (EndReason.TIMED_OUT, SessionStatus.TERMINATED)
        assert (await manager.wait(speaking)).end_reason is EndReason.EXITED
    assert await manager.read_output(silent) == "once\n"


async def test_a_session_whose_time_is_up_is_ended_in_two_stages(manager):
    with anyio.fail_after(20):
        session_id = await manager.submit_session("trap 'echo last words; exit 3' INT; sleep 600 & wait", timeout=0.3)
        info = await manager.wait(session_id)
    assert (info.end_reason, info.exit_code) == (EndReason.TIMED_OUT, 3)
    assert await manager.read_output(session_id) == "last words\n"


async def test_its_priority_is_lower_before_it_runs_and_ours_stays(manager):
    with anyio.fail_after(20):
        pid = await manager.start_session("exec cat", nice=7)
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, ours + 7)
        plain = await manager.start_session("exec cat")
        assert os.getpriority(os.PRIO_PROCESS, plain) == ours


async def test_a_process_that_uses_too_much_processor_time_is_ended_by_the_system(manager):
    with anyio.fail_after(30):
        result = await manager.run("ulimit -t; while :; do :; done", max_cpu_seconds=1)
    assert result.output == "1\n"
    assert result.signal == signal.SIGXCPU
    pid = await manager.start_session("exec cat", max_cpu_seconds=100)
    assert resource.prlimit(pid, resource.RLIMIT_CPU)[0] == 100


async def test_a_tree_that_holds_too_much_memory_is_ended_whole_and_says_why(manager, lifeline):
    """Ours: the sum over the tree counts, and address space that is only reserved does not (CUDA, the JVM)."""
    command = f"exec 9>{lifeline.path}; echo up >&9; {HOARD} & wait; sleep 600"
    with anyio.fail_after(30):
        waits = command.replace("input()", "__import__('time').sleep(600)")
        hoarder = await manager.submit_session(waits, max_memory_bytes=32 << 20)
        await lifeline.held()
        info = await manager.wait(hoarder)
        await lifeline.released()
    assert (info.end_reason, info.status) == (EndReason.MEMORY_LIMIT, SessionStatus.TERMINATED)
    assert (info.peak_rss or 0) > 32 << 20


async def test_a_tree_within_its_memory_limit_is_left_alone(manager):
    with anyio.fail_after(30):
        pid = await manager.start_session(HOARD, max_memory_bytes=512 << 20)
        assert (await manager.read(pid, 0, wait=None)).data == b"held\n"
        await anyio.sleep(0.6)  # two looks at its memory
        await manager.send_input(pid, "\n")
        assert (await manager.wait(pid)).end_reason is EndReason.EXITED


async def test_output_beyond_its_limit_drops_the_oldest_and_is_counted_to_the_byte(manager):
    with anyio.fail_after(30):
        result = await manager.run("head -c 1000000 /dev/zero | tr '\\0' x; echo end", max_output_bytes=100_000)
    info = manager.info(result.session_id)
    assert info.output_bytes == 1_000_004
    stored = sum(file.stat().st_size for file in Path(_directory(manager, result.session_id)).glob("out.*"))
    assert info.dropped_bytes == info.output_bytes - stored
    assert 75_000 <= stored <= 100_000
    assert result.output.endswith("xxxend\n")


async def test_a_session_that_may_block_waits_for_its_reader_and_loses_nothing(manager):
    total = 3_000_000
    with anyio.fail_after(30):
        pid = await manager.start_session(
            f"head -c {total} /dev/urandom | tee copy.bin; sha256sum < copy.bin >&2",
            max_output_bytes=200_000,
            on_full="block",
            cwd=os.environ["HOME"],
        )
        data = b""
        while True:
            chunk = await manager.read(pid, len(data), max_bytes=1 << 20, wait=None)
            assert chunk.dropped == 0
            if chunk.eof:
                break
            data += chunk.data
            with contextlib.suppress(SessionEndedError):
                await manager.discard_output(pid, len(data))
    assert data[:total] == Path(os.environ["HOME"], "copy.bin").read_bytes()


async def test_a_session_that_may_block_is_blocked_while_nobody_makes_room(manager):
    """Linux: its process sleeps in its write."""
    with anyio.fail_after(30):
        pid = await manager.start_session("exec head -c 3000000 /dev/zero", max_output_bytes=100_000, on_full="block")
        while "pipe" not in Path(f"/proc/{pid}/wchan").read_text() and manager.output_end(pid) < 100_000:
            await anyio.sleep(0.01)
        while manager.output_end(pid) < 100_000:
            await anyio.sleep(0.01)
        assert manager.info(pid).dropped_bytes == 0
        assert manager.info(pid).is_running
        assert await manager.terminate_session(pid, force=True) is True


@pytest.mark.parametrize("is_queued", [False, True])
async def test_a_prepared_session_stores_what_it_is_told_when_it_begins(manager, is_queued):
    """Ours: every cell of a notebook is prepared before anybody knows its limits."""
    line = b"exec head -c 3000000 /dev/zero\n"
    driver = ["/bin/bash", "--norc", "--noprofile", "-c", 'read -r -u 250 line; exec 250<&-; eval "$line"']
    with anyio.fail_after(30):
        if is_queued:
            await manager.set_parallel("g", 1)
            first = await manager.start_session("read go", group="g")
        prepared = [await manager.prepare_session(driver, env={"PATH": os.environ["PATH"]}, io="pipe") for _ in "12"]
        blocked, dropping = (one.session_id for one in prepared)
        options = {"command": "head", "control": line, "max_output_bytes": 100_000, "group": "g" if is_queued else None}
        await manager.begin_session(dropping, **options)
        await manager.begin_session(blocked, **options, on_full="block")
        if is_queued:
            await manager.send_input(first, "\n")
        info = await manager.wait(dropping)
        assert info.output_bytes == 3_000_000
        assert 75_000 <= info.output_bytes - info.dropped_bytes <= 100_000
        while manager.output_end(blocked) < 100_000:
            await anyio.sleep(0.01)
        info = manager.info(blocked)
        assert (info.output_bytes, info.dropped_bytes, info.is_running) == (100_000, 0, True)
        await manager.discard_output(blocked, 100_000)
        while manager.output_end(blocked) == 100_000:
            await anyio.sleep(0.01)
        assert await manager.terminate_session(blocked, force=True) is True


async def test_a_session_that_waits_for_room_is_not_silent(manager):
    """Ours: its reader is slow, whatever is below a second."""
    with anyio.fail_after(30):
        pid = await manager.start_session(
            "head -c 300000 /dev/zero; echo end >&2", max_output_bytes=100_000, on_full="block", idle_timeout=0.9
        )
        while manager.info(pid).is_running:
            await anyio.sleep(1.2)  # more than its silence may last
            with contextlib.suppress(SessionEndedError):
                await manager.discard_output(pid, manager.output_end(pid))
        assert manager.info(pid).end_reason is EndReason.EXITED
    assert manager.output_end(pid) == 300_004


async def test_output_that_the_disk_refuses_is_said_counted_and_goes_on_when_it_takes_it_again(manager):
    with anyio.fail_after(30):
        pid = await manager.start_session("echo before; while read line; do echo $line; done")
        await manager.read(pid, 0, wait=None)
        directory = _directory(manager, pid)
        shutil.rmtree(directory)
        directory.write_text("in the way")
        while manager.info(pid).problem is None:
            await manager.send_input(pid, "during\n")
            await anyio.sleep(0.1)
        info = manager.info(pid)
        assert info.is_running
        assert info.dropped_bytes == info.output_bytes > len("before\n")
        directory.unlink()
        while manager.info(pid).problem is not None:
            await anyio.sleep(0.05)
        await manager.send_input(pid, "after\n")
        while not (await manager.tail(pid, 1)).endswith("after\n"):
            await anyio.sleep(0.05)
        chunk = await manager.read(pid, 0)
        info = manager.info(pid)
        assert chunk.dropped == info.dropped_bytes  # what was refused last was kept in memory, and is there now
        assert chunk.data.startswith(b"during\n")


async def test_the_figures_of_a_tree_are_its_own_and_final_when_it_is_over(manager):
    burn = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
    with anyio.fail_after(30):
        pid = await manager.start_session(f"({burn}); sleep 600 & read go; wait")
        await manager.refresh_usage()
        while (manager.info(pid).cpu or 0) < 0.05:
            await anyio.sleep(0.3)
            await manager.refresh_usage()
        info = manager.info(pid)
        assert info.processes in (1, 2, 3)
        assert (info.rss or 0) > 500_000
        points = await manager.usage(pid)
        assert [point.at for point in points] == sorted(point.at for point in points)
        assert points[-1].cpu == info.cpu
        await manager.terminate_session(pid)
        over = manager.info(pid)
    assert (over.cpu or 0) >= (info.cpu or 0)
    assert over.rss is None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = await manager.run(f"{burn}; times | tail -1")
    assert (manager.info(result.session_id).cpu or 0) > 0
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime == before.ru_utime  # none of it was ours


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"nice": 20}, "nice"),
        ({"nice": -1}, "nice"),
        ({"idle_timeout": 0}, "idle_timeout"),
        ({"max_memory_bytes": 0}, "max_memory_bytes"),
        ({"max_cpu_seconds": 1.5}, "max_cpu_seconds"),
        ({"max_restarts": -1}, "max_restarts"),
        ({"on_full": "explode"}, "drop_oldest"),
        ({"on_leftovers": "adopt"}, "keep"),
        ({"group": " "}, "group"),
    ],
)
async def test_an_option_out_of_its_range_is_named_and_nothing_is_started(manager, options, wrong):
    with pytest.raises(InvalidOptionError, match=wrong):
        await manager.start_session("true", **options)
    assert manager.list_sessions() == []


async def test_an_option_that_there_is_not_is_refused_as_by_any_function(manager):
    with pytest.raises(TypeError, match="max_memory_bytes"):
        await manager.start_session("true", max_memory_byte=1)


async def test_what_was_asked_for_is_in_the_listing(manager):
    policy = SessionPolicy(timeout=60, nice=1, max_memory_bytes=1 << 30, group="g", on_leftovers="kill")
    pid = await manager.start_session("exec cat", **policy.model_dump(exclude_defaults=True))
    assert manager.info(pid).policy == policy


async def test_ended_sessions_are_remembered_within_a_bound_of_bytes():
    async with SessionManager(max_completed_bytes=250_000) as manager:
        results = [await manager.run("head -c 100000 /dev/zero") for _ in range(4)]
        known = [info.session_id for info in manager.list_sessions()]
        assert known == [result.session_id for result in results[-2:]]
        kept = {path.parent.name for path in Path(os.environ["XDG_STATE_HOME"]).rglob("out.*")}
        assert kept == set(known)


def _directory(manager: SessionManager, ref: int | str) -> Path:
    return Path(manager.hub.mirror.find(ref).record["directory"])
