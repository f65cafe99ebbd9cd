"""Magics in a cell of the kernel: carried out on the sessions, shown in the cell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.frontends.replies import Failure
from vibesbox_kernel.shell import verbs
from vibesbox_kernel.shell.input_verbs import given_secret, secret_prompt
from vibesbox_kernel.shell.listing import LiveListing
from vibesbox_kernel.shell.magic_args import FgArgs, InfoArgs, PsArgs, SendArgs, TailArgs
from vibesbox_kernel.shell.output_verbs import tail_start
from vibesbox_kernel.shell.passing_line import Looker, quiet_after
from vibesbox_kernel.shell.references import find
from vibesbox_kernel.shell.stream import OutputPump

if TYPE_CHECKING:
    from vibesbox_kernel.frontends.cell_output import CellOutput
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.magics import MagicCall
    from vibesbox_kernel.shell.runner import CellRunner
    from vibesbox_kernel.widgets.static_view import Publish
    from vibesbox_kernel.widgets.views import Views

WIDTH = 100
"""Columns of a table; as wide as the terminals of cells."""


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

    @cached_property
    def _views(self) -> Views:
        from vibesbox_kernel.widgets.views import Views  # ipywidgets: only when a view is wanted

        return Views(self._manager, lambda: WIDTH, runner=self._runner)

    def offer_terminal(self, publish: Publish, session_id: str) -> None:
        """Offer a terminal on a session, in a cell."""
        self._manager.engine.start(self._offer_terminal(publish, session_id), name="vibesbox-offer")

    async def _offer_terminal(self, publish: Publish, session_id: str) -> None:
        await asyncio.to_thread(import_module, "vibesbox_kernel.widgets.views")  # it takes a while, the first time
        self._views.offer_terminal(publish, session_id)

    def show_notice(self, output: CellOutput, session_id: str) -> None:
        """Have the page tell of a session's end, if somebody looks at it."""
        if output.respondent is not None and output.respondent.can_answer:
            publish = partial(output.display, again=True)
            self._manager.engine.start(self._show_notice(publish, session_id), name="vibesbox-notice")

    async def _show_notice(self, publish: Publish, session_id: str) -> None:
        await asyncio.to_thread(import_module, "vibesbox_kernel.widgets.views")
        self._views.show_notice(publish, session_id)

    async def perform(self, call: MagicCall, output: CellOutput) -> Failure | None:
        """Carry out a magic and show what it gives.

        Returns:
            Why it did not do all that was asked, or None.
        """
        match call.args:
            case PsArgs(widget=True) as args:
                self._views.show_table(output.display, everything=args.all, sink=output)
                return None
            case InfoArgs(widget=True) as args:
                info = await find(self._manager, args.ref)
                self._views.show_info(output.display, info.session_id, sink=output)
                return None
            case TailArgs(widget=True) as args:
                info = await find(self._manager, args.ref)
                await self._views.show_log(output.display, info.session_id, lines=args.lines)
                return None
            case FgArgs(widget=True) as args:
                info = await find(self._manager, args.ref)
                await self._views.show_terminal(output.display, info.session_id)
                return None
            case PsArgs(follow=True) as args:
                await self._watch(args, output)
                return None
            case TailArgs(follow=True) as args:
                await self._follow(args, output)
                return None
            case SendArgs(secret=True) as args:
                prompt = await secret_prompt(self._manager, args)
                call = replace(call, args=given_secret(args, await ask_secret(output, prompt)))
        after = quiet_after(self._runner.settings.now, output.respondent)
        result = await verbs.carry_out(
            self._manager,
            call,
            width=WIDTH,
            directory=Path(self._directory()),
            runner=self._runner,
            looker=Looker(output, after),
        )
        if result.next_input is not None:
            output.replace_cell(result.next_input)
        if result.html is not None:
            output.display({"text/plain": result.text, "text/html": result.html})
        else:
            output.text(result.text)
        return None if result.failure is None else Failure("MagicFailed", f"%{call.name}: {result.failure}")

    async def _watch(self, args: PsArgs, output: CellOutput) -> None:
        """Show the sessions as they change, in one place, until this is cancelled."""
        listing, place, shown = LiveListing(self._manager, args), f"vb-ps-{uuid4().hex[:12]}", ""
        try:
            while True:
                frame = await listing.next(width=WIDTH)
                if frame.text != shown:
                    data = {"text/plain": frame.text, "text/html": frame.html}
                    output.display(data, display_id=place, update=bool(shown))
                    shown = frame.text
        finally:
            await listing.aclose()

    async def _follow(self, args: TailArgs, output: CellOutput) -> None:
        info = await find(self._manager, args.ref)
        start = await tail_start(self._manager, info.session_id, lines=args.lines)
        await OutputPump(self._manager, info.session_id, output, start=start).run()


async def ask_secret(output: CellOutput, prompt: str) -> str | None:
    """Ask for a secret with a masked box.

    Raises:
        MagicError: There is nobody to ask.
    """
    if output.respondent is None or not output.respondent.can_answer:
        raise MagicError("this front-end takes no input (allow_stdin is false), so no secret can be asked for")
    return await output.respondent.ask(prompt, password=True)
