"""Runs cells: each in its own bash and its own session, with the shell's state carried from one to the next.

Everything here happens on the manager's engine. What a cell passes through: ``script`` makes it ready, ``spare`` has
the bash, ``running`` begins it, ``cell_endings`` sees it to its end, ``succession`` takes what it leaves to the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import (
    MagicError,
    SessionEndedError,
    ShellNotFoundError,
    ShellStateError,
    VibesboxError,
)
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.cell import Cell
from vibesbox_kernel.shell.cell_endings import CellEndings
from vibesbox_kernel.shell.cell_files import Driver
from vibesbox_kernel.shell.conversation import Respondent
from vibesbox_kernel.shell.endings_told import EndingsTold
from vibesbox_kernel.shell.following import follow, open_view
from vibesbox_kernel.shell.foreground import Foreground
from vibesbox_kernel.shell.generations import Generation, Generations
from vibesbox_kernel.shell.outcome import CellOutcome, outcome_in_background
from vibesbox_kernel.shell.references import find
from vibesbox_kernel.shell.rerunning import RememberedOptions
from vibesbox_kernel.shell.running import Running, begin, while_ours
from vibesbox_kernel.shell.script import Script, make_script
from vibesbox_kernel.shell.secret_env import check_secrets
from vibesbox_kernel.shell.settings import Settings
from vibesbox_kernel.shell.sink import OutputSink
from vibesbox_kernel.shell.startup import first_state
from vibesbox_kernel.shell.succession import Succession

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

logger = logging.getLogger(__name__)


class CellRunner:
    """The shell of a notebook.

    Args:
        manager: Runs the sessions.
        settings: How cells are run; each is looked at when it is needed, so changes hold from the next cell on.
        notices: What the user should be told with the first cell.
        cwd: Where the first cell begins; our own directory if none is given.
    """

    def __init__(
        self,
        manager: SessionManager,
        *,
        settings: Settings | None = None,
        notices: Iterable[str] = (),
        cwd: str | None = None,
    ) -> None:
        self._manager = manager
        self.settings = settings or Settings()
        self._cwd = cwd or os.getcwd()
        self._starting: asyncio.Task[None] | None = None
        self._driver: Driver | None = None
        self._notices = list(notices)
        self.foreground = Foreground(manager)
        self.remembered = RememberedOptions()
        self.endings_told = EndingsTold(manager)
        self._tasks: set[asyncio.Task[Running]] = set()
        self._endings: CellEndings | None = None

    @property
    def generation(self) -> Generation:
        """The newest committed state; ``settled`` waits for that of a cell that has just ended.

        Raises:
            ShellStateError: The first is not there yet.
        """
        return self._succession.newest

    async def start(self) -> None:
        """Read the user's start-up files and have the first bash wait for its cell. Idempotent.

        Raises:
            ShellNotFoundError: There is no bash.
            ShellStateError: Bash does not work.
        """
        await self._manager.engine.run(self._start())

    async def run(
        self,
        cell: Cell,
        *,
        label: str,
        sink: OutputSink,
        respondent: Respondent | None = None,
        on_begun: Callable[[str], None] | None = None,
    ) -> CellOutcome:
        """Run a cell's script; its magics are the caller's.

        A background cell's outcome is there at once; a foreground cell that is queued waits for its turn. Either
        starts from the state of now. If the caller is cancelled, the cell goes on.

        Args:
            cell: The cell.
            label: Its name in messages, such as ``In[12]``.
            sink: Where its output goes, now and as long as its session lives.
            respondent: Who is asked for input while a foreground cell on a terminal waits for it.
            on_begun: Called on the engine with the session's id, as soon as there is one.

        Raises:
            NameTakenError: Another running session has the name.
            DirectoryNotFoundError: No such ``--cwd``.
            ShellNotFoundError: No such ``--shell``.
            SessionNotFoundError: No such ``--after``.
        """
        return await self._manager.engine.run(self._run_to_the_end(cell, label, sink, respondent, on_begun))

    async def settled(self) -> None:
        """Wait until the last foreground cell, whose outcome may be known already, has handed over its state."""
        await self._manager.engine.run(self._settled())

    async def states(self) -> Generations:
        """The states that cells have handed on so far, when the last has; to be looked at only."""
        await self._manager.engine.run(self._ready())
        return self._succession.generations

    async def reset(self) -> None:
        """Have the next cell start from the first state again. What runs now hands on nothing."""
        await self._manager.engine.run(self._change_state(lambda succession: succession.reset()))

    async def go_back(self, cells: int) -> None:
        """Have the next cell start from the state of so many cells ago. What runs now hands on nothing.

        Raises:
            NoEarlierStateError: So many are not remembered; nothing has changed.
        """
        await self._manager.engine.run(self._change_state(lambda succession: succession.go_back(cells)))

    async def interrupt(self) -> None:
        """Interrupt what runs in the foreground; asked again, or if it does not heed, end it."""
        await self._manager.engine.run(self._interrupt())

    async def interrupt_one(self, ref: int | str | None = None) -> SessionInfo:
        """Interrupt one session: what waits for it escalates if it does not heed, as ``interrupt`` does.

        Args:
            ref: The session, in the foreground or not; not needed when only one runs in the foreground.

        Raises:
            NotInForegroundError: Nothing was named, and several run in the foreground, or none.
            SessionNotFoundError: There is no such session.
            SessionEndedError: It is over.
        """
        return await self._manager.engine.run(self.foreground.interrupt_one(ref))

    async def follow(
        self, ref: int | str, *, sink: OutputSink, respondent: Respondent | None = None, lines: int = 10
    ) -> CellOutcome:
        """Wait for a session that runs already as for a cell: its output is shown, interrupts are for it.

        Args:
            ref: The session, in whatever program it was started.
            sink: Where its output goes.
            respondent: Who is asked for input when it waits for it.
            lines: How many of the last lines to begin with.

        Raises:
            SessionNotFoundError: There is no such session.
        """
        return await self._manager.engine.run(self._follow(ref, sink, respondent, lines))

    async def move_to_background(self, ref: int | str | None = None) -> SessionInfo:
        """Have nobody wait any more for a session that runs in the foreground; it goes on.

        The outcome of a cell that is left says so. What it changes in the shell's state from now on, and what it has
        changed, is not kept; its output goes on arriving in its own cell.

        Args:
            ref: The session; not needed when nothing else runs in the foreground.

        Raises:
            NotInForegroundError: It does not, or nothing was named and several do, or none.
            SessionNotFoundError: There is no such session.
        """
        return await self._manager.engine.run(self._let_go(ref))

    async def aclose(self) -> None:
        """Give up the waiting bash. The sessions are the manager's to end."""
        await self._manager.engine.run(self._close())

    # Starting

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
            root = self._manager.workspace.path / f"shell-{secrets.token_hex(4)}"
            self._driver = Driver(root, bash, announcements=self._manager.announcements)
        state, notices = await first_state(self._manager, self._driver, cwd=self._cwd, settings=self.settings.now)
        self._notices += notices
        succession = Succession(self._manager, self._driver, state, self.settings)
        self._endings = CellEndings(self._manager, succession, self.foreground, self._notices)

    # Running

    async def _run_to_the_end(
        self,
        cell: Cell,
        label: str,
        sink: OutputSink,
        respondent: Respondent | None,
        on_begun: Callable[[str], None] | None,
    ) -> CellOutcome:
        """Begin a cell in a task of its own, which goes on when the caller gives up, and wait for its outcome."""
        beginning = contextlib.ExitStack()
        beginning.enter_context(self.foreground.beginning())  # now: an interrupt may come before the task's first step
        work = self._run(cell, label, sink, respondent, on_begun, beginning)
        task = asyncio.create_task(work, name=f"vibesbox-{label}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        running = await asyncio.shield(task)
        return await asyncio.shield(running.outcome)  # itself: each step between takes a turn of the loop

    async def _run(
        self,
        cell: Cell,
        label: str,
        sink: OutputSink,
        respondent: Respondent | None,
        on_begun: Callable[[str], None] | None,
        beginning: contextlib.ExitStack,
    ) -> Running:
        with beginning:
            await self._start()
            running = await self._begin_cell(cell, label, sink, respondent)
        if on_begun is not None:
            on_begun(running.session_id)
        if cell.options.notify:
            self.endings_told.watch(running.session_id)
        endings = self._require_endings()
        self._manager.engine.start(
            while_ours(running.session, endings.see_to_its_end(running)), name=f"vibesbox-end-{label}"
        )
        if running.foreground:
            await self.foreground.add(running)
        else:
            endings.succession.prewarm_soon()
            running.tell(outcome_in_background(running, notices=endings.take_notices(running)))
        return running

    async def _begin_cell(self, cell: Cell, label: str, sink: OutputSink, respondent: Respondent | None) -> Running:
        check_secrets(cell)
        if cell.options.expand:
            raise MagicError("%session --expand: there is no Python here whose values could be meant", magic="%session")
        await self._settled()
        succession = self._succession
        script = make_script(
            cell,
            succession.newest.state,
            succession.status,
            others=succession.others,
            recall=succession.recall,
            default_shell=self.settings.now.default_shell,
        )
        try:
            running = await self._begin_with_a_bash(cell, script, label, sink, respondent)
        except SessionEndedError as error:  # the bash was killed as it waited, or its broker: nothing has begun
            logger.info("%s begins with another bash: %s", label, error)
            running = await self._begin_with_a_bash(cell, script, label, sink, respondent)
        succession.begun(running)
        self.remembered.remember(running.session_id, cell.options)
        return running

    async def _begin_with_a_bash(
        self, cell: Cell, script: Script, label: str, sink: OutputSink, respondent: Respondent | None
    ) -> Running:
        succession = self._succession
        waiting = await succession.take(cell.options.io)
        try:
            return await begin(
                self._manager,
                waiting,
                cell,
                script,
                label=label,
                sink=sink,
                respondent=respondent,
                settings=self.settings.now,
            )
        except BaseException:
            with contextlib.suppress(VibesboxError):  # the broker may be gone, which is what will be raised
                await succession.give_back(waiting)
            raise

    async def _settled(self) -> None:
        if self._endings is not None:
            await self._endings.settled()

    async def _ready(self) -> None:
        await self._start()
        await self._settled()

    async def _change_state(self, change: Callable[[Succession], None]) -> None:
        await self._ready()
        change(self._succession)

    async def _interrupt(self) -> None:
        if self._endings is not None and self.foreground.is_beginning:
            await self._endings.interrupt()
        await self.foreground.interrupt()

    async def _follow(self, ref: int | str, sink: OutputSink, respondent: Respondent | None, lines: int) -> CellOutcome:
        with self.foreground.beginning():
            info = await find(self._manager, str(ref))
            settings = self.settings.now
            view = await open_view(self._manager, info, sink, respondent, lines=lines, settings=settings)
        return await follow(self._manager, self.foreground, view, interrupt_grace=self.settings.now.interrupt_grace)

    async def _let_go(self, ref: int | str | None) -> SessionInfo:
        await self.foreground.begun()  # a cell may say that it runs before we know it
        info = self.foreground.let_go(ref)
        self._succession.prewarm_soon()  # the bash that the next cell was to have is this one
        return info

    async def _close(self) -> None:
        if self._endings is not None:
            await self._endings.succession.aclose()

    @property
    def _succession(self) -> Succession:
        return self._require_endings().succession

    def _require_endings(self) -> CellEndings:
        if self._endings is None:
            raise ShellStateError("the shell has not started yet")
        return self._endings
