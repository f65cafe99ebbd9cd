"""What sessions report of their progress, and who is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel import tools
from vibesbox_kernel.models import EventKind, Progress, ProgressState, SessionEvent
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

TOOL = Path(tools.__file__).parent / "bin" / "vibesbox-progress"
DEADLINE_SECONDS = 30


async def news(manager: SessionManager, events: list[SessionEvent]) -> None:
    async for event in manager.events():
        events.append(event)  # noqa: PERF401  # it never ends


async def until(manager: SessionManager, ref: int, wanted: Progress | None) -> None:
    """Wait until a session's progress is this."""
    entry = manager.hub.mirror.find(ref)
    with anyio.fail_after(DEADLINE_SECONDS):
        await manager.hub.wait_until(entry, lambda: entry.info().progress == wanted)


@pytest.mark.parametrize("io", ["pipe", "pty", "split", "split-pipe"])
async def test_a_session_reports_by_the_command_and_nothing_is_printed(manager, gate, io):
    pid = await manager.start_session(f"{TOOL} 40/100 'epoch 3' </dev/null; echo told; read go <{gate}", io=io)
    await until(manager, pid, Progress(fraction=0.4, text="epoch 3"))
    gate.open()
    with anyio.fail_after(DEADLINE_SECONDS):
        info = await manager.wait(pid)
    assert (info.progress, info.exit_code) == (None, 0)
    assert await manager.read_output(pid) == "told\n"


@pytest.mark.parametrize("io", ["pipe", "pty"])
async def test_a_session_reports_as_terminals_are_told(manager, gate, io):
    """ConEmu, Windows Terminal: OSC 9;4, also to stderr, and in pieces."""
    parts = (r"\033]9;4;1;2", r"5\007", r"\033]9;4;2\007", r"\033]9;4;0\033\\")
    steps = "".join(f"printf '{part}' >&2; read go <{gate}; " for part in parts)
    pid = await manager.start_session(steps, io=io)
    told = (Progress(fraction=0.25), Progress(fraction=0.25, state=ProgressState.ERROR), None)
    for wanted in told:
        gate.open()
        await until(manager, pid, wanted)
    await manager.terminate_session(pid, force=True)


async def test_its_end_takes_it_away_whatever_it_said_last(manager):
    pid = await manager.start_session(r"printf '\033]9;4;1;99\007'; exit 1")
    with anyio.fail_after(DEADLINE_SECONDS):
        assert (await manager.wait(pid)).progress is None


async def test_a_session_can_not_report_for_another(manager, tmp_path):
    """Ours: the broker asks whose the process is, and believes nothing that it says."""
    other = await manager.start_session("sleep 600", name="other")
    theirs = manager.info(other).session_id
    answer = tmp_path / "answer"
    env = f"VIBESBOX_SESSION={theirs}"
    pid = await manager.start_session(f"{env} setsid -w {TOOL} 70% ; echo $? >{answer}; exec sleep 600")
    await until(manager, pid, Progress(fraction=0.7))
    assert manager.info(other).progress is None
    await manager.cleanup_all()


async def test_a_process_of_no_session_is_refused(manager):
    await manager.start_session("sleep 600")
    env = {**os.environ, "VIBESBOX_BROKER": str(manager.hub.places.socket)}
    done = await anyio.run_process([str(TOOL), "70%"], env=env, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"is of no running session" in done.stderr
    await manager.cleanup_all()


async def test_outside_of_sessions_the_command_says_so():
    env = {name: value for name, value in os.environ.items() if name != "VIBESBOX_BROKER"}
    done = await anyio.run_process([str(TOOL), "70%"], env=env, check=False)
    assert (done.returncode, b"no session of Vibesbox" in done.stderr) == (1, True)
    env["VIBESBOX_BROKER"] = "/nowhere"
    done = await anyio.run_process([str(TOOL), "70%"], env=env, check=False)
    assert (done.returncode, b"is gone" in done.stderr) == (1, True)
    done = await anyio.run_process([str(TOOL), "70"], env=env, check=False)
    assert (done.returncode, b"write 70%" in done.stderr) == (2, True)


async def test_who_reports_without_end_is_told_of_now_and_then(manager):
    """Ours: at most ten changes a second for one session, and the last one is true."""
    count = 20_000
    one = r"printf '\033]9;4;1;%d\007' $((i % 100))"
    last = r"printf '\033]9;4;4;77\007'"
    script = f"i=0; while [ $i -lt {count} ]; do {one}; i=$((i+1)); done; {last}; exec sleep 600"
    events: list[SessionEvent] = []
    async with anyio.create_task_group() as listening:
        listening.start_soon(news, manager, events)
        begun = anyio.current_time()
        pid = await manager.start_session(script)
        await until(manager, pid, Progress(fraction=0.77, state=ProgressState.PAUSED))
        took = anyio.current_time() - begun
        listening.cancel_scope.cancel()
    changes = [event for event in events if event.kind is EventKind.CHANGED]
    assert 1 <= len(changes) <= 10 * took + 3
    await manager.terminate_session(pid, force=True)


async def test_another_program_sees_it_and_nothing_of_it_is_on_disk(manager):
    pid = await manager.start_session(r"printf '\033]9;4;1;40\007'; exec sleep 600", durable=True)
    await until(manager, pid, Progress(fraction=0.4))
    session_id = manager.info(pid).session_id
    await manager.rename_session(pid, "renamed")  # writes its record anew
    async with SessionManager() as stranger:
        assert {one.session_id: one.progress for one in stranger.list_sessions(everywhere=True)}[session_id] is None
        followed = await stranger.attach_session(session_id)
        assert stranger.info(followed.session_id).progress == Progress(fraction=0.4)
    await manager.terminate_session(pid, force=True)


def test_the_launcher_can_be_run():
    assert subprocess.run([TOOL, "--help"], capture_output=True, check=True).stdout.startswith(
        b"usage: vibesbox-progress"
    )
