"""Sessions that are started again after a failure, and processes that outlive their leader."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

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
