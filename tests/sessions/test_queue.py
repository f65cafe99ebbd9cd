"""Sessions that wait for their turn: behind others, or for room in a group."""

from __future__ import annotations

import anyio
import pytest

from vibesbox_kernel.errors import InvalidOptionError, SessionEndedError, SessionNotFoundError
from vibesbox_kernel.models import EndReason, EventKind, SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio


async def test_a_session_that_follows_another_starts_when_that_has_succeeded(manager, isolation):
    mark = isolation / "mark"
    first = await manager.start_session(f"read go; echo first >> {mark}", name="build")
    async with manager.events() as events:
        after = await manager.submit_session(f"cat {mark}; echo second", after=["build"])
        info = manager.info(after)
        assert (info.status, info.pid, info.policy.after) == (
            SessionStatus.QUEUED,
            None,
            (manager.info(first).session_id,),
        )
        await manager.send_input(first, "go\n")
        with anyio.fail_after(10):
            result = await manager.wait(after)
            kinds = []
            async for event in events:
                if event.session_id == after:
                    kinds.append(event.kind)
                if event.kind is EventKind.ENDED and event.session_id == after:
                    break
    assert (result.status, result.exit_code) == (SessionStatus.COMPLETED, 0)
    assert result.pid is not None
    assert kinds[0] is EventKind.QUEUED
    assert EventKind.STARTED in kinds
    assert await manager.read_output(after) == "first\nsecond\n"


@pytest.mark.parametrize("command", ["exit 3", "kill -9 $$"])
async def test_a_session_that_follows_a_failure_never_starts_and_says_why(manager, isolation, command):
    mark = isolation / "mark"
    first = await manager.submit_session(f"read go; {command}")
    after = await manager.submit_session(f"touch {mark}", after=first)
    last = await manager.submit_session(f"touch {mark}", after=[after])
    await manager.send_input(first, "go\n")
    with anyio.fail_after(10):
        for ref in (after, last):
            info = await manager.wait(ref)
            assert (info.status, info.end_reason) == (SessionStatus.TERMINATED, EndReason.CANCELLED)
            assert "did not succeed" in (info.problem or "")
    assert not mark.exists()


async def test_no_more_of_a_group_run_at_a_time_than_were_allowed_and_in_the_order_they_came(manager, isolation):
    mark = isolation / "mark"
    await manager.set_parallel("gpu", 2)
    command = f"echo start $0 >> {mark}; read go; echo end $0 >> {mark}"
    ids = [await manager.submit_session(command.replace("$0", str(i)), group="gpu") for i in range(5)]
    other = await manager.run("echo not in the group")
    assert other.output == "not in the group\n"
    with anyio.fail_after(10):
        for i, one in enumerate(ids):
            while manager.info(one).status is SessionStatus.QUEUED:
                await anyio.sleep(0.01)
            running = [info for info in manager.list_sessions() if info.status is SessionStatus.RUNNING]
            assert len(running) <= 2, f"at session {i}"
            await manager.send_input(one, "go\n")
            await manager.wait(one)
    starts = [line for line in mark.read_text().splitlines() if line.startswith("start")]
    assert starts == [f"start {i}" for i in range(5)]


async def test_a_limit_on_all_sessions_holds_and_can_be_lifted(manager):
    await manager.set_parallel(None, 1)
    first = await manager.submit_session("read go")
    others = [await manager.submit_session("true") for _ in range(3)]
    assert [manager.info(one).status for one in others] == [SessionStatus.QUEUED] * 3
    await manager.set_parallel(None, None)
    with anyio.fail_after(10):
        for one in others:
            assert (await manager.wait(one)).exit_code == 0
    assert manager.info(first).status is SessionStatus.RUNNING


async def test_starting_waits_for_its_turn_and_a_cancelled_wait_leaves_the_queue(manager):
    await manager.set_parallel("one", 1)
    first = await manager.start_session("read go", group="one")
    with anyio.move_on_after(0.2):
        await manager.start_session("true", name="impatient", group="one")
    with anyio.fail_after(10):
        while manager.info("impatient").status is SessionStatus.QUEUED:
            await anyio.sleep(0.01)
        assert manager.info("impatient").end_reason is EndReason.CANCELLED
        async with anyio.create_task_group() as tasks:

            async def patient() -> None:
                pid = await manager.start_session("echo my turn", group="one")
                assert (await manager.wait(pid)).exit_code == 0

            tasks.start_soon(patient)
            await manager.send_input(first, "go\n")


async def test_a_queued_session_can_be_terminated_and_the_next_goes_on(manager):
    await manager.set_parallel("one", 1)
    first = await manager.submit_session("read go", group="one")
    second = await manager.submit_session("true", group="one")
    third = await manager.submit_session("echo third", group="one")
    assert await manager.terminate_session(second) is True
    info = manager.info(second)
    assert (info.status, info.end_reason, info.pid) == (SessionStatus.TERMINATED, EndReason.CANCELLED, None)
    assert await manager.terminate_session(second) is False
    with pytest.raises(SessionEndedError):
        await manager.send_input(second, "x")
    await manager.send_input(first, "go\n")
    with anyio.fail_after(10):
        assert (await manager.wait(third)).exit_code == 0


async def test_what_waits_is_gone_with_its_program_and_a_clean_up(isolation):
    mark = isolation / "mark"
    async with SessionManager() as manager:
        await manager.set_parallel(None, 1)
        await manager.submit_session("sleep 600")
        await manager.submit_session(f"touch {mark}")
        with anyio.fail_after(10):
            await manager.cleanup_all()
        assert [info.is_running for info in manager.list_sessions()] == [False, False]
    assert not mark.exists()


async def test_following_what_there_is_not_and_a_limit_of_nothing_are_clear_errors(manager):
    with pytest.raises(SessionNotFoundError, match="nothing"):
        await manager.submit_session("true", after=["nothing"])
    with pytest.raises(InvalidOptionError, match="whole number"):
        await manager.set_parallel("gpu", 0)
    assert manager.list_sessions() == []
