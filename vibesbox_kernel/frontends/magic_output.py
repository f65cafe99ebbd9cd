"""Magics in a cell of the kernel: carried out on the sessions, shown in the cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.frontends.replies import Failure
from vibesbox_kernel.shell import verbs
from vibesbox_kernel.shell.input_verbs import given_secret, secret_prompt
from vibesbox_kernel.shell.magic_args import PsArgs, SendArgs, TailArgs
from vibesbox_kernel.shell.output_verbs import tail_start
from vibesbox_kernel.shell.references import find
from vibesbox_kernel.shell.stream import OutputPump
from vibesbox_kernel.shell.table_text import html_table, session_row, text_table

if TYPE_CHECKING:
    from vibesbox_kernel.frontends.cell_output import CellOutput
    from vibesbox_kernel.models import SessionInfo
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.magics import MagicCall
    from vibesbox_kernel.shell.runner import CellRunner

WIDTH = 100
"""Columns of a table; as wide as the terminals of cells."""
_ALL = 1000


class MagicDoor:
    """Carries out the magics of cells. Everything of it runs on the manager's engine.

    Args:
        manager: Whose sessions are meant.
        runner: Whose shell is meant.
        directory: Says where the shell is now, for relative paths.
    """

    def __init__(self, manager: SessionManager, runner: CellRunner, directory: Callable[[], str]) -> None:
        self._manager = manager
        self._runner = runner
        self._directory = directory

    async def perform(self, call: MagicCall, output: CellOutput) -> Failure | None:
        """Carry out a magic and show what it gives.

        Returns:
            Why it did not do all that was asked, or None.
        """
        match call.args:
            case PsArgs(widget=True) as args:
                self._show_table(args, output)
                return None
            case TailArgs(follow=True) as args:
                await self._follow(args, output)
                return None
            case SendArgs(secret=True) as args:
                prompt = await secret_prompt(self._manager, args)
                call = replace(call, args=given_secret(args, await _ask_secret(output, prompt)))
        result = await verbs.carry_out(
            self._manager, call, width=WIDTH, directory=Path(self._directory()), runner=self._runner
        )
        if result.next_input is not None:
            output.replace_cell(result.next_input)
        if result.html is not None:
            output.display({"text/plain": result.text, "text/html": result.html})
        else:
            output.text(result.text)
        return None if result.failure is None else Failure("MagicFailed", f"%{call.name}: {result.failure}")

    def _show_table(self, args: PsArgs, output: CellOutput) -> None:
        from vibesbox_kernel.widgets.rows import select
        from vibesbox_kernel.widgets.static_view import show_table  # ipywidgets: only when a table is wanted

        running_limit, ended_limit = (_ALL, _ALL) if args.all else (100, 20)

        def shown() -> tuple[SessionInfo, ...]:
            sessions = self._manager.list_sessions()
            return select(sessions, running_limit=running_limit, ended_limit=ended_limit).shown

        show_table(
            self._manager,
            output.display,
            describe=session_row,
            draw_text=lambda: text_table(shown(), now=datetime.now(UTC), width=WIDTH),
            draw_html=lambda: html_table(shown(), now=datetime.now(UTC), caption="Processes"),
            running_limit=running_limit,
            ended_limit=ended_limit,
        )

    async def _follow(self, args: TailArgs, output: CellOutput) -> None:
        info = await find(self._manager, args.ref)
        start = await tail_start(self._manager, info.session_id, lines=args.lines)
        await OutputPump(self._manager, info.session_id, output, start=start).run()


async def _ask_secret(output: CellOutput, prompt: str) -> str | None:
    if output.respondent is None or not output.respondent.can_answer:
        raise MagicError("%send --secret: this front-end takes no input (allow_stdin is false)", magic="%send")
    return await output.respondent.ask(prompt, password=True)
