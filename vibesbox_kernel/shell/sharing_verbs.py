"""Sessions that outlive their program, other programs' sessions, and the queue: the magics on them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import SessionEndedError, SessionNotFoundError, SessionOwnedError
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.magic_args import AdoptArgs, DurableArgs, ParallelArgs, RenameArgs
from vibesbox_kernel.shell.references import find, label, resolve_all
from vibesbox_kernel.shell.table_text import how_it_ended
from vibesbox_kernel.shell.verb_result import VerbResult, joined, line, plain

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager


async def share(manager: SessionManager, args: DurableArgs | RenameArgs | AdoptArgs | ParallelArgs) -> VerbResult:
    """Carry out one of these magics."""
    match args:
        case DurableArgs():
            return await make_durable(manager, args)
        case RenameArgs():
            return await rename(manager, args)
        case AdoptArgs():
            return await adopt(manager, args)
        case ParallelArgs():
            return await set_parallel(manager, args)


async def make_durable(manager: SessionManager, args: DurableArgs) -> VerbResult:
    """``%durable``: let sessions outlive this program, or not any more."""
    targets = await resolve_all(manager, args.refs)
    return joined(await asyncio.gather(*(_make_durable(manager, not args.off, info) for info in targets)))


async def rename(manager: SessionManager, args: RenameArgs) -> VerbResult:
    """``%rename``: call a session by another name.

    Raises:
        InvalidOptionError: The name could be taken for a pid or an option.
        NameTakenError: A running session has it; says which.
        SessionEndedError: The session is over.
    """
    before = await find(manager, args.ref)
    after = await manager.rename_session(before.session_id, args.name)
    return VerbResult(f"{label(before)} is called {after.name} now\n", data=plain(after))


async def adopt(manager: SessionManager, args: AdoptArgs) -> VerbResult:
    """``%adopt``: take over durable sessions that nobody owns; one that has an owner is said with it.

    Raises:
        SessionNotFoundError: Some are unknown; nothing was done.
    """
    targets = await resolve_all(manager, args.refs)
    return joined(await asyncio.gather(*map(partial(_adopt, manager), targets)))


async def set_parallel(manager: SessionManager, args: ParallelArgs) -> VerbResult:
    """``%parallel``: how many sessions may run at a time."""
    await manager.set_parallel(args.group, args.limit)
    which = "sessions" if args.group is None else f"sessions of the group {args.group}"
    how_many = "any number" if args.limit is None else f"at most {args.limit}"
    return VerbResult(f"{which}: {how_many} at a time\n", data={"group": args.group, "limit": args.limit})


def not_ours(error: SessionOwnedError) -> str:
    """Why a session was left alone."""
    return f"belongs to {error.owner}, which is alive; here it can be read (%tail, %wait, %info), not changed"


async def _make_durable(manager: SessionManager, durable: bool, info: SessionInfo) -> VerbResult:
    try:
        await manager.make_durable(info.session_id, durable)
    except SessionOwnedError as error:
        return line(info, not_ours(error), failed=True)
    except SessionEndedError:
        return line(info, f"is over already: {how_it_ended(_latest(manager, info))}", failed=True)
    return line(_latest(manager, info), "outlives this program now" if durable else "ends with this program now")


async def _adopt(manager: SessionManager, info: SessionInfo) -> VerbResult:
    if info.ended_at is None and manager.is_ours(info.session_id):
        return line(info, "is ours already")
    try:
        adopted = await manager.adopt_session(info.session_id)
    except SessionOwnedError as error:
        return line(info, not_ours(error), failed=True)
    if adopted.ended_at is not None:
        return line(adopted, f"is over ({how_it_ended(adopted)}); %tail shows its output")
    return line(adopted, "is ours now")


def _latest(manager: SessionManager, info: SessionInfo) -> SessionInfo:
    try:
        return manager.info(info.session_id)
    except SessionNotFoundError:
        return info
