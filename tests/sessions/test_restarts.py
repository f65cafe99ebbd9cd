"""Sessions that are started again after a failure, and processes that outlive their leader."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.errors import SessionEndedError
from vibesbox_kernel.models import EndReason, EventKind, SessionStatus

pytestmark = pytest.mark.anyio


async def test_a_failing_session_is_started_again_with_the_same_id_and_goes_on_in_the_same_output(manager, isolation):
    counter = isolation / "counter"
    command = f"echo run >> {counter}; echo $$; [ $(wc -l < {counter}) = 2 ]"
    async with manager.events() as events:
        first = await manager.start_session(command, max_restarts=3, name="server")
        session_id = manager.info("server").session_id
        with anyio.fail_after(20):
            async for event in events:
                if event.kind is EventKind.RESTARTING:
                    assert event.info.restart_at is not None
                    assert event.info.restart_at > datetime.now(UTC)
                    assert event.info.status is SessionStatus.RUNNING
                    break
            info = await manager.wait("server")
    assert (info.session_id, info.exit_code, info.restarts) == (session_id, 0, 1)
    assert info.pid != first
    assert (await manager.read_output(session_id)).split() == [str(first), str(info.pid)]


async def test_a_session_that_goes_on_failing_is_given_up_with_its_last_status(manager):
    with anyio.fail_after(20):
        session_id = await manager.submit_session("echo x; exit 4", max_restarts=1)
        info = await manager.wait(session_id)
    assert (info.exit_code, info.restarts, info.end_reason) == (4, 1, EndReason.EXITED)
    assert await manager.read_output(session_id) == "x\nx\n"


async def test_a_session_that_waits_to_be_started_again_can_be_terminated(manager):
    async with manager.events() as events:
        await manager.start_session("exit 9", max_restarts=5, name="broken")
        with anyio.fail_after(20):
            async for event in events:
                if event.kind is EventKind.RESTARTING:
                    break
            assert await manager.terminate_session("broken") is True
            info = await manager.wait("broken")
    assert (info.end_reason, info.exit_code) == (EndReason.TERMINATED, 9)


async def test_success_and_an_end_that_was_asked_for_are_no_reason_to_start_again(manager):
    with anyio.fail_after(20):
        good = await manager.submit_session("exit 0", max_restarts=5)
        assert (await manager.wait(good)).restarts == 0
        ended = await manager.start_session("sleep 600", max_restarts=5)
        await manager.terminate_session(ended, force=True)
        assert manager.info(ended).restarts == 0


async def test_leftovers_are_killed_where_that_was_asked_for_and_the_end_is_the_leaders_own(manager, lifeline):
    command = f"sh -c 'trap \"\" INT; exec 9>{lifeline.path}; echo up >&9; sleep 600' & read go; exit 6"
    pid = await manager.start_session(command, on_leftovers="kill")
    with anyio.fail_after(20):
        await lifeline.held()
        await manager.send_input(pid, "go\n")
        info = await manager.wait(pid)
        await lifeline.released()
    assert (info.exit_code, info.end_reason, info.status) == (6, EndReason.EXITED, SessionStatus.COMPLETED)


async def test_leftovers_are_kept_by_default(manager, lifeline):
    pid = await manager.start_session(f"sh -c 'exec 9>{lifeline.path}; echo up >&9; sleep 600' & read go; exit 6")
    with anyio.fail_after(20):
        await lifeline.held()
        await manager.send_input(pid, "go\n")
        await manager.get_session(pid).process.wait()
        info = manager.info(pid)
        assert (info.exit_code, info.status) == (6, SessionStatus.RUNNING)
        assert all(Path(f"/proc/{left}").exists() for left in info.leftovers)
        assert await manager.terminate_session(pid) is True
        await lifeline.released()


async def test_an_end_that_comes_while_leftovers_are_killed_for_a_restart_is_carried_out(manager, lifeline):
    """Ours: who asks for an end is answered, and nothing starts again after it."""
    command = f"(trap '' INT; exec 9>{lifeline.path}; echo up >&9; sleep 600; sleep 600) & read go; exit 3"
    pid = await manager.start_session(command, max_restarts=3, on_leftovers="kill", name="web")
    with anyio.fail_after(20):
        await lifeline.held()
        await manager.send_input(pid, "go\n")
        while Path(f"/proc/{pid}").exists():
            await anyio.sleep(0.01)
        assert await manager.terminate_session("web") is True
        await lifeline.released()
        info = await manager.wait("web")
    assert (info.exit_code, info.end_reason, info.restarts) == (3, EndReason.TERMINATED, 0)


@pytest.mark.parametrize("io", ["pipe", "pty"])
async def test_a_session_with_bounded_output_is_read_on_after_a_restart(manager, isolation, io):
    """Ours: a terminal hangs up between two runs, and is looked at again in the second as in the first."""
    mark = isolation / "mark"
    command = f"if [ ! -e {mark} ]; then : > {mark}; exit 1; fi; i=0; while [ $i -lt 3000 ]; do echo {'a' * 99}; " + (
        "i=$((i+1)); done"
    )
    limits = {"max_restarts": 1, "on_full": "block", "max_output_bytes": 1 << 16}
    session_id = await manager.submit_session(command, io=io, **limits)
    got = taken = 0
    with anyio.fail_after(20):
        while (chunk := await manager.read(session_id, got, wait=None)).data:
            got, taken = chunk.next_cursor, taken + len(chunk.data)
            with contextlib.suppress(SessionEndedError):
                await manager.discard_output(session_id, got)
        info = await manager.wait(session_id)
    assert (info.exit_code, info.restarts) == (0, 1)
    assert got == taken == 3000 * 100


async def test_a_session_that_is_started_again_takes_input_as_in_its_first_run(manager, isolation):
    """Ours: the end of the input of the first run is not that of the second."""
    mark = isolation / "mark"
    command = f"read x; if [ ! -e {mark} ]; then : > {mark}; exit 1; fi; echo $x"
    async with manager.events() as events:
        await manager.start_session(command, max_restarts=1, name="reads")
        await manager.send_input("reads", "a\n", eof=True)
        with anyio.fail_after(20):
            started = 0
            async for event in events:
                started += event.kind is EventKind.STARTED
                if started == 2:
                    break
            await manager.send_input("reads", "b\n", eof=True)
            info = await manager.wait("reads")
    assert (info.exit_code, await manager.read_output("reads")) == (0, "b\n")
