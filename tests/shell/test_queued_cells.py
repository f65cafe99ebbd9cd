"""Cells that wait for their turn."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.shell.notebook import until
from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.models import EndReason, ExitStatus, SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

GATE = "%%session --bg --name gate\nread go; exit ${go:-9}"


def is_queued(manager: SessionManager, name: str) -> bool:
    return any(info.name == name and info.status is SessionStatus.QUEUED for info in manager.list_sessions())


async def test_a_foreground_cell_says_what_it_waits_for_and_runs_when_that_has_succeeded(notebook, manager):
    """Ours: with the state of when it was submitted, and it commits as any other cell."""
    await notebook.run("x=1")
    gate = await notebook.run(GATE)
    waiting = notebook.start("%%session --name next --after gate\necho $x; x=2")
    await until(lambda: is_queued(manager, "next"))
    shown = notebook.shown
    said = f"[vibesbox: waits for gate (pid {gate.pid}) to succeed; an interrupt takes it from the queue]\n"
    with anyio.fail_after(5):
        await shown.contains(said)
    assert shown.written == said
    await manager.send_input("gate", "0\n")
    outcome = await waiting
    assert (outcome.exit_status, outcome.not_started, notebook.committed) == (ExitStatus(code=0), None, True)
    assert shown.written == f"{said}1\n"
    assert await notebook.output("echo $x") == "2\n"


async def test_a_foreground_cell_that_follows_a_failure_says_why_it_never_ran(notebook, manager):
    """Ours: the shell is as if the cell had never been."""
    await notebook.run("x=1; false")
    gate = await notebook.run(GATE)
    waiting = notebook.start("%%session --name next --after gate\nx=2; touch ran")
    await until(lambda: is_queued(manager, "next"))
    await manager.send_input("gate", "3\n")
    outcome = await waiting
    assert (outcome.exit_status, outcome.end_reason, notebook.committed) == (None, EndReason.CANCELLED, False)
    assert outcome.not_started == f"gate (pid {gate.pid}) did not succeed: exited (exit 3)"
    assert await notebook.output("echo $? $x") == "1 1\n"
    assert not (Path.home() / "ran").exists()


async def test_a_cell_that_follows_what_has_failed_already_never_waits(notebook, manager):
    outcome = await notebook.run("%%session --bg --name before\nexit 3")
    await manager.wait(outcome.session_id)
    with anyio.fail_after(2):
        outcome = await notebook.run("%%session --after before\ntouch ran")
    assert outcome.not_started is not None
    assert outcome.not_started.endswith("did not succeed: exited (exit 3)")
    assert notebook.shown.written == ""
    assert not (Path.home() / "ran").exists()


async def test_a_background_cell_that_follows_what_has_failed_already_says_only_that(notebook, manager):
    before = await notebook.run("%%session --bg --name before\nexit 3")
    await manager.wait("before")
    outcome = await notebook.run("%%session --bg --name next --after before\ntouch ran")
    shown = notebook.shown
    assert not outcome.queued
    with anyio.fail_after(10):
        await shown.contains("did not succeed")
    said = f"[vibesbox: not started: before (pid {before.pid}) did not succeed: exited (exit 3)]\n"
    assert shown.written == said


async def test_a_background_cell_that_follows_a_failure_says_so_in_its_own_output(notebook, manager):
    await notebook.run(GATE)
    outcome = await notebook.run("%%session --bg --name next --after gate\necho ran")
    shown = notebook.shown
    assert (outcome.queued, outcome.exit_status, outcome.end_reason) == (True, None, None)
    await manager.send_input("gate", "3\n")
    with anyio.fail_after(10):
        await shown.contains("[vibesbox: not started: gate")
        assert (await manager.wait("next")).end_reason is EndReason.CANCELLED
    assert "\nran\n" not in shown.written


async def test_a_background_cell_starts_from_the_state_of_when_it_was_submitted(notebook, manager):
    await notebook.run("x=1; cd /usr")
    await notebook.run(GATE)
    await notebook.run("%%session --bg --name next --after gate\necho $x; pwd")
    shown = notebook.shown
    await notebook.run("x=2; cd /tmp")
    await manager.send_input("gate", "0\n")
    with anyio.fail_after(10):
        await shown.contains("1\n/usr\n")


async def test_an_interrupt_takes_a_foreground_cell_from_the_queue(notebook, manager):
    """Ours: nothing of it has run, and what it was to follow goes on."""
    await notebook.run(GATE)
    waiting = notebook.start("%%session --name next --after gate\ntouch ran")
    await until(lambda: is_queued(manager, "next"))
    await notebook.runner.interrupt()
    with anyio.fail_after(5):
        outcome = await waiting
    assert (outcome.interrupted, outcome.exit_status) == (True, None)
    assert outcome.not_started is not None
    assert manager.info("gate").is_running
    assert not (Path.home() / "ran").exists()
    assert await notebook.output("echo on") == "on\n"


async def test_no_more_cells_of_a_group_run_at_a_time_than_were_allowed(notebook, manager):
    await manager.set_parallel("gpu", 1)
    await notebook.run("%%session --bg --name first --group gpu\nread go; echo first")
    outcome = await notebook.run("%%session --bg --name second --group gpu\nread go; echo second")
    shown = notebook.shown
    assert outcome.queued
    assert shown.written == "[vibesbox: waits for its turn in the group gpu; %kill takes it from the queue]\n"
    assert not (await notebook.run("%%session --bg --name other\n:")).queued
    await manager.send_input("first", "go\n")
    await until(lambda: manager.info("second").is_running)
    await manager.send_input("second", "go\n")
    with anyio.fail_after(10):
        await shown.contains("second\n")


async def test_following_what_there_is_not_runs_nothing(notebook):
    with pytest.raises(SessionNotFoundError, match="nobody"):
        await notebook.run("%%session --after nobody\ntouch ran")
    assert await notebook.output("ls") == ""


async def test_limits_reach_the_session(notebook, manager):
    """Linux: what a process may have is in its own /proc entries."""
    cell = "%%session --nice 7 --cpu 77 --mem 1G --output 1M --leftovers kill\n"
    outcome = await notebook.run(cell + "cut -d' ' -f19 /proc/self/stat; ulimit -S -t; (sleep 600 &)")
    assert notebook.shown.written == "7\n77\n"
    with anyio.fail_after(10):
        policy = (await manager.wait(outcome.session_id)).policy
    assert (policy.nice, policy.max_cpu_seconds, policy.max_memory_bytes) == (7, 77, 1 << 30)
    assert await notebook.output("cut -d' ' -f19 /proc/self/stat; ulimit -S -t") == "0\nunlimited\n"


async def test_a_cell_over_its_idle_limit_is_ended_and_says_so(notebook):
    outcome = await notebook.run("%%session --idle-timeout 0.3\necho begun; sleep 600")
    assert outcome.end_reason is EndReason.TIMED_OUT


async def test_a_cell_over_its_memory_limit_is_ended_and_says_so(notebook):
    """Ours: its state is as it was before."""
    outcome = await notebook.run("%%session --mem 30M\nx=$(head -c 60000000 /dev/zero | tr '\\0' x); sleep 600")
    assert outcome.end_reason is EndReason.MEMORY_LIMIT
