"""Following sessions of other programs: without holding them, their names, their files or their end."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.sessions.program import running
from vibesbox_kernel.errors import BrokerError, InvalidOptionError, SessionNotFoundError
from vibesbox_kernel.models import EndReason, SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio


async def test_an_owner_s_end_does_not_wait_for_those_who_look_on():
    owner = SessionManager()
    pid = await owner.start_session("exec cat", name="watched")
    async with SessionManager() as follower:
        await follower.attach_session("watched")
        with anyio.fail_after(10):  # it would wait 20 s for a broker that does not leave
            await owner.aclose()
            assert (await follower.wait(pid)).status is SessionStatus.TERMINATED
    assert not Path(f"/proc/{pid}").exists()


async def test_what_goes_on_without_us_is_let_go_and_found_again():
    manager = SessionManager()
    pid = await manager.start_session("read x; exit 3", durable=True, name="goes-on")
    waited: list[str] = []

    async def wait() -> None:
        try:
            await manager.wait(pid)
        except BrokerError as error:
            waited.append(str(error))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await manager.aclose()
        assert "goes on without us" in waited[0]
        assert await manager.terminate_session(pid) is False
        with pytest.raises(SessionNotFoundError):
            manager.info(pid)
        assert [info.status for info in manager.list_sessions(everywhere=True)] == [SessionStatus.RUNNING]
        async with SessionManager() as other:
            await other.adopt_session("goes-on")
            await other.send_input("goes-on", "\n")
            assert (await other.wait("goes-on")).exit_code == 3
        assert [info.exit_code for info in manager.list_sessions(everywhere=True)] == [3]


async def test_another_program_s_ended_sessions_push_none_of_ours_out():
    with running([("echo theirs; exit 0", "/bin/sh")] * 5) as program:
        async with SessionManager(2) as manager:
            ours = [await manager.run("echo ours") for _ in range(2)]
            with anyio.fail_after(20):
                for pid in program.pids:
                    info = await manager.attach_session(pid)
                    await manager.wait(info.session_id)
            for result in ours:
                assert await manager.tail(result.session_id) == "ours\n"
            directories = [Path(manager.hub.mirror.find(pid).record["directory"]) for pid in program.pids]
        assert all(directory.exists() for directory in directories)


async def test_a_name_that_another_program_uses_is_free_for_us_and_means_ours():
    with running([("exec sleep 600", "/bin/sh")], name="train") as program:
        async with SessionManager() as manager:
            await manager.attach_session(program.pids[0])
            mine = await manager.start_session("exec cat", name="train")
            assert manager.info("train").pid == mine
            assert manager.is_ours("train")
            assert not manager.is_ours(program.pids[0])
            assert not manager.is_of_here(program.pids[0])


async def test_what_follows_another_program_s_session_is_refused_and_what_succeeded_need_not_be_waited_for():
    with running([("read x", "/bin/sh")], name="theirs") as program:
        async with SessionManager() as manager:
            await manager.attach_session("theirs")
            with pytest.raises(InvalidOptionError, match="of this program"):
                await manager.submit_session("true", after=[program.pids[0]])
            done = await manager.run("true")
            await manager.cleanup_all()  # its broker has left, and the next one does not know it
            assert (await manager.run("echo after", after=[done.session_id])).output == "after\n"


async def test_the_limits_of_groups_outlive_the_broker():
    async with SessionManager() as manager:
        await manager.set_parallel("one", 1)
        await manager.cleanup_all()
        await manager.start_session("exec cat", group="one")
        second = await manager.submit_session("true", group="one")
        assert manager.info(second).status is SessionStatus.QUEUED
        assert manager.parallel_limits() == {"one": 1}


async def test_a_session_that_was_started_again_is_still_known_by_its_first_pid(manager, isolation):
    mark = isolation / "mark"
    first = await manager.start_session(f"if mkdir {mark}; then exit 1; fi; exec sleep 600", max_restarts=1)
    with anyio.fail_after(20):
        while manager.info(first).pid == first:
            await anyio.sleep(0.02)
        assert await manager.terminate_session(first) is True
        assert manager.info(first).end_reason is EndReason.TERMINATED


@pytest.mark.parametrize("remembered", [0, 1])
async def test_a_result_is_there_even_if_hardly_anything_is_remembered(remembered):
    async with SessionManager(remembered) as manager:
        results: list[str] = []

        async def run(number: int) -> None:
            results.append((await manager.run(f"echo {number}")).output)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for number in range(30):
                    tasks.start_soon(run, number)
            assert sorted(results, key=int) == [f"{number}\n" for number in range(30)]
            for _ in range(10):
                assert await manager.start_session("true") > 0


async def test_making_what_nobody_owns_not_durable_makes_it_ours(lifeline):
    """Ours: what is neither durable nor owned would never end."""
    command = f"exec 9>{lifeline.path}; echo up >&9; exec sleep 600"
    with running([(command, "/bin/sh")], durable=True, name="nobody-s") as program:
        with anyio.fail_after(20):
            await lifeline.held()
            program.kill()
            async with SessionManager() as manager:
                while (await manager.attach_session("nobody-s")).owned:
                    await anyio.sleep(0.01)
                assert not (await manager.make_durable("nobody-s", False)).durable
            await lifeline.released()
