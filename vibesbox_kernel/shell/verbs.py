"""The magics carried out on a SessionManager: what every front door does, and none of how it shows it."""

from __future__ import annotations

import asyncio
import json
import signal as signals
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import (
    MagicError,
    SessionEndedError,
    SessionNotFoundError,
    SessionTimeoutError,
    SurvivorsError,
)
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.info_text import describe
from vibesbox_kernel.shell.magic_args import (
    InfoArgs,
    KillArgs,
    PsArgs,
    SendArgs,
    SessionOptions,
    TailArgs,
    VibesboxArgs,
    WaitArgs,
)
from vibesbox_kernel.shell.magics import MagicCall, help_text, overview
from vibesbox_kernel.shell.output_verbs import save_output, show_tail
from vibesbox_kernel.shell.references import label, resolve_all
from vibesbox_kernel.shell.table_text import how_it_ended, html_table, text_table
from vibesbox_kernel.shell.verb_result import Json, VerbResult

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

DEFAULT_WIDTH = 120
ENDED_SHOWN = 5


async def carry_out(
    manager: SessionManager, call: MagicCall, *, width: int = DEFAULT_WIDTH, directory: Path | None = None
) -> VerbResult:
    """Carry out a magic that needs nothing of the front door.

    ``%ps -w`` gives the static table and ``%tail -f`` the lines that are there: a door that can show them live does
    so itself (``follow_output``). ``%session`` runs a cell: that is the door's.

    Args:
        manager: Whose sessions are meant.
        call: The magic.
        width: Columns that a table may take.
        directory: Where relative paths begin; the process's own directory, if none is given.

    Raises:
        MagicError: The magic can not be carried out here.
        SessionNotFoundError: No session answers to a reference; nothing was done.
    """
    match call.args:
        case None:
            return VerbResult(help_text(call.name))
        case PsArgs() as args:
            return await list_sessions(manager, args, width=width)
        case KillArgs() as args:
            return await kill(manager, args)
        case TailArgs(save=None) as args:
            return await show_tail(manager, args.ref, lines=args.lines)
        case TailArgs() as args:
            return await save_output(manager, args.ref, _destination(args.save or "", directory))
        case WaitArgs() as args:
            return await wait(manager, args)
        case SendArgs() as args:
            return await send(manager, args)
        case InfoArgs() as args:
            return await show_info(manager, args)
        case VibesboxArgs() as args:
            return say_about(args)
        case SessionOptions():
            raise MagicError(f"%{call.name} runs a command; that is not possible here", magic=f"%{call.name}")


async def list_sessions(manager: SessionManager, args: PsArgs, *, width: int = DEFAULT_WIDTH) -> VerbResult:
    """``%ps``: the running sessions and the newest ended ones, or all."""
    await manager.refresh_usage()
    everything = manager.list_sessions()
    shown = everything if args.all else _newest(everything)
    data: Json = [_plain(info) for info in shown]
    if args.json:
        return VerbResult(json.dumps(data, indent=2, ensure_ascii=False) + "\n", data=data)
    now = datetime.now(UTC)
    hidden = len(everything) - len(shown)
    note = f"{hidden} more ended: %ps -a" if hidden else ""
    text = text_table(shown, now=now, width=width) + (f"{note}\n" if note else "")
    html = html_table(shown, now=now, caption=f"Sessions ({note})" if note else "Sessions")
    return VerbResult(text, html=html, data=data)


async def kill(manager: SessionManager, args: KillArgs) -> VerbResult:
    """``%kill``: end sessions with their whole trees, all at the same time, or send each one signal.

    Every reference is resolved before anything is sent. What became of each session is one line; a session that
    could not be ended is said with the pids that are left, and makes the result a failure.
    """
    running = [info for info in manager.list_sessions() if info.is_running]
    targets = running if args.all else resolve_all(manager, args.refs)
    if not targets:
        return VerbResult("no session is running\n", data=[])
    act = partial(_end, manager, args.force) if args.signal is None else partial(_signal, manager, args.signal)
    return _joined(await asyncio.gather(*(act(info) for info in targets)))


async def wait(manager: SessionManager, args: WaitArgs) -> VerbResult:
    """``%wait``: until all sessions are over, or the time is; which then is a failure."""
    targets = resolve_all(manager, args.refs)
    return _joined(await asyncio.gather(*(_wait(manager, args.timeout, info) for info in targets)))


async def send(manager: SessionManager, args: SendArgs) -> VerbResult:
    """``%send``: type a text and Enter, end the input, or both. The text is never repeated: it may be a secret."""
    (info,) = resolve_all(manager, [args.ref])
    text = "" if args.text is None else f"{args.text}\n"
    await manager.send_input(info.session_id, text, eof=args.eof)
    done = [f"sent {len(text.encode())} bytes"] if text else []
    done += ["ended the input"] if args.eof else []
    return VerbResult(f"{label(info)}: {' and '.join(done)}\n", data=_plain(info))


async def show_info(manager: SessionManager, args: InfoArgs) -> VerbResult:
    """``%info``: everything known of one session."""
    await manager.refresh_usage()
    (info,) = resolve_all(manager, [args.ref])
    text, html = describe(info, datetime.now(UTC))
    return VerbResult(text, html=html, data=_plain(info))


def say_about(args: VibesboxArgs) -> VerbResult:
    """``%vibesbox``: the list of magics, or the version."""
    if args.subcommand is None:
        return VerbResult(overview())
    try:
        found = version("vibesbox")
    except PackageNotFoundError:
        found = "of a source tree that is not installed"
    return VerbResult(f"Vibesbox {found}\n", data={"version": found})


def signal_name(number: int) -> str:
    """``SIGHUP``, or ``signal 40`` for one without a name."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _newest(everything: Sequence[SessionInfo]) -> list[SessionInfo]:
    """The running ones and those that ended last, in the order in which they began."""
    ended = sorted((info for info in everything if info.ended_at), key=lambda info: info.ended_at or info.started_at)
    left_out = {info.session_id for info in ended[: max(0, len(ended) - ENDED_SHOWN)]}
    return [info for info in everything if info.session_id not in left_out]


async def _end(manager: SessionManager, force: bool, info: SessionInfo) -> VerbResult:
    try:
        was_running = await manager.terminate_session(info.session_id, force=force)
    except SurvivorsError as error:
        left = ", ".join(f"{pid} ({error.reasons[pid]})" for pid in error.pids)
        return _line(info, f"not gone; these processes are left: {left}", failed=True)
    ended = _latest(manager, info)
    return _line(ended, how_it_ended(ended) if was_running else f"was over already: {how_it_ended(ended)}")


async def _signal(manager: SessionManager, number: int, info: SessionInfo) -> VerbResult:
    try:
        await manager.send_signal(info.session_id, number)
    except SessionEndedError:
        return _line(info, f"was over already: {how_it_ended(_latest(manager, info))}", failed=True)
    return _line(info, f"was sent {signal_name(number)}")


async def _wait(manager: SessionManager, timeout: float | None, info: SessionInfo) -> VerbResult:
    try:
        ended = await manager.wait(info.session_id, timeout)
    except SessionTimeoutError as error:
        return _line(_latest(manager, info), f"still running after {error.timeout:g} s; it goes on", failed=True)
    return _line(ended, how_it_ended(ended))


def _destination(file: str, directory: Path | None) -> Path:
    """Where a file that the user named is meant to be."""
    return (directory or Path()) / Path(file).expanduser()


def _latest(manager: SessionManager, info: SessionInfo) -> SessionInfo:
    """The session as it stands now; as it stood if it is forgotten already."""
    try:
        return manager.info(info.session_id)
    except SessionNotFoundError:
        return info


def _line(info: SessionInfo, text: str, *, failed: bool = False) -> VerbResult:
    return VerbResult(f"{label(info)}: {text}\n", data=_plain(info), failed=failed)


def _joined(results: Sequence[VerbResult]) -> VerbResult:
    return VerbResult(
        "".join(result.text for result in results),
        data=[result.data for result in results],
        failed=any(result.failed for result in results),
    )


def _plain(info: SessionInfo) -> Json:
    plain: Json = info.model_dump(mode="json")
    return plain
