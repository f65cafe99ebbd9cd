"""A cell carried out on the manager's engine: its magics, then its script, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.frontends.magic_output import ask_secret
from vibesbox_kernel.frontends.replies import Failure, facts_of, failure_of_error, failure_of_outcome
from vibesbox_kernel.shell.cell import Cell, parse_cell
from vibesbox_kernel.shell.magic_args import BgArgs, CellOptions, FgArgs, RerunArgs
from vibesbox_kernel.shell.references import label as name_of
from vibesbox_kernel.shell.rerunning import cell_again
from vibesbox_kernel.shell.secret_env import questions, with_secrets
from vibesbox_kernel.shell.table_text import command_line

if TYPE_CHECKING:
    from vibesbox_kernel.frontends.cell_output import CellOutput
    from vibesbox_kernel.frontends.magic_output import MagicDoor
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.magics import MagicCall
    from vibesbox_kernel.shell.outcome import CellOutcome
    from vibesbox_kernel.shell.runner import CellRunner

logger = logging.getLogger(__name__)

MAX_EXPECTED = 100
_INTERRUPTED = Failure("Interrupted", "interrupted")


@dataclass(frozen=True)
class Report:
    """How an execute request ended: a failure or none, and facts for the reply's metadata."""

    failure: Failure | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class CellExecutor:
    """Runs cells and can interrupt them. Everything of it runs on the manager's engine.

    Args:
        manager: Whose sessions the cells become.
        runner: Runs the scripts, with the shell state that carries on.
        magics: Carries out the magics.
    """

    def __init__(self, manager: SessionManager, runner: CellRunner, magics: MagicDoor) -> None:
        self._manager = manager
        self._runner = runner
        self._magics = magics
        self._expected: dict[str, bool] = {}
        self._cancellable: set[asyncio.Task[Any]] = set()
        self._interrupted: set[asyncio.Task[Any]] = set()
        self._scripts = 0

    def start(self) -> None:
        """Begin to start the broker and the first bash; cells wait for it."""
        self._manager.engine.start(self._runner.start(), name="vibesbox-first-shell")

    def expect(self, request: str) -> None:
        """A request will soon ask to execute; from now on an interrupt means it, too."""
        self._expected[request] = False
        if len(self._expected) > MAX_EXPECTED:  # cells that were aborted are never run, and nobody says so
            del self._expected[next(iter(self._expected))]

    def forget(self, request: str) -> None:
        """A request is over, whatever became of it."""
        self._expected.pop(request, None)

    async def execute(self, request: str, code: str, *, label: str, output: CellOutput) -> Report:
        """Carry out a cell; whatever goes wrong is in the report.

        Args:
            request: The request, as it was expected.
            code: The cell's text.
            label: What messages call it, such as ``In[12]``.
            output: Where its output goes.
        """
        if self._expected.pop(request, False):
            return Report(_INTERRUPTED)
        task = asyncio.current_task()
        assert task is not None
        self._cancellable.add(task)
        try:
            return await self._carry_out(parse_cell(code), label, output)
        except asyncio.CancelledError:
            if task not in self._interrupted:
                raise
            task.uncancel()
            return Report(_INTERRUPTED)
        except VibesboxError as error:
            return Report(failure_of_error(error))
        except Exception as error:
            logger.exception("%s failed", label)
            return Report(failure_of_error(error))
        finally:
            self._cancellable.discard(task)
            self._interrupted.discard(task)

    def interrupt(self) -> None:
        """Interrupt what cells are doing; whoever waits in a magic stops waiting, the session goes on."""
        self._expected = dict.fromkeys(self._expected, True)
        for task in self._cancellable:
            self._interrupted.add(task)
            task.cancel()
        if self._scripts:
            self._manager.engine.start(self._runner.interrupt(), name="vibesbox-interrupt")

    async def _carry_out(self, cell: Cell, label: str, output: CellOutput) -> Report:
        report = Report()
        if cell.magics:
            # A restarted kernel learns of its durable sessions when it meets their broker. Without bash or broker it is
            # the magic itself that says what is wrong.
            with contextlib.suppress(VibesboxError):
                await self._runner.start()
                await self._runner.settled()  # the directory that a path of theirs begins in may just have changed
        for call in cell.magics:
            report = await self._perform(call, label, output, private=cell.private)
            if report.failure is not None:
                return report
        return await self._run(cell, label, output) if cell.has_script else report

    async def _perform(self, call: MagicCall, label: str, output: CellOutput, *, private: bool) -> Report:
        match call.args:
            case CellOptions(command=str() as command) as options if command:
                return await self._run(Cell(options=options, script=command, private=private), label, output)
            case RerunArgs() as args:
                return await self._run_again(args, label, output)
            case FgArgs(widget=False) as args:
                follow = self._runner.follow(args.ref, sink=output, respondent=output.respondent, lines=args.lines)
                return await self._attend(follow, output)
            case BgArgs() as args:
                info = await self._runner.move_to_background(args.ref)
                output.text(f"{name_of(info)} goes on in the background\n")
                return Report()
        return Report(await self._magics.perform(call, output))

    async def _run(self, cell: Cell, label: str, output: CellOutput) -> Report:
        await self._runner.start()  # here, where an interrupt ends the wait
        cell = with_secrets(cell, {name: await ask_secret(output, prompt) for name, prompt in questions(cell)})
        on_begun = partial(self._magics.show_notice, output) if cell.options.notify else None
        run = self._runner.run(cell, label=label, sink=output, respondent=output.respondent, on_begun=on_begun)
        return await self._attend(run, output)

    async def _run_again(self, args: RerunArgs, label: str, output: CellOutput) -> Report:
        cell = await cell_again(self._manager, args, self._runner.remembered)
        output.line(f"[vibesbox: runs again: {command_line(cell.script)}]")
        return await self._run(cell, label, output)

    async def _attend(self, work: Coroutine[Any, Any, CellOutcome], output: CellOutput) -> Report:
        """Wait for a session. From here on an interrupt is for the session, and not for the wait."""
        task = asyncio.current_task()
        assert task is not None
        self._cancellable.discard(task)
        self._scripts += 1
        try:
            outcome = await work
        finally:
            self._scripts -= 1
            self._cancellable.add(task)
        for notice in outcome.notices:
            output.line(notice, name="stderr")
        return Report(failure_of_outcome(outcome), facts_of(outcome))
