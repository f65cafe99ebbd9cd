"""Durable cells: their shells end rightly though nobody is there to take over their state (promise 3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.shell.notebook import Notebook
from vibesbox_kernel.models import EndReason, SessionInfo
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.runner import CellRunner
from vibesbox_kernel.shell.settings import Settings

pytestmark = pytest.mark.anyio

INSTANCE = "kernel-durable"
GATED = "%%session --bg --durable --name job\nexec 9>{path}; echo begun; echo up >&9; read go; "


@asynccontextmanager
async def program() -> AsyncIterator[tuple[SessionManager, Notebook]]:
    """One life of a kernel: a manager and a shell that close at its end."""
    async with SessionManager(instance=INSTANCE) as manager:
        runner = CellRunner(manager, settings=Settings(interrupt_grace=0.3), cwd=str(Path.home()))
        try:
            yield manager, Notebook(runner)
        finally:
            await runner.aclose()


ENDS: dict[str, Callable[[SessionInfo], bool]] = {
    "exit 37": lambda info: info.exit_code == 37,
    "false": lambda info: info.exit_code == 1,
    "set -e; false; echo no": lambda info: info.exit_code == 1,
    "kill -TERM $$; sleep 5": lambda info: info.signal == 15,
    "exec sh -c 'exit 4'": lambda info: info.exit_code == 4,
    "f() { exit 6; }; f": lambda info: info.exit_code == 6,
    "trap 'echo bye' EXIT; exit 8": lambda info: info.exit_code == 8,
}


@pytest.mark.parametrize("script", ENDS)
async def test_its_status_is_the_true_one_when_it_ends_under_a_second_program_that_adopted_it(lifeline, script):
    with anyio.fail_after(20):
        async with program() as (_, notebook):
            await notebook.run(GATED.format(path=lifeline.path) + script)
            await lifeline.held()
        async with program() as (manager, notebook):
            await notebook.run("true")  # it has met the broker now
            await manager.send_input("job", "go\n")
            info = await manager.wait("job")
            assert ENDS[script](info), info
            assert info.end_reason in (EndReason.EXITED, EndReason.SIGNALLED)
            assert (await manager.tail("job")).startswith("begun\n")
        await lifeline.released()


@pytest.mark.parametrize("script", ENDS)
async def test_its_status_is_the_true_one_when_it_ended_while_nobody_was_there(lifeline, isolation, script):
    gate = isolation / "gate"
    waiting = GATED.format(path=lifeline.path).replace("read go", f"until [ -e {gate} ]; do sleep 0.01; done")
    with anyio.fail_after(20):
        async with program() as (_, notebook):
            await notebook.run(waiting + script)
            await lifeline.held()
        gate.touch()
        await lifeline.released()
        async with program() as (manager, notebook):
            await notebook.run("true")
            info = await manager.wait("job")
            assert ENDS[script](info), info


@pytest.mark.parametrize("end", ["exit 3", "set -e; (exit 3)"])
async def test_what_it_leaves_in_the_background_lives_on_and_its_status_is_known(new_lifeline, isolation, end):
    """Ours: the stopped bash stays as keeper, or the end of its terminal's leader would hang the job up."""
    gate, first, job = isolation / "gate", new_lifeline(), new_lifeline()
    leave_behind = f"sh -c 'exec 8>{job.path} 9>&-; echo on >&8; exec sleep 600' &"
    waiting = GATED.format(path=first.path).replace(
        "read go;", f"{leave_behind} until [ -e {gate} ]; do sleep 0.01; done;"
    )
    with anyio.fail_after(20):
        async with program() as (_, notebook):
            await notebook.run(waiting + end)
            await first.held()
            await job.held()
        gate.touch()
        async with program() as (manager, notebook):
            await notebook.run("true")
            assert await manager.wait_exited("job") == 3
            info = manager.info("job")
            assert (info.exit_code, info.is_running) == (3, True)
            assert len(info.leftovers) == 1
            assert Path(f"/proc/{info.leftovers[0]}").exists()
            assert await manager.terminate_session("job")
            await job.released()


async def test_a_durable_cell_in_the_foreground_goes_on_when_its_program_ends(lifeline):
    with anyio.fail_after(20):
        async with program() as (_, notebook):
            cell = notebook.start(GATED.replace("--bg ", "").format(path=lifeline.path) + "exit 5")
            await lifeline.held()
        cell.cancel()
        async with program() as (manager, notebook):
            await notebook.run("true")
            await manager.send_input("job", "go\n")
            assert (await manager.wait("job")).exit_code == 5


async def test_a_cell_made_durable_later_is_settled_as_well(lifeline):
    with anyio.fail_after(20):
        async with program() as (manager, notebook):
            await notebook.run(GATED.replace("--durable ", "").format(path=lifeline.path) + "exit 5")
            await lifeline.held()
            await manager.make_durable("job")
        async with program() as (manager, notebook):
            await notebook.run("true")
            await manager.send_input("job", "go\n")
            assert (await manager.wait("job")).exit_code == 5


async def test_a_queued_durable_cell_runs_when_its_turn_comes_though_its_program_is_gone(lifeline):
    with anyio.fail_after(20):
        async with program() as (_, notebook):
            await notebook.run(GATED.format(path=lifeline.path) + "exit 0")
            await notebook.run("x=kept")
            await notebook.run("%%session --bg --durable --name next --after job\necho $x; exit 4")
            await lifeline.held()
        async with program() as (manager, notebook):
            await notebook.run("true")
            await manager.send_input("job", "go\n")
            assert (await manager.wait("next")).exit_code == 4
            assert await manager.tail("next") == "kept\n"
