"""The magics carried out on a SessionManager: what every front door does, and none of how it shows it."""

from __future__ import annotations

import asyncio
import signal as signals
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import (
    MagicError,
    SessionEndedError,
    SessionOwnedError,
    SessionTimeoutError,
    SurvivorsError,
)
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.sessions.doctor import diagnose
from vibesbox_kernel.shell.code_verbs import tend_code
from vibesbox_kernel.shell.config_verbs import tend_settings
from vibesbox_kernel.shell.doctor_text import describe as describe_diagnosis
from vibesbox_kernel.shell.error_words import not_ours
from vibesbox_kernel.shell.info_text import describe
from vibesbox_kernel.shell.input_verbs import send
from vibesbox_kernel.shell.listing import DEFAULT_WIDTH, list_sessions
from vibesbox_kernel.shell.magic_args import (
    AdoptArgs,
    BgArgs,
    CellOptions,
    ConfigArgs,
    DurableArgs,
    FgArgs,
    FmtArgs,
    InfoArgs,
    KillArgs,
    LintArgs,
    ParallelArgs,
    PsArgs,
    PurgeArgs,
    RenameArgs,
    RerunArgs,
    SendArgs,
    StateArgs,
    TailArgs,
    VibesboxArgs,
    WaitArgs,
)
from vibesbox_kernel.shell.magics import MagicCall, help_text, overview
from vibesbox_kernel.shell.output_verbs import save_output, show_tail
from vibesbox_kernel.shell.passing_line import Looker
from vibesbox_kernel.shell.purge_verbs import purge
from vibesbox_kernel.shell.references import find, from_word, latest, resolve_all, with_names
from vibesbox_kernel.shell.sharing_verbs import share
from vibesbox_kernel.shell.state_verbs import tend_state
from vibesbox_kernel.shell.table_text import how_it_ended
from vibesbox_kernel.shell.verb_result import VerbResult, joined, line, plain

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.runner import CellRunner

_NOT_ENDED = "could not be ended"
_NOT_SIGNALLED = "could not be sent the signal"
_TIMED_OUT = "did not end in that time"


async def carry_out(
    manager: SessionManager,
    call: MagicCall,
    *,
    width: int = DEFAULT_WIDTH,
    colour: bool = False,
    directory: Path | None = None,
    runner: CellRunner | None = None,
    looker: Looker | None = None,
) -> VerbResult:
    """Carry out a magic that needs nothing of the front door.

    ``%ps -w`` and ``%ps -f`` give the static table, ``%tail -f`` and ``-w`` the lines that are there: a door that can
    show them live does so itself (``LiveListing``, ``follow_output``). ``%session`` runs a cell: that is the door's.

    Args:
        manager: Whose sessions are meant.
        call: The magic.
        width: Columns that a table may take.
        colour: Whether its text may have colours.
        directory: Where relative paths begin; the process's own directory, if none is given.
        runner: Whose shell is meant.
        looker: Who is shown how long it takes already, if it takes long.

    Raises:
        MagicError: The magic can not be carried out here.
        SessionNotFoundError: No session answers to a reference; nothing was done.
    """
    match call.args:
        case None:
            return VerbResult(help_text(call.name))
        case PsArgs() as args:
            endings = None if runner is None else runner.endings_told
            return await list_sessions(manager, args, width=width, colour=colour, endings=endings)
        case KillArgs() as args:
            return await kill(manager, args)
        case TailArgs() as args:
            return await tail(manager, args, directory=directory)
        case WaitArgs() as args:
            return await wait(manager, args, looker)
        case SendArgs() as args:
            return await send(manager, args)
        case InfoArgs() as args:
            return await show_info(manager, args)
        case DurableArgs() | RenameArgs() | AdoptArgs() | ParallelArgs() as args:
            return await share(manager, args)
        case VibesboxArgs() | StateArgs() | ConfigArgs() | PurgeArgs() as args:
            return await tend_vibesbox(manager, args, width=width, runner=runner)
        case LintArgs() | FmtArgs():
            return await tend_code(manager, call, runner=runner)
        case CellOptions() | FgArgs() | BgArgs() | RerunArgs():
            raise MagicError(f"%{call.name} needs a shell; there is none here", magic=f"%{call.name}")


async def kill(manager: SessionManager, args: KillArgs) -> VerbResult:
    """``%kill``: end sessions with their whole trees, all at the same time, or send each one signal.

    Every reference is resolved before anything is sent. What became of each session is one line; a session that
    could not be ended is said with the pids that are left, and makes the result a failure.
    """
    targets = _alive_and_ours(manager) if args.all else await resolve_all(manager, args.refs)
    if not targets:
        return VerbResult("no session is running\n", data=[])
    act = partial(_end, manager, args.force) if args.signal is None else partial(_signal, manager, args.signal)
    return joined(await asyncio.gather(*(act(info) for info in targets)))


async def tail(manager: SessionManager, args: TailArgs, *, directory: Path | None = None) -> VerbResult:
    """``%tail``: the last lines, or all of it into a file; a relative path begins in the directory."""
    if args.save is None:
        return await show_tail(manager, args.ref, lines=args.lines)
    return await save_output(manager, args.ref, _destination(args.save, directory))


async def wait(manager: SessionManager, args: WaitArgs, looker: Looker | None = None) -> VerbResult:
    """``%wait``: until all sessions are over, or the time is; which then is a failure."""
    targets = await resolve_all(manager, args.refs)
    line = None if looker is None else looker.line_for(manager, targets)
    if line is not None:
        line.begin()
    try:
        return joined(await asyncio.gather(*(_wait(manager, args.timeout, info) for info in targets)))
    finally:
        if line is not None:
            line.end()


async def show_info(manager: SessionManager, args: InfoArgs) -> VerbResult:
    """``%info``: everything known of one session."""
    session_id = (await find(manager, args.ref)).session_id
    await manager.refresh_usage()
    info = with_names(manager, manager.info(session_id))
    where = from_word(info, here=manager.is_of_here(session_id))
    text, html = describe(info, datetime.now(UTC), where=where, ports=await manager.ports(session_id))
    return VerbResult(text, html=html, data=plain(info))


async def tend_vibesbox(
    manager: SessionManager,
    args: VibesboxArgs | StateArgs | ConfigArgs | PurgeArgs,
    *,
    width: int = DEFAULT_WIDTH,
    runner: CellRunner | None,
) -> VerbResult:
    """``%vibesbox`` and its sub-commands."""
    match args:
        case VibesboxArgs(subcommand="doctor"):
            return await examine(manager, width=width)
        case PurgeArgs():
            return await purge(manager, args)
        case VibesboxArgs():
            return say_about(args)
        case StateArgs() if runner is not None:
            return await tend_state(manager, runner, args, width=width)
        case ConfigArgs() if runner is not None:
            return tend_settings(runner.settings, args)
        case _:
            raise MagicError("there is no shell here that could have a state or settings", magic="%vibesbox")


def say_about(args: VibesboxArgs) -> VerbResult:
    """``%vibesbox``: the list of magics, or the version."""
    if args.subcommand is None:
        return VerbResult(overview())
    try:
        found = version("vibesbox")
    except PackageNotFoundError:
        found = "of a source tree that is not installed"
    return VerbResult(f"Vibesbox {found}\n", data={"version": found})


async def examine(manager: SessionManager, *, width: int = DEFAULT_WIDTH) -> VerbResult:
    """``%vibesbox doctor``: what is guaranteed on this machine, from probes that run now."""
    diagnosis = await diagnose(manager)
    return VerbResult(describe_diagnosis(diagnosis, width=width), data=diagnosis.model_dump(mode="json"))


def signal_name(number: int) -> str:
    """``SIGHUP``, or ``signal 40`` for one without a name."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _alive_and_ours(manager: SessionManager) -> list[SessionInfo]:
    """What runs or is queued, and is not another program's."""
    return [info for info in manager.list_sessions() if info.ended_at is None and manager.is_ours(info.session_id)]


async def _end(manager: SessionManager, force: bool, info: SessionInfo) -> VerbResult:
    try:
        was_running = await manager.terminate_session(info.session_id, force=force)
    except SessionOwnedError as error:
        return line(info, not_ours(error), failure=_NOT_ENDED)
    except SurvivorsError as error:
        left = ", ".join(f"{pid} ({error.reasons[pid]})" for pid in error.pids)
        return line(info, f"not gone; these processes are left: {left}", failure=_NOT_ENDED)
    ended = latest(manager, info)
    return line(ended, how_it_ended(ended) if was_running else f"was over already: {how_it_ended(ended)}")


async def _signal(manager: SessionManager, number: int, info: SessionInfo) -> VerbResult:
    try:
        await manager.send_signal(info.session_id, number)
    except SessionOwnedError as error:
        return line(info, not_ours(error), failure=_NOT_SIGNALLED)
    except SessionEndedError:
        return line(info, f"was over already: {how_it_ended(latest(manager, info))}", failure=_NOT_SIGNALLED)
    return line(info, f"was sent {signal_name(number)}")


async def _wait(manager: SessionManager, timeout: float | None, info: SessionInfo) -> VerbResult:
    try:
        ended = await manager.wait(info.session_id, timeout)
    except SessionTimeoutError as error:
        return line(latest(manager, info), f"has not ended after {error.timeout:g} s; it goes on", failure=_TIMED_OUT)
    return line(ended, how_it_ended(with_names(manager, ended)))


def _destination(file: str, directory: Path | None) -> Path:
    """Where a file that the user named is meant to be."""
    return (directory or Path()) / Path(file).expanduser()
