"""Durable sessions: they outlive their program, are found again, and have exactly one owner (promise 3)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest

from tests.sessions.program import broker_of, running
from vibesbox_kernel.errors import SessionNotFoundError, SessionOwnedError
from vibesbox_kernel.models import EndReason, EventKind, SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

COUNTER = "for i in $(seq 200); do echo line $i; done; read go; echo went on; exit 37"


async def _gone(pid: int) -> None:
    while Path(f"/proc/{pid}").exists():
        await anyio.sleep(0.01)


async def test_a_durable_session_outlives_its_killed_program_and_is_found_by_the_next_of_its_instance():
    with running([(COUNTER, "/bin/sh")], instance="kernel-b", durable=True, name="train") as program:
        (pid,) = program.pids
        program.kill()
        async with SessionManager(instance="kernel-b") as manager:
            with anyio.fail_after(10):
                await manager.run("true")
                (found, _) = manager.list_sessions()
                assert (found.pid, found.name, found.durable, found.command) == (pid, "train", True, COUNTER)
                assert (found.status, found.owned, found.instance) == (SessionStatus.RUNNING, True, "kernel-b")
                await manager.send_input("train", "go\n")
                info = await manager.wait("train")
            assert (info.exit_code, info.end_reason) == (37, EndReason.EXITED)
            text = "".join(f"line {i}\n" for i in range(1, 201)) + "went on\n"
            assert await manager.read_output("train") == text
            assert (await manager.read("train", 5, max_bytes=6)).data == text[5:11].encode()
        with anyio.fail_after(10):
            await _gone(program.guardian)  # it has neither clients nor sessions now


async def test_its_status_and_output_are_there_when_it_ended_while_nobody_was_there():
    with running([("echo all of it; exit 5", "/bin/sh")], instance="kernel-c", durable=True, name="job") as program:
        program.kill()
        with anyio.fail_after(10):
            await _gone(program.guardian)  # the broker has left by itself
        async with SessionManager(instance="kernel-c") as manager:
            await manager.run("true")
            info = manager.info("job")
            assert (info.exit_code, info.end_reason, info.owned) == (5, EndReason.EXITED, False)
            assert await manager.read_output("job") == "all of it\n"
        async with SessionManager() as stranger:
            info = await stranger.adopt_session("job")
            assert (info.exit_code, info.instance, info.output_bytes) == (5, "kernel-c", 10)
            assert await stranger.read_output("job") == "all of it\n"


async def test_another_program_finds_it_reads_it_and_adopts_it():
    with running([(COUNTER, "/bin/sh")], durable=True) as program:
        async with SessionManager() as manager:
            (listed,) = manager.list_sessions(everywhere=True)
            assert (listed.pid, listed.owned, manager.list_sessions()) == (program.pids[0], True, [])
            info = await manager.attach_session(program.pids[0])
            with anyio.fail_after(10):
                while not (await manager.tail(info.session_id, 1)).startswith("line 200"):
                    await manager.read(info.session_id, manager.output_end(info.session_id), wait=1)
                with pytest.raises(SessionOwnedError, match="alive"):
                    await manager.adopt_session(info.session_id)
                with pytest.raises(SessionOwnedError):
                    await manager.send_input(info.session_id, "no\n")
                with pytest.raises(SessionOwnedError):
                    await manager.terminate_session(info.session_id)
                program.kill()
                while manager.info(info.session_id).owned:
                    await anyio.sleep(0.01)
                adopted = await manager.adopt_session(info.session_id)
                assert adopted.owned
                await manager.send_input(info.session_id, "go\n")
                assert (await manager.wait(info.session_id)).exit_code == 37
        with anyio.fail_after(10):
            await _gone(program.guardian)


async def test_of_two_that_adopt_at_once_exactly_one_owns_and_both_read():
    with running([(COUNTER, "/bin/sh")], durable=True) as program:
        program.kill()
        async with SessionManager() as one, SessionManager() as two:
            outcomes: list[object] = []

            async def adopt(manager: SessionManager) -> None:
                try:
                    outcomes.append(await manager.adopt_session(program.pids[0]))
                except SessionOwnedError as error:
                    outcomes.append(error)

            with anyio.fail_after(10):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(adopt, one)
                    tasks.start_soon(adopt, two)
                assert sorted(isinstance(outcome, SessionOwnedError) for outcome in outcomes) == [False, True]
                for manager in (one, two):
                    assert (await manager.read(program.pids[0], 0, wait=None)).data.startswith(b"line 1\n")
                owner = one if one.hub.is_ours(one.hub.mirror.find(program.pids[0])) else two
                await owner.terminate_session(program.pids[0])
                assert (await one.wait(program.pids[0])).end_reason is EndReason.TERMINATED
                assert (await two.wait(program.pids[0])).end_reason is EndReason.TERMINATED


async def test_a_running_session_can_be_made_durable_and_not_durable_again(lifeline):
    async with SessionManager() as manager:
        pid = await manager.start_session(f"exec 9>{lifeline.path}; echo up >&9; sleep 600", name="late")
        with anyio.fail_after(10):
            await lifeline.held()
            assert (await manager.make_durable(pid)).durable
            await manager.aclose()
            async with SessionManager() as other:
                assert (await other.adopt_session("late")).durable
                assert not (await other.make_durable("late", False)).durable
            await lifeline.released()


async def test_cleaning_up_ends_durable_sessions_too_and_closing_leaves_them(new_lifeline):
    command = "exec 9>{path}; echo up >&9; sleep 600"
    first, second = new_lifeline(), new_lifeline()
    manager = SessionManager()
    with anyio.fail_after(20):
        await manager.start_session(command.format(path=first.path), durable=True)
        await first.held()
        await manager.cleanup_all()
        await first.released()
        pid = await manager.start_session(command.format(path=second.path), durable=True)
        await second.held()
        await manager.aclose()
        os.kill(pid, 0)
        async with SessionManager() as other:
            await other.adopt_session(pid)
            await other.terminate_session(pid)
            await second.released()


async def test_durable_sessions_are_lost_with_their_broker_and_say_so(lifeline):
    async with SessionManager() as manager:
        command = f"exec 9>{lifeline.path}; echo up >&9; echo before; sleep 600"
        pid = await manager.start_session(command, durable=True)
        with anyio.fail_after(10):
            await lifeline.held()
            await manager.read(pid, 0, wait=None)
            async with manager.events() as events:
                os.kill(broker_of(os.getpid()), signal.SIGKILL)
                async for event in events:
                    if event.kind is EventKind.LOST:
                        break
            await lifeline.released()
        assert manager.info(pid).status is SessionStatus.LOST
        assert manager.info(pid).exit_code is None
        assert await manager.read_output(pid) == "before\n"


async def test_a_reference_that_no_program_has_is_an_error_that_names_what_there_is():
    with running([("sleep 600", "/bin/sh")], name="there"):
        async with SessionManager() as manager:
            with pytest.raises(SessionNotFoundError, match="there"):
                await manager.adopt_session("not-there")


async def test_all_three_killed_at_once_leave_nothing_once_any_program_starts_anew(new_lifeline):
    """Ours: guardian, broker and owner at once; the next start of any manager finds what they left by its tag."""
    lifelines = [new_lifeline() for _ in range(3)]
    trees = [
        "exec 9>{path}; echo up >&9; sleep 600",
        "( setsid sh -c 'exec 9>{path}; echo up >&9; sleep 600' & ); sleep 600",
        "( env -i setsid sh -c 'exec 9>{path}; echo up >&9; sleep 600' & ); exit 0",
    ]
    commands = [(tree.format(path=one.path), "/bin/sh") for tree, one in zip(trees, lifelines, strict=True)]
    with running(commands, durable=True) as program:
        with anyio.fail_after(20):
            for one in lifelines:
                await one.held()
            broker = program.broker
            os.kill(program.guardian, signal.SIGSTOP)  # it can not clean up while the broker is being killed
            os.kill(broker, signal.SIGKILL)
            os.kill(program.guardian, signal.SIGKILL)
            program.kill()
            async with SessionManager() as manager:
                assert (await manager.run("echo mine")).output == "mine\n"
                for one in lifelines:
                    await one.released()
                while True:  # as long as they are being swept up, nobody knows yet
                    found = [info for info in manager.list_sessions(everywhere=True) if info.pid in program.pids]
                    if SessionStatus.RUNNING not in {info.status for info in found}:
                        break
                    await anyio.sleep(0.01)
                assert [info.status for info in found] == [SessionStatus.LOST] * 3
