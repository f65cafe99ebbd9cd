"""Cells in the background: sent there while they run, followed again, and closed with one line."""

from __future__ import annotations

import asyncio
import re

import anyio
import pytest

from tests.shell.notebook import Notebook, Shown, sleeps, until
from vibesbox_kernel.errors import NotInForegroundError, SessionNotFoundError
from vibesbox_kernel.models import EndReason, ExitStatus
from vibesbox_kernel.shell.outcome import CellOutcome
from vibesbox_kernel.shell.runner import CellRunner

pytestmark = pytest.mark.anyio


def closing_lines(shown: Shown) -> list[str]:
    return [line for line in shown.written.splitlines() if re.match(r"\[vibesbox: .* after |.*has ended", line)]


async def follow(runner: CellRunner, ref: str, shown: Shown) -> CellOutcome:
    with anyio.fail_after(10):
        return await runner.follow(ref, sink=shown)


async def test_a_running_cell_is_sent_to_the_background_and_its_output_goes_on(notebook, runner, gate):
    task = notebook.start(f"%%session --name long\nx=changed; echo before; read line <{gate}; echo after; exit 3")
    with anyio.fail_after(10):
        first = await begun(notebook, "before")
        info = await runner.move_to_background()
        outcome = await task
        assert (outcome.left, outcome.exit_status, outcome.end_reason) == (True, None, None)
        assert info.name == "long"
        assert any("goes on in the background" in notice for notice in outcome.notices)
        assert await notebook.output("echo ${x-unset}") == "unset\n"
        gate.open()
        await first.contains("exited (exit 3) after")
    assert first.written.splitlines()[:2] == ["before", "after"]
    assert len(closing_lines(first)) == 1
    assert first.written.splitlines()[-1].startswith("[vibesbox: long (pid ")
    assert await notebook.output("echo ${x-unset}") == "unset\n"


async def begun(notebook: Notebook, text: str) -> Shown:
    """Wait until the cell that was started shows a text."""
    await until(lambda: text in notebook.shown.written)
    return notebook.shown


async def test_the_next_cell_does_not_wait_for_one_that_was_sent_away(notebook, runner, manager):
    task = notebook.start("sleep 300")
    await until(sleeps(manager))
    await runner.move_to_background()
    await task
    assert await notebook.output("echo next") == "next\n"


async def test_what_does_not_run_in_the_foreground_can_not_be_sent_away(notebook, runner, manager):
    await notebook.run("%%session --bg --name there\nsleep 300")
    with pytest.raises(NotInForegroundError, match="no cell runs in the foreground"):
        await runner.move_to_background()
    with pytest.raises(NotInForegroundError, match="no cell waits for session there"):
        await runner.move_to_background("there")
    with pytest.raises(SessionNotFoundError):
        await runner.move_to_background("nobody")


async def test_of_several_cells_in_the_foreground_one_must_be_named(notebook, runner, manager):
    one = notebook.start("%%session --name one\nsleep 300")
    two = asyncio.create_task(Notebook(runner).run("%%session --name two\nsleep 300"))
    await until(sleeps(manager, 2))
    with pytest.raises(NotInForegroundError, match="several cells run in the foreground; name one of them: "):
        await runner.move_to_background()
    await runner.move_to_background("one")
    assert (await one).left
    assert not two.done()
    await runner.interrupt()
    assert (await two).interrupted


async def test_an_interrupt_is_not_for_a_cell_that_was_sent_away(notebook, runner, manager):
    task = notebook.start("%%session --name away\nsleep 300")
    await until(sleeps(manager))
    await runner.move_to_background()
    await task
    await runner.interrupt()
    assert manager.info("away").is_running


async def test_a_cell_that_begins_in_the_background_has_one_closing_line_after_all_its_output(notebook, manager):
    await notebook.run("%%session --bg --name counted\nseq 1 300")
    first = notebook.shown
    with anyio.fail_after(10):
        await first.contains("counted (pid")
    lines = first.written.splitlines()
    assert lines[:300] == [str(number) for number in range(1, 301)]
    assert re.fullmatch(r"\[vibesbox: counted \(pid \d+\): exited \(exit 0\) after .*\]", lines[300])
    assert len(lines) == 301


async def test_a_background_cell_that_is_killed_says_so(notebook, manager):
    await notebook.run("%%session --bg --name victim\nsleep 300")
    first = notebook.shown
    await manager.terminate_session("victim", force=True)
    with anyio.fail_after(10):
        await first.contains("victim (pid")
    assert "killed (SIGKILL) after" in first.written


async def test_jobs_that_outlive_their_cell_are_closed_with_a_line(notebook, gate):
    outcome = await notebook.run(f"(read line <{gate}; printf unfinished) & echo now")
    first = notebook.shown
    assert outcome.end_reason is None
    gate.open()
    with anyio.fail_after(10):
        await first.contains("has ended")
    assert first.written.splitlines()[:2] == ["now", "unfinished"]
    assert len(closing_lines(first)) == 1


async def test_an_ordinary_cell_has_no_closing_line(notebook, manager):
    await notebook.run("echo hi")
    first = notebook.shown
    await notebook.run("sleep 0.2")
    assert first.written == "hi\n"


async def test_a_session_is_followed_to_its_end_and_its_status(notebook, runner, gate):
    await notebook.run(f"%%session --bg --name worker\nseq 1 20; read line <{gate}; echo done; exit 4")
    await until(lambda: "20" in notebook.shown.written)
    shown = Shown()
    task = asyncio.create_task(follow(runner, "worker", shown))
    await until(lambda: "20" in shown.written)
    gate.open()
    outcome = await task
    assert shown.written.splitlines() == [*map(str, range(11, 21)), "done"]
    assert (outcome.exit_status, outcome.end_reason) == (ExitStatus(code=4), EndReason.EXITED)


async def test_following_what_has_ended_shows_its_end(notebook, runner):
    await notebook.run("%%session --name over\necho last words; exit 5")
    shown = Shown()
    outcome = await follow(runner, "over", shown)
    assert shown.written == "last words\n"
    assert outcome.exit_status == ExitStatus(code=5)


async def test_an_interrupt_is_for_the_session_that_is_followed(notebook, runner, manager):
    await notebook.run("%%session --bg --name worker\ntrap 'echo stopping; exit 6' INT; echo up; sleep 300")
    await until(lambda: "up" in notebook.shown.written)
    shown = Shown()
    task = asyncio.create_task(follow(runner, "worker", shown))
    await until(lambda: "up" in shown.written)
    await until(sleeps(manager))
    await runner.interrupt()
    outcome = await task
    assert outcome.interrupted
    assert outcome.exit_status == ExitStatus(code=6)
    assert "stopping" in shown.written


async def test_what_is_followed_can_be_sent_back(notebook, runner, manager):
    await notebook.run("%%session --bg --name worker\necho up; sleep 300")
    shown = Shown()
    task = asyncio.create_task(follow(runner, "worker", shown))
    await until(lambda: "up" in shown.written)
    await runner.move_to_background("worker")
    outcome = await task
    assert (outcome.left, outcome.exit_status) == (True, None)
    assert manager.info("worker").is_running


async def test_eight_chatty_cells_never_mix_their_output(notebook, runner):
    shown: list[Shown] = []
    for number in range(8):
        await notebook.run(
            f"%%session --bg --name chatty-{number}\nfor i in 1 2 3 4 5; do echo {number} $i; sleep 0.02; done"
        )
        shown.append(notebook.shown)
    with anyio.fail_after(20):
        for number, one in enumerate(shown):
            await one.contains(f"chatty-{number} (pid")
    for number, one in enumerate(shown):
        assert one.written.splitlines()[:-1] == [f"{number} {i}" for i in range(1, 6)]
