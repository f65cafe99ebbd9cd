"""What a table asks of the notebook's shell: who waits for what, and commands once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.shell.magic_args import RerunArgs
from vibesbox_kernel.shell.references import label
from vibesbox_kernel.shell.rerunning import cell_again

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.runner import CellRunner
    from vibesbox_kernel.shell.sink import OutputSink


class ShellHands:
    """Acts on cells. Everything of it runs on the manager's engine.

    Args:
        manager: Whose sessions are meant.
        runner: Runs and follows them.
        sink: Where the output of what is brought back goes; None where nothing can be.
    """

    def __init__(self, manager: SessionManager, runner: CellRunner, sink: OutputSink | None = None) -> None:
        self._manager = manager
        self._runner = runner
        self._sink = sink

    @property
    def can_bring_back(self) -> bool:
        """Whether there is a place where the output would go."""
        return self._sink is not None

    def awaited(self) -> frozenset[str]:
        """The ids of the sessions that somebody waits for."""
        return self._runner.foreground.session_ids

    async def interrupt(self, session_id: str) -> None:
        """Interrupt one; what waits for it escalates if it does not heed."""
        await self._runner.interrupt_one(session_id)

    async def background(self, session_id: str) -> None:
        """Have nobody wait for it any more."""
        await self._runner.move_to_background(session_id)

    async def bring_back(self, session_id: str) -> None:
        """Follow it in the foreground until it is over, or goes to the background again."""
        if self._sink is not None:
            await self._runner.follow(session_id, sink=self._sink)

    async def rerun(self, session_id: str) -> str:
        """Run its command once more, in the background; returns what to call the new session."""
        cell = await cell_again(self._manager, RerunArgs(session_id, background=True), self._runner.remembered)
        outcome = await self._runner.run(cell, label="rerun", sink=QuietSink())
        return label(self._manager.info(outcome.session_id))


class QuietSink:
    """An ``OutputSink`` for a session that no cell shows: its log has everything."""

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        """Nothing."""

    def take_back(self, lines: int) -> None:
        """Nothing."""

    def line(self, text: str) -> None:
        """Nothing."""

    def passing(self, text: str) -> None:
        """Nothing."""

    def offer_terminal(self, session_id: str) -> None:
        """Nothing."""

    def omitted(self, notice: str) -> None:
        """Nothing."""

    def tail(self, text: str) -> None:
        """Nothing."""

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        """Nothing."""
