"""A cell that has begun."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.errors import BrokerError, SessionEndedError, SessionNotFoundError, ShellStateError
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.cell import Cell
from vibesbox_kernel.shell.cell_files import SECRET, laying_out
from vibesbox_kernel.shell.escalation import Interruption
from vibesbox_kernel.shell.handing_over import CellEnd, why_nothing
from vibesbox_kernel.shell.notes import say
from vibesbox_kernel.shell.other_shells import OtherShellCell, OtherState
from vibesbox_kernel.shell.outcome import CellOutcome, outcome_in_background
from vibesbox_kernel.shell.passing_line import quiet_after
from vibesbox_kernel.shell.program import Place
from vibesbox_kernel.shell.references import label as label_of
from vibesbox_kernel.shell.script import Script
from vibesbox_kernel.shell.secret_env import control_text, without_values
from vibesbox_kernel.shell.settings import Values
from vibesbox_kernel.shell.spare import WaitingBash
from vibesbox_kernel.shell.state import ShellState
from vibesbox_kernel.shell.turn import Turn, what_it_waits_for
from vibesbox_kernel.shell.view import View

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.sessions.command_session import CommandSession
    from vibesbox_kernel.sessions.prepared import HeldDescriptors
    from vibesbox_kernel.shell.conversation import Respondent
    from vibesbox_kernel.shell.sink import OutputSink


@dataclass(frozen=True, eq=False)
class Running:
    """A cell that has begun.

    Attributes:
        label: Its name in messages.
        waiting: Its bash, which waits no more.
        session: What is known of it, to the last, even when the manager remembers it no more.
        view: Shows its output, and asks for its input if there is somebody to ask.
        turn: Whether and how long it waits in a queue.
        showing: Shows its output: done when all of it is shown.
        outcome: What became of it, once that is known.
        left: It was sent to the background: nobody waits for it any more.
    """

    label: str
    cell: Cell
    script: Script
    waiting: WaitingBash
    session: CommandSession
    view: View
    interruption: Interruption
    turn: Turn
    showing: asyncio.Task[None]
    outcome: asyncio.Future[CellOutcome]
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def session_id(self) -> str:
        """Its session."""
        return self.waiting.session_id

    def tell(self, outcome: CellOutcome) -> None:
        """Make its outcome known; what should be told once it is known already is said in its own cell."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)
            return
        for notice in outcome.notices:
            say(self.view.sink, notice)

    def fail(self, error: BaseException) -> bool:
        """Its outcome will never be known; returns whether somebody waits to hear that."""
        if not self.foreground or self.outcome.done():
            return False
        if isinstance(error, asyncio.CancelledError):
            self.outcome.cancel()
        else:
            self.outcome.set_exception(error)
        return True

    @property
    def foreground(self) -> bool:
        """Whether somebody waits for it."""
        return not (self.cell.options.background or self.left.is_set())

    @property
    def goes_on(self) -> bool:
        """Whether its outcome was known before its end: it was in the background, or what it has left there goes on."""
        known = self.outcome.done() and not self.outcome.cancelled() and self.outcome.exception() is None
        if not known or self.outcome.result().end_reason is not None:
            return False
        return not self.foreground or self.session.info.ended_at is None

    @property
    def has_left_jobs(self) -> bool:
        """Whether it came to its end while somebody waited, and only its jobs went on."""
        return self.outcome.result().exit_status is not None

    def let_go(self) -> None:
        """Send it to the background: its outcome is that nobody waits for it any more."""
        self.left.set()
        self.view.attend_no_more()
        ref = self.session.name or self.waiting.pid
        notice = (
            f"{label_of(self.session.info)} goes on in the background: its output still comes here, and what it changes"
            f" in the shell's state is not kept; %fg {ref} waits for it again"
        )
        self.tell(outcome_in_background(self, notices=(*self.script.notices, notice), left=True))

    @property
    def outlives_us(self) -> bool:
        """Whether its bash still needs its directory though nobody here looks after it any more."""
        info = self.session.info
        return _goes_on(info) and info.exit_status is None

    def state_after(self, end: CellEnd) -> ShellState:
        """What the cell hands on, without what it was given for itself alone (unless it has changed that).

        Raises:
            ShellStateError: It hands nothing on; says why.
        """
        if end.dump is None:
            raise ShellStateError(why_nothing(end.exit_status))
        base = self.waiting.generation.state
        state = ShellState.from_dump(end.dump, base, self.waiting.directory.kept)
        state = state.without_exports(base, self.cell.options.env)
        state = state.with_variables_of(base, self.cell.options.secret_env)
        if self.cell.options.max_cpu_seconds is not None:
            state = state.with_cpu_limit_of(base)
        if self.script.for_one_cell and state.cwd == self.script.directory:
            state = replace(state, directory=base.directory, old_directory=base.old_directory)
        return state

    def other_state_after(self, end: CellEnd, cell: OtherShellCell) -> OtherState:
        """What a cell of another shell hands on, without what it was given for itself alone.

        Raises:
            ShellStateError: It hands nothing on; says why.
        """
        if end.dump is None:
            raise ShellStateError(why_nothing(end.exit_status, shell=cell.shell.name))
        state = OtherState.from_dump(end.dump).without(
            (*self.cell.options.env, *self.cell.options.secret_env), cell.base
        )
        if self.script.for_one_cell and state.cwd == self.script.directory:
            state = replace(state, directory=(cell.base or self.waiting.generation.state).directory)
        return state


async def while_ours(session: CommandSession, work: Coroutine[Any, Any, object]) -> None:
    """Do something for a session; when this program ends before a durable one does, no more is to be done."""
    try:
        await work
    except (BrokerError, SessionNotFoundError):
        if not _goes_on(session.info):
            raise


async def begin(
    manager: SessionManager,
    waiting: WaitingBash,
    cell: Cell,
    script: Script,
    *,
    label: str,
    sink: OutputSink,
    respondent: Respondent | None,
    settings: Values,
) -> Running:
    """Give a waiting bash its cell, and show what it puts out. Runs on the engine.

    Raises:
        NameTakenError: Another running session has the cell's name; nothing has begun.
        SessionEndedError: The bash waits no more, or has lost its files; nothing has begun.
        ShellStateError: The disk is full; nothing has begun.
    """
    with laying_out(waiting.pid):
        control = _lay_out(waiting, cell, script, label)
    options = cell.options
    await manager.begin_session(
        waiting.session_id,
        command=script.command,
        name=options.name,
        control=control,
        cwd=script.directory,
        token=waiting.directory.mark,
        lets_go=waiting.descriptors is None,  # a coprocess that was handed on has descriptors that only the dump tells
        durable=options.durable,
        unattended=waiting.directory.unattended,  # always: what is not durable may be made so
        releasing=_has_alone(waiting, cell, script),
        **options.limits,
    )
    session = manager.get_session(waiting.session_id)
    if session is None:
        raise SessionNotFoundError(waiting.session_id)
    turn = Turn(manager, session)
    can_be_answered = waiting.io.is_terminal and not options.background
    view = View.of(
        manager,
        waiting.session_id,
        sink,
        respondent if can_be_answered else None,
        settings=settings,
        quiet_after=0.0 if options.background else quiet_after(settings, respondent),
    )
    manager.displays.expect(waiting.session_id, view.pump)
    interruption = Interruption(
        manager, waiting.session_id, grace=settings.interrupt_grace, say=lambda step: say(view.sink, step)
    )
    showing = manager.engine.start(while_ours(session, view.pump.run()), name=f"vibesbox-output-{label}")
    outcome: asyncio.Future[CellOutcome] = asyncio.get_running_loop().create_future()
    running = Running(label, without_values(cell), script, waiting, session, view, interruption, turn, showing, outcome)
    view.attend()
    if turn.waits:
        say(view.sink, _waits_for(manager, running))
    if running.foreground and not waiting.io.is_terminal:
        # A script's standard input: nobody could send it anything while it keeps the notebook waiting.
        with contextlib.suppress(SessionEndedError):
            await manager.send_input(waiting.session_id, b"", eof=True)
    return running


def _has_alone(waiting: WaitingBash, cell: Cell, script: Script) -> HeldDescriptors | None:
    """What is open for a cell that hands on what it leaves: no copy shall keep a pipe from its end, or a lock taken."""
    if waiting.descriptors is None or cell.options.background or script.replacement is not None:
        return None
    return waiting.descriptors.held


def _lay_out(waiting: WaitingBash, cell: Cell, script: Script, label: str) -> bytes:
    directory, state = waiting.directory, waiting.generation.state
    place = Place(cell.script_line, os.fsencode(script.directory), cell.options.env, cell.options.secret_env)
    secrets = b""
    if cell.secrets:
        directory.write("secrets", "".join(f"{name}\n" for name in cell.secrets).encode())
        secrets = control_text(cell.secrets, SECRET)
    if script.replacement is not None:
        return secrets + directory.write_replacement(
            script.replacement, script.text, label=label, state=state, place=place
        )
    return secrets + directory.write_cell(
        script.text,
        label=label,
        line=place.line,
        check=script.check,
        state=state,
        status=script.status,
        directory=place.directory,
        exports=place.exports,
        recalled=script.recalled,
    )


def _waits_for(manager: SessionManager, running: Running) -> str:
    what = what_it_waits_for(manager, running.waiting.session_id)
    return f"waits for {what}; {'an interrupt' if running.foreground else '%kill'} takes it from the queue"


def _goes_on(info: SessionInfo) -> bool:
    """As far as was heard here, it has not ended and does not end with this program."""
    return info.durable and info.ended_at is None
