"""Sessions that are prepared ahead, and the hand-over at the end of a shell's work."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.errors import SessionEndedError, ShellNotFoundError
from vibesbox_kernel.models import EndReason, EventKind, SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

DRIVER = ["/bin/bash", "--norc", "--noprofile", "-c", 'read -r -u 250 line; exec 250<&-; eval "$line"']


async def begin(manager: SessionManager, line: str, io: str = "pty", token: str = "", lets_go: bool = False) -> str:
    """Prepare a bash and let it run one line."""
    prepared = await manager.prepare_session(DRIVER, env={"PATH": os.environ["PATH"]}, io=io)
    pid = await manager.begin_session(
        prepared.session_id, command=line, control=line.encode() + b"\n", token=token, lets_go=lets_go
    )
    assert pid == prepared.pid
    return prepared.session_id


async def test_a_prepared_session_is_not_listed_until_it_begins(manager, lifeline):
    prepared = await manager.prepare_session(DRIVER, env={"PATH": os.environ["PATH"]})
    assert manager.list_sessions() == []
    line = f"echo up >{lifeline.path}; exit 3"
    await manager.begin_session(prepared.session_id, command="shown", name="cell", control=line.encode() + b"\n")
    with anyio.fail_after(5):
        await lifeline.held()
        info = await manager.wait("cell")
    assert (info.command, info.exit_code, info.pid) == ("shown", 3, prepared.pid)


@pytest.mark.parametrize("disk", ["writable", "full"])
@pytest.mark.parametrize("size", [1, 1 << 16, (1 << 20) - 100])
async def test_a_command_of_any_size_is_known_whole(manager, isolation, monkeypatch, size, disk):
    """Ours: a large one comes in a file, which is not there any more; without room for that, in the request."""
    command = "# \udcff" + "[,{" * (size // 3) + "é\n"

    def refuse(name, data):
        (manager.workspace.path / name).write_bytes(data[:10])
        raise OSError(errno.ENOSPC, "full")

    if disk == "full":
        monkeypatch.setattr(manager.workspace, "write", refuse)
    prepared = await manager.prepare_session(DRIVER, env={"PATH": os.environ["PATH"]})
    await manager.begin_session(prepared.session_id, command=command, control=b"true\n")
    with anyio.fail_after(10):
        assert (await manager.wait(prepared.session_id)).command == command
    (facts,) = [json.loads(path.read_text()) for path in (isolation / "state").rglob("meta.json")]
    assert facts["command"] == command
    assert not [path for path in manager.workspace.path.iterdir() if "command" in path.name]


async def test_a_prepared_session_can_be_discarded_without_a_trace(manager, isolation):
    prepared = await manager.prepare_session(DRIVER, env={})
    await manager.discard_session(prepared.session_id)
    with anyio.fail_after(5):
        while Path(f"/proc/{prepared.pid}").exists():
            await anyio.sleep(0.01)
    assert manager.list_sessions() == []
    assert not list((isolation / "state").rglob("meta.json"))
    with pytest.raises(SessionEndedError):
        await manager.begin_session(prepared.session_id, command="late", control=b"\n")


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_prepared_session_whose_shell_dies_while_it_waits_is_over_with_all_that_it_left(
    manager, lifeline, leaves
):
    """Ours: its turn would find nobody; nothing of it lives on, and its end is told once."""
    child = f"setsid sh -c 'echo up >{lifeline.path}; exec sleep 600 9>{lifeline.path}' & " if leaves else ""
    driver = ["/bin/bash", "--norc", "--noprofile", "-c", f"{child}read -r -u 250 line"]
    await manager.set_parallel(None, 1)
    prepared = await manager.prepare_session(driver, env={"PATH": os.environ["PATH"]})
    first = await manager.submit_session("read go")
    await manager.begin_session(prepared.session_id, command="shown", name="cell", control=b"true\n")
    async with manager.events() as events:
        with anyio.fail_after(10):
            if leaves:
                await lifeline.held()
            assert manager.info("cell").status is SessionStatus.QUEUED
            os.kill(prepared.pid, signal.SIGKILL)
            info = await manager.wait("cell")
            if leaves:
                await lifeline.released()
            assert (info.end_reason, info.exit_code) == (EndReason.CANCELLED, None)
            assert "before its turn" in (info.problem or "")
            assert await manager.terminate_session("cell") is False
            await manager.send_input(first, "go\n")
            await manager.wait(first)
            last = await manager.submit_session("echo next")
            kinds = []
            async for event in events:
                if event.session_id == prepared.session_id:
                    kinds.append(event.kind)
                if event.session_id == last and event.kind is EventKind.ENDED:
                    break
    assert sum(kind in (EventKind.ENDED, EventKind.KILLED) for kind in kinds) == 1
    assert EventKind.STARTED not in kinds


async def test_a_program_that_can_not_be_prepared_is_an_error(manager):
    with pytest.raises(ShellNotFoundError, match="/no/such/shell"):
        await manager.prepare_session(["/no/such/shell"], env={})


@pytest.mark.parametrize("io", ["pty", "pipe"])
async def test_a_leader_that_stops_itself_hands_over_its_exit_status(manager, io):
    session_id = await begin(manager, "echo work; kill -STOP $$; echo never", io=io)
    with anyio.fail_after(5):
        handover = await manager.wait_handover(session_id)
        assert (handover.stopped, handover.exit_status, handover.others) == (True, None, 0)
        assert manager.info(session_id).is_running
        settled = await manager.settle_session(session_id, 7, keep=False)
        assert settled.exit_code == 7
        assert manager.exited_cursor(session_id) == len("work\n")
        info = await manager.wait(session_id)
    assert (info.status, info.end_reason, info.exit_code) == (SessionStatus.COMPLETED, EndReason.EXITED, 7)
    assert await manager.read_output(session_id) == "work\n"


async def test_a_leader_may_announce_its_exit_status_before_it_hands_over(manager, lifeline):
    """Ours: with all its output; that it is ended then, or dies, makes no other status of it."""
    line = f"echo work; echo secret 7 >{manager.announcements}; read -r go <{lifeline.path}; kill -STOP $$"
    session_id = await begin(manager, line, token="secret")
    with anyio.fail_after(5):
        handover = await manager.wait_handover(session_id, announced=True)
        assert (handover.announced, handover.stopped, str(handover.exit_status)) == (True, False, "exit 7")
        assert manager.exited_cursor(session_id) == len("work\n")
        assert manager.info(session_id).is_running
        await anyio.to_thread.run_sync(lambda: Path(lifeline.path).write_text("go\n"))
        assert (await manager.wait_handover(session_id)).stopped
        await manager.settle_session(session_id, 0, keep=False)
        info = await manager.wait(session_id)
    assert (info.status, info.end_reason, info.exit_code) == (SessionStatus.COMPLETED, EndReason.EXITED, 7)


async def test_a_leader_that_dies_after_its_announcement_has_ended_as_it_announced(manager):
    """Ours: its script had come to its end."""
    session_id = await begin(manager, f"echo secret 7 >{manager.announcements}; kill -KILL $$", token="secret")
    with anyio.fail_after(5):
        handover = await manager.wait_handover(session_id)
        assert (handover.announced, handover.stopped, str(handover.exit_status)) == (False, False, "exit 7")
        info = await manager.wait(session_id)
    assert (info.end_reason, info.exit_code) == (EndReason.EXITED, 7)


async def test_a_leader_that_leaves_nothing_may_be_let_go_at_its_stop(manager):
    """Ours: nobody has to be asked, for its status is known."""
    line = f"echo secret 7 >{manager.announcements}; kill -STOP $$; echo never"
    session_id = await begin(manager, line, token="secret", lets_go=True)
    with anyio.fail_after(5):
        handover = await manager.wait_handover(session_id)
        assert handover.settled or not handover.stopped  # it may be over before we look
        assert str(handover.exit_status) == "exit 7"
        info = await manager.wait(session_id)
    assert (info.end_reason, info.exit_code) == (EndReason.EXITED, 7)
    assert await manager.read_output(session_id) == ""


@pytest.mark.parametrize("leaves", ["sleep 600 &", "exec 7</dev/null;"])
async def test_a_leader_that_leaves_something_is_not_let_go_before_it_is_settled(manager, leaves):
    """Ours: its processes need it as their keeper, and its descriptors may be wanted."""
    line = f"{leaves} echo secret 7 >{manager.announcements}; kill -STOP $$"
    session_id = await begin(manager, line, token="secret", lets_go=True)
    with anyio.fail_after(5):
        handover = await manager.wait_handover(session_id)
        assert (handover.stopped, handover.settled) == (True, False)
        assert manager.info(session_id).is_running


async def test_an_announcement_counts_only_with_the_token_and_once(manager):
    """Ours: whatever else is written there changes nothing."""
    lines = "echo wrong 3; echo secret 300; echo secret x; echo; echo secret 4; echo secret 5"
    line = f"{{ {lines}; }} >{manager.announcements}; kill -STOP $$"
    session_id = await begin(manager, line, token="secret")
    with anyio.fail_after(5):
        assert (await manager.wait_handover(session_id)).exit_status is None
        await manager.settle_session(session_id, 9, keep=False)
        info = await manager.wait(session_id)
    assert info.exit_code == 9


async def test_a_kept_leader_stays_until_its_children_are_gone(manager, lifeline):
    line = f"(echo up; exec sleep 600) >{lifeline.path} & kill -STOP $$; while :; do wait; read -t 1 <> <(:); done"
    session_id = await begin(manager, line)
    with anyio.fail_after(10):
        await lifeline.held()
        handover = await manager.wait_handover(session_id)
        assert (handover.stopped, handover.others) == (True, 1)
        info = await manager.settle_session(session_id, 0, keep=True)
        assert (info.status, info.exit_code, len(info.leftovers)) == (SessionStatus.RUNNING, 0, 1)
        os.kill(info.leftovers[0], signal.SIGKILL)
        await lifeline.released()
        info = await manager.wait(session_id)
    assert (info.status, info.exit_code, info.end_reason) == (SessionStatus.COMPLETED, 0, EndReason.EXITED)


async def test_a_stop_of_the_user_s_own_can_be_resumed(manager):
    session_id = await begin(manager, "kill -STOP $$; echo resumed; kill -STOP $$")
    with anyio.fail_after(5):
        assert (await manager.wait_handover(session_id)).stopped
        await manager.resume_session(session_id)
        assert (await manager.wait_handover(session_id)).stopped
        await manager.settle_session(session_id, 0, keep=False)
        await manager.wait(session_id)
    assert await manager.read_output(session_id) == "resumed\n"


async def test_a_leader_that_dies_has_handed_over_nothing(manager):
    session_id = await begin(manager, "kill -KILL $$")
    with anyio.fail_after(5):
        handover = await manager.wait_handover(session_id)
    assert not handover.stopped
    assert str(handover.exit_status) == "SIGKILL"


async def test_a_stopped_leader_can_be_terminated(manager, lifeline):
    session_id = await begin(manager, f"exec 9>{lifeline.path}; echo up >&9; kill -STOP $$")
    with anyio.fail_after(5):
        await lifeline.held()
        await manager.wait_handover(session_id)
        assert await manager.terminate_session(session_id, force=True)
        await lifeline.released()
