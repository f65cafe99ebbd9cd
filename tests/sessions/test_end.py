"""Ends: of a leader, of a tree, of everything at once; and what is said of them."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.lifeline import Lifeline
from vibesbox_kernel.errors import SessionEndedError, SessionTimeoutError
from vibesbox_kernel.models import EndReason, SessionStatus, TerminalState
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio


def is_alive(pid: int) -> bool:
    """Whether /proc shows a process that is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


async def test_a_session_runs_until_its_tree_is_gone(manager, lifeline):
    """Ours: the exit code may be known while what the leader left behind still runs."""
    pid = await manager.start_session(f"(echo up; exec sleep 600) >{lifeline.path} &")
    with anyio.fail_after(5):
        await lifeline.held()
        assert await manager.get_session(pid).process.wait() == 0
        info = manager.info(pid)
        assert (info.status, info.exit_code, len(info.leftovers)) == (SessionStatus.RUNNING, 0, 1)
        assert manager.get_session(pid).is_running
        assert pid in manager.sessions
        assert await manager.terminate_session(pid)
        await lifeline.released()
    info = manager.info(pid)
    assert (info.status, info.exit_code, info.leftovers) == (SessionStatus.TERMINATED, 0, ())
    assert pid in manager.completed


async def test_force_kills_a_tree_whose_pipe_is_shared(manager, lifeline):
    pid = await manager.start_session(f"exec 9>{lifeline.path}; sleep 600 & echo up >&9; sleep 600")
    with anyio.fail_after(5):
        await lifeline.held()
        assert await manager.terminate_session(pid, force=True)
        await lifeline.released()
    info = manager.info(pid)
    assert (info.signal, info.end_reason) == (signal.SIGKILL, EndReason.KILLED)


TREES = {
    "plain": "{me} & wait",
    "setsid": "setsid {me} & wait",
    "nohup": "nohup {me} >/dev/null 2>&1 & wait",
    "double fork": "( ( {me} & ) & ); sleep 600",
    "daemon": "( setsid sh -c '{me} &' & ) ; sleep 600",
    "orphan of an ended leader": "( setsid {me} & )",
    "environment scrubbed": "( env -i setsid {me} & ) ; sleep 600",
    "signals ignored": "trap '' INT TERM HUP; {me} & while :; do sleep 600; done",
    "stopped": "{me} & kill -STOP $!; wait",
}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", TREES)
async def test_no_kind_of_descendant_survives(manager, lifeline, tmp_path, kind, force):
    me = tmp_path / "me"
    me.write_text(f"#!/bin/bash\nexec 9>{lifeline.path}; echo up >&9; exec sleep 600\n")
    me.chmod(0o700)
    pid = await manager.start_session(TREES[kind].format(me=me))
    with anyio.fail_after(10):
        if kind != "stopped":
            await lifeline.held()
        assert await manager.terminate_session(pid, force=force)
        if kind != "stopped":
            await lifeline.released()
    assert not manager.info(pid).is_running


async def test_what_is_killed_while_it_forks_is_gone_for_good(manager, lifeline):
    """Linux: a child may be missed in one look at /proc; the kill repeats until nothing new appears."""
    script = f"exec 9>{lifeline.path}; echo up >&9; f() {{ sleep 600 & setsid sleep 600 & (f); }}; f"
    pid = await manager.start_session(f"ulimit -u 2000; {script}", shell="/bin/bash")
    with anyio.fail_after(10):
        await lifeline.held()
        assert await manager.terminate_session(pid, force=True)
        await lifeline.released()


async def test_a_respawner_does_not_bring_its_children_back(manager, lifeline):
    pid = await manager.start_session(f"exec 9>{lifeline.path}; echo up >&9; while :; do setsid sleep 600; done")
    with anyio.fail_after(5):
        await lifeline.held()
        assert await manager.terminate_session(pid, force=True)
        await lifeline.released()


async def test_only_a_running_session_can_be_terminated(manager):
    assert await manager.terminate_session(2**22 + 1) is False
    pid = await manager.start_session("true")
    await manager.wait(pid)
    assert await manager.terminate_session(pid) is False
    assert await manager.terminate_session(os.getpid()) is False


async def test_two_callers_may_end_the_same_session(manager):
    pid = await manager.start_session("trap '' INT; while :; do sleep 600; done")
    answers: list[bool] = []

    async def end(force: bool) -> None:
        answers.append(await manager.terminate_session(pid, force=force))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(end, False)
            group.start_soon(end, True)
    assert answers == [True, True]


async def test_cleanup_ends_all_at_the_same_time(new_lifeline: Callable[[], Lifeline]):
    """Ours: sessions that ignore SIGINT share one grace; one after the other they would take 50 s."""
    lifelines = [new_lifeline() for _ in range(50)]
    async with SessionManager() as manager:
        for one in lifelines:
            await manager.start_session(f"trap '' INT; exec 9>{one.path}; echo up >&9; while :; do sleep 600; done")
        with anyio.fail_after(20):
            for one in lifelines:
                await one.held()
            await manager.cleanup_all()
            for one in lifelines:
                await one.released()
        assert not manager.sessions
        assert {info.status for info in manager.list_sessions()} == {SessionStatus.TERMINATED}
        await manager.cleanup_all()
        assert (await manager.run("echo again")).output == "again\n"


async def test_wait_can_end_before_the_session(manager):
    pid = await manager.start_session("sleep 600")
    with pytest.raises(SessionTimeoutError, match=r"has not ended after 0\.05 s") as caught:
        await manager.wait(pid, timeout=0.05)
    assert isinstance(caught.value, TimeoutError)
    assert manager.info(pid).is_running
    await manager.terminate_session(pid, force=True)


async def test_run_is_ended_by_its_timeout_and_by_its_caller(manager, new_lifeline):
    first, second = new_lifeline(), new_lifeline()
    result = await manager.run(f"exec 9>{first.path}; echo up >&9; echo said; sleep 600", timeout=0.3)
    assert (result.timed_out, result.output, result.success) == (True, "said\n", False)
    with anyio.fail_after(5):
        await first.held()
        await first.released()
        async with anyio.create_task_group() as group:
            group.start_soon(manager.run, f"exec 9>{second.path}; echo up >&9; sleep 600")
            await second.held()
            group.cancel_scope.cancel()
        await second.released()
        await manager.wait(manager.list_sessions()[-1].session_id)
    assert not manager.sessions


@pytest.mark.parametrize(
    ("command", "code", "by_signal"), [("exit 0", 0, None), ("exit 42", 42, None), ("kill -SEGV $$", None, 11)]
)
async def test_the_exit_status_is_the_true_one(manager, command, code, by_signal):
    result = await manager.run(command)
    assert (result.exit_code, result.signal) == (code, by_signal)
    reason = EndReason.EXITED if by_signal is None else EndReason.SIGNALLED
    assert (result.end_reason, manager.info(result.session_id).status) == (reason, SessionStatus.COMPLETED)


async def test_the_process_is_like_asyncio_s(manager, lifeline):
    pid = await manager.start_session(f"trap 'exit 5' TERM; (echo up >{lifeline.path}; exec sleep 600)")
    process = manager.get_session(pid).process
    with anyio.fail_after(5):
        await lifeline.held()
        assert (process.pid, process.returncode) == (pid, None)
        process.terminate()
        assert await process.wait() == 5
        assert process.returncode == 5
        await manager.wait(pid)
    process.kill()  # a signal to what is over does nothing
    with pytest.raises(SessionEndedError, match="is over"):
        await manager.send_signal(pid, signal.SIGTERM)


async def test_an_interrupt_reaches_the_foreground_also_in_another_process_group(manager, lifeline):
    pid = await manager.start_session(
        f"trap 'exit 3' INT; setsid sh -c 'echo up >{lifeline.path}; exec sleep 600'; echo not reached"
    )
    with anyio.fail_after(5):
        await lifeline.held()
        await manager.interrupt(pid)
        assert (await manager.wait(pid)).exit_code == 3
    assert await manager.read_output(pid) == ""


async def test_a_stranger_with_the_pid_of_an_ended_session_is_never_signalled(manager):
    """Ours: only what descends from a leader, or carries the session's tag, is signalled."""
    pid = await manager.start_session("true")
    await manager.wait(pid)
    stranger = await manager.start_session("sleep 600")  # of another session: even a sibling is a stranger
    for sender in (manager.terminate_session, manager.interrupt):
        with contextlib.suppress(SessionEndedError):
            await sender(pid)
    assert is_alive(stranger)
    await manager.terminate_session(stranger, force=True)
    assert not is_alive(stranger)


async def test_input_reaches_pipes_and_terminals(manager):
    for io, echo in (("pipe", ""), ("pty", "hello\nworld")):
        pid = await manager.start_session("cat", io=io)
        await manager.send_input(pid, "hello\n")
        await manager.send_input(pid, b"world", eof=True)
        with anyio.fail_after(5):
            await manager.wait(pid)
        output = await manager.read_output(pid)
        assert output.startswith(echo[:6])
        assert output.count("world") == (1 if io == "pipe" else 2)
        with pytest.raises(SessionEndedError):
            await manager.send_input(pid, "more")


async def test_large_input_arrives_whole(manager):
    pid = await manager.start_session("wc -c")
    await manager.send_input(pid, "x" * 900_000, eof=True)
    with anyio.fail_after(5):
        await manager.wait(pid)
    assert (await manager.read_output(pid)).strip() == "900000"


async def test_input_that_nobody_reads_waits_and_is_not_hoarded(manager):
    pid = await manager.start_session("sleep 600")
    refused: list[SessionEndedError] = []

    async def send() -> None:
        try:
            await manager.send_input(pid, b"x" * 8_000_000)
        except SessionEndedError as error:
            refused.append(error)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            assert (await manager.run("echo others go on")).success
            assert not refused
            assert await manager.terminate_session(pid, force=True)
    assert len(refused) == 1


async def test_a_terminal_can_be_resized(manager, lifeline):
    pid = await manager.start_session(f"echo up >{lifeline.path}; read x; stty size", io="pty")
    with anyio.fail_after(5):
        await lifeline.held()
        await manager.resize(pid, 50, 132)
        await manager.send_input(pid, "\n")
        await manager.wait(pid)
    assert (await manager.read_output(pid)).split() == ["50", "132"]


@pytest.mark.parametrize(
    ("before", "begins_lines"),
    [
        ("true", True),
        ("stty -icanon -echo", True),
        ("stty -onlcr", False),
        ("stty raw", False),
        ("stty raw isig", True),
    ],
)
async def test_a_terminal_says_its_size_and_what_a_newline_means(manager, lifeline, before, begins_lines):
    """POSIX: termios; curses takes ONLCR away where it means straight down, cfmakeraw takes all."""
    command = f"{before}; echo up >{lifeline.path}; read x"
    pid = await manager.start_session(command, io="pty", rows=30, columns=90)
    with anyio.fail_after(5):
        await lifeline.held()
        assert await manager.terminal(pid) == TerminalState(rows=30, columns=90, begins_lines=begins_lines)
        await manager.terminate_session(pid, force=True)
        with pytest.raises(SessionEndedError):
            await manager.terminal(pid)


async def test_a_cancelled_start_leaves_no_process(manager, lifeline):
    """Ours: whoever is cancelled before he has the pid could never end the session."""
    await manager.run("true")
    started: list[int] = []
    for attempt in range(20):
        with anyio.move_on_after(attempt * 0.0003):
            started.append(await manager.start_session(f"exec 9>{lifeline.path}; echo up >&9; sleep 600"))
    with anyio.fail_after(5):
        for pid in started:
            await manager.terminate_session(pid, force=True)
        while manager.sessions:
            await anyio.sleep(0.01)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of exit(2) is another")
async def test_a_process_whose_main_thread_has_ended_is_killed_too(manager, lifeline):
    """Linux: such a process looks like a zombie in /proc, but its other threads run."""
    code = f"import ctypes, threading, time, os; fd = os.open('{lifeline.path}', os.O_WRONLY); "
    code += "threading.Thread(target=lambda: (os.write(fd, b'up'), time.sleep(600))).start(); "
    code += "ctypes.CDLL(None).syscall(60, 0)"  # exit(2) of this thread alone, on x86-64
    pid = await manager.start_session(f'exec python3 -c "{code}"')
    with anyio.fail_after(10):
        await lifeline.held()
        assert await manager.terminate_session(pid, force=True)
        await lifeline.released()


async def test_a_session_that_itself_runs_sessions_is_killed_whole(manager, lifeline, tmp_path):
    """Ours: what an inner broker owns carries the inner marks, and belongs to the outer session by descent."""
    script = tmp_path / "inner.py"
    script.write_text(
        "import time\n"
        "from vibesbox_kernel.sessions import BlockingSessionManager\n"
        "manager = BlockingSessionManager()\n"
        f"manager.start_session('exec 9>{lifeline.path}; echo up >&9; setsid sleep 600 & sleep 600')\n"
        "time.sleep(600)\n"
    )
    pid = await manager.start_session(f"exec {sys.executable} {script}")
    with anyio.fail_after(20):
        await lifeline.held()
        assert await manager.terminate_session(pid, force=True)
        await lifeline.released()
