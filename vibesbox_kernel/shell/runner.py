"""Runs cells: each in its own bash and its own session, with the shell's state carried from one to the next.

Everything here happens on the manager's engine. What a cell passes through: ``script`` makes it ready, ``spare`` has
the bash, ``running`` begins it, ``handing_over`` waits for its end, ``generations`` keeps its state.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import (
    SessionNotFoundError,
    SessionTimeoutError,
    ShellNotFoundError,
    ShellStateError,
    VibesboxError,
)
from vibesbox_kernel.models import EndReason, ExitStatus, IoMode
from vibesbox_kernel.shell.cell import Cell
from vibesbox_kernel.shell.cell_files import Driver
from vibesbox_kernel.shell.generations import Generation, Generations
from vibesbox_kernel.shell.handing_over import CellEnd, wait_for_end
from vibesbox_kernel.shell.running import Running, begin
from vibesbox_kernel.shell.script import existing_directory, make_script
from vibesbox_kernel.shell.spare import Spares
from vibesbox_kernel.shell.startup import first_state
from vibesbox_kernel.shell.stream import OutputSink
from vibesbox_kernel.shell.turn import why_never

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

STARTUP_SECONDS = 5.0

BRIEF_SECONDS = 0.1
REAPED_SECONDS = 0.1

LATER_SECONDS = 0.001
"""What is not the cell's own affair waits until its outcome is on its way to the user."""


@dataclass(frozen=True)
class CellOutcome:
    """What became of a cell.

    Attributes:
        session_id: Its session.
        pid: The leader's.
        exit_status: None for a background cell, and when it was lost.
        end_reason: None while the session goes on.
        interrupted: The user has interrupted it.
        committed: The next cell starts from its state.
        notices: What the user should be told, one line each.
        leftovers: Processes that it has left running.
        duration: Seconds from its begin to its shell's end.
        syntax_error: Why bash could not read it, so nothing of it was run; None if it could.
        not_started: Why it has left its queue without having started; None if it has started.
        queued: A background cell that waits for its turn.
        cpu: CPU seconds: of its shell and of whatever that has waited for, as it stood when the shell handed over; of
            every process once all are reaped, for which only a cell that took its time is held up. None if unknown.
        peak_rss: Resident bytes at most: of the whole tree as the broker saw it, and at least what the shell, or one
            process that was reaped, had by its own account. Of a brief cell only its shell's. None if unknown, never 0.
    """

    session_id: str
    pid: int
    exit_status: ExitStatus | None
    end_reason: EndReason | None
    interrupted: bool = False
    committed: bool = False
    notices: tuple[str, ...] = ()
    leftovers: int = 0
    duration: float = 0.0
    syntax_error: str | None = None
    not_started: str | None = None
    queued: bool = False
    cpu: float | None = None
    peak_rss: int | None = None


class CellRunner:
    """The shell of a notebook.

    Args:
        manager: Runs the sessions.
        interrupt_grace: Seconds from an interrupt to its escalation.
        startup_timeout: Seconds that the user's start-up files have.
        cwd: Where the first cell begins; our own directory if none is given.
    """

    def __init__(
        self,
        manager: SessionManager,
        *,
        interrupt_grace: float = 10.0,
        startup_timeout: float = STARTUP_SECONDS,
        cwd: str | None = None,
    ) -> None:
        self._manager = manager
        self._interrupt_grace = interrupt_grace
        self._startup_timeout = startup_timeout
        self._cwd = cwd or os.getcwd()
        self._starting: asyncio.Task[None] | None = None
        self._spares: Spares | None = None
        self._driver: Driver | None = None
        self._generations = Generations()
        self._status = 0
        self._notices: list[str] = []
        self._foreground: dict[str, Running] = {}
        self._tasks: set[asyncio.Task[CellOutcome]] = set()
        self._beginning = 0
        self._interrupt_early = False
        self._closed = False

    @property
    def generation(self) -> Generation:
        """The newest committed state.

        Raises:
            ShellStateError: The first is not there yet.
        """
        return self._generations.newest

    async def start(self) -> None:
        """Read the user's start-up files and have the first bash wait for its cell. Idempotent.

        Raises:
            ShellNotFoundError: There is no bash.
            ShellStateError: Bash does not work.
        """
        await self._manager.engine.run(self._start())

    async def run(self, cell: Cell, *, label: str, sink: OutputSink) -> CellOutcome:
        """Run a cell's script; its magics are the caller's.

        A background cell's outcome is there at once; a foreground cell that is queued waits for its turn. Either
        starts from the state of now. If the caller is cancelled, the cell goes on.

        Args:
            cell: The cell.
            label: Its name in messages, such as ``In[12]``.
            sink: Where its output goes, now and as long as its session lives.

        Raises:
            NameTakenError: Another running session has the name.
            DirectoryNotFoundError: No such ``--cwd``.
            ShellNotFoundError: No such ``--shell``.
            SessionNotFoundError: No such ``--after``.
        """
        return await self._manager.engine.run(self._run_to_the_end(cell, label, sink))

    async def interrupt(self) -> None:
        """Interrupt what runs in the foreground; asked again, or if it does not heed, end it."""
        await self._manager.engine.run(self._interrupt())

    async def aclose(self) -> None:
        """Give up the waiting bash. The sessions are the manager's to end."""
        await self._manager.engine.run(self._close())

    async def _start(self) -> None:
        if self._starting is None:
            self._starting = asyncio.create_task(self._begin(), name="vibesbox-startup")
        starting = self._starting
        try:
            await asyncio.shield(starting)
        except BaseException:
            if starting.done() and self._starting is starting:
                self._starting = None  # the next call may have more luck
            raise

    async def _begin(self) -> None:
        bash = shutil.which("bash")
        if bash is None:
            raise ShellNotFoundError("bash")
        if self._driver is None:
            self._driver = Driver(self._manager.workspace.path / f"shell-{secrets.token_hex(4)}", bash)
            self._spares = Spares(self._manager, self._driver)
        state, notices = await first_state(self._manager, self._driver, cwd=self._cwd, timeout=self._startup_timeout)
        self._generations.begin(state)
        self._notices += notices
        self._prewarm()

    async def _run_to_the_end(self, cell: Cell, label: str, sink: OutputSink) -> CellOutcome:
        """Run a cell in a task of its own, which goes on when the caller gives up."""
        task = asyncio.create_task(self._run(cell, label, sink), name=f"vibesbox-{label}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _run(self, cell: Cell, label: str, sink: OutputSink) -> CellOutcome:
        await self._start()
        if not self._beginning:
            self._interrupt_early = False
        self._beginning += 1
        try:
            running = await self._begin_cell(cell, label, sink)
        finally:
            self._beginning -= 1
        if running.foreground:
            if self._interrupt_early:
                await self._interrupt()
            return await self._see_to_its_end(running)
        self._manager.engine.start(running.while_ours(self._see_to_its_end(running)), name=f"vibesbox-{label}")
        self._prewarm_soon()
        waiting = running.waiting
        return CellOutcome(
            waiting.session_id,
            waiting.pid,
            None,
            None,
            notices=self._take_notices(running),
            queued=running.turn.waits,
        )

    async def _begin_cell(self, cell: Cell, label: str, sink: OutputSink) -> Running:
        generation = self.generation
        script = make_script(cell, generation.state, self._status)
        spares = self._require_spares()
        waiting = await spares.take(generation, cell.options.io or IoMode.PTY, script.directory)
        try:
            running = await begin(
                self._manager,
                waiting,
                cell,
                script,
                label=label,
                sink=sink,
                interrupt_grace=self._interrupt_grace,
            )
        except BaseException:
            with contextlib.suppress(VibesboxError):  # the broker may be gone, which is what will be raised
                await spares.discard(waiting)
            self._prewarm()
            raise
        if running.foreground:
            self._foreground[waiting.session_id] = running
        return running

    async def _see_to_its_end(self, running: Running) -> CellOutcome:
        try:
            if not await running.turn.wait():
                return self._not_started(running)
            end = await wait_for_end(self._manager, running.waiting, interrupted=lambda: running.interruption.requested)
            took = time.monotonic() - running.turn.came_at
            await running.interruption.end()
            if running.interruption.escalated and end.others:
                await running.interruption.end_rest()
            await self._flush(running)
            if not end.others and took > BRIEF_SECONDS:
                # What it has used is known when it is reaped, milliseconds later: no brief cell is held up for that.
                with contextlib.suppress(SessionNotFoundError, SessionTimeoutError):
                    await self._manager.wait(running.waiting.session_id, REAPED_SECONDS)
            return self._take_outcome(running, end, took)
        finally:
            await running.interruption.end()
            self._foreground.pop(running.waiting.session_id, None)
            if not running.outlives_us:
                asyncio.get_running_loop().call_later(LATER_SECONDS, running.waiting.directory.remove)

    def _not_started(self, running: Running) -> CellOutcome:
        """A cell has left its queue: the shell is as if it had never been."""
        waiting, why = running.waiting, why_never(self._manager, running.waiting.session_id)
        notices: tuple[str, ...] = ()
        if running.foreground:
            notices = self._take_notices(running)
            self._prewarm_soon()
        else:
            running.sink.text(f"[vibesbox: not started: {why}]\n")
        return CellOutcome(
            waiting.session_id,
            waiting.pid,
            None,
            EndReason.CANCELLED,
            interrupted=running.interruption.requested,
            notices=notices,
            not_started=why,
        )

    async def _flush(self, running: Running) -> None:
        cursor = self._manager.exited_cursor(running.waiting.session_id)
        if cursor is not None:
            await running.pump.flush_to(cursor)

    def _take_outcome(self, running: Running, end: CellEnd, took: float) -> CellOutcome:
        notices: tuple[str, ...] = ()
        committed = False
        if running.foreground:
            committed, why_not = self._commit(running, end)
            notices = self._take_notices(running) + why_not
            if end.exit_status is not None:
                self._status = end.exit_status.shell_code
            self._prewarm_soon()
        info = running.session.info
        return CellOutcome(
            session_id=running.waiting.session_id,
            pid=running.waiting.pid,
            exit_status=end.exit_status,
            end_reason=end.end_reason,
            interrupted=running.interruption.requested,
            committed=committed,
            notices=notices,
            leftovers=end.others,
            duration=took,
            syntax_error=end.syntax_error,
            cpu=info.cpu,
            peak_rss=info.peak_rss or None,
        )

    def _commit(self, running: Running, end: CellEnd) -> tuple[bool, tuple[str, ...]]:
        """Make a foreground cell's state the newest, or say why not."""
        if end.syntax_error is not None or running.script.replaces_shell:
            return False, ()
        try:
            state = running.state_after(end)
        except ShellStateError as error:
            return False, (f"{error}: the state is as before the cell",)
        if not self._generations.commit(running.waiting.generation, state):
            return False, ("another cell has changed the shell's state meanwhile: this cell's changes are not kept",)
        return True, ()

    def _take_notices(self, running: Running) -> tuple[str, ...]:
        notices = (*self._notices, *running.script.notices)
        self._notices.clear()
        return notices

    def _prewarm(self) -> None:
        if self._closed:
            return
        generation = self.generation
        self._require_spares().prewarm(generation, existing_directory(generation.state.cwd))

    def _prewarm_soon(self) -> None:
        asyncio.get_running_loop().call_later(LATER_SECONDS, self._prewarm)

    async def _interrupt(self) -> None:
        self._interrupt_early = self._beginning > 0
        for running in list(self._foreground.values()):
            await running.interruption.request()

    async def _close(self) -> None:
        self._closed = True
        if self._spares is not None:
            await self._spares.aclose()

    def _require_spares(self) -> Spares:
        if self._spares is None:
            raise ShellStateError("the shell has not started yet")
        return self._spares
