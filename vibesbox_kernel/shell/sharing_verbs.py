"""Sessions that outlive their program, other programs' sessions, and the queue: the magics on them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import SessionEndedError, SessionOwnedError
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.error_words import not_ours
from vibesbox_kernel.shell.magic_args import AdoptArgs, DurableArgs, ParallelArgs, RenameArgs
from vibesbox_kernel.shell.references import find, label, latest, not_to_be_adopted, resolve_all, with_names
from vibesbox_kernel.shell.table_text import how_it_ended
from vibesbox_kernel.shell.verb_result import Json, VerbResult, joined, line, plain

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

_HOW_TO_LIMIT = "%parallel N lets N of all run at a time, %parallel N -g G of those with --group G; 0: any number"
_NOT_CHANGED = "could not be changed"
_NOT_ADOPTED = "could not be adopted"


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
        SessionOwnedError: Another living program owns it.
    """
    before = await find(manager, args.ref)
    after = await manager.rename_session(before.session_id, args.name)
    return VerbResult(f"{label(before)} is called {after.name} now\n", data=plain(after))


async def adopt(manager: SessionManager, args: AdoptArgs) -> VerbResult:
    """``%adopt``: take over durable sessions that nobody owns; one that has an owner is said with it.

    Raises:
        SessionNotFoundError: Some are unknown; nothing was done.
    """
    targets = await resolve_all(manager, args.refs, not_found=not_to_be_adopted)
    return joined(await asyncio.gather(*map(partial(_adopt, manager), targets)))


async def set_parallel(manager: SessionManager, args: ParallelArgs) -> VerbResult:
    """``%parallel``: how many sessions may run at a time; without a number, which limits are in force."""
    if args.show:
        return _show_limits(manager, args.group)
    await manager.set_parallel(args.group, args.limit)
    return VerbResult(f"{_limit(args.group, args.limit)}\n", data={"group": args.group, "limit": args.limit})


def _show_limits(manager: SessionManager, group: str | None) -> VerbResult:
    limits = manager.parallel_limits()
    shown = limits if group is None else {group: limits[group]} if group in limits else {}
    lines = [_limit(of, limit) for of, limit in sorted(shown.items(), key=lambda one: (one[0] is not None, one[0]))]
    data: list[Json] = [{"group": of, "limit": limit} for of, limit in shown.items()]
    return VerbResult("\n".join([*(lines or [_limit(group, None)]), _HOW_TO_LIMIT]) + "\n", data=data)


def _limit(group: str | None, limit: int | None) -> str:
    which = "sessions" if group is None else f"sessions of the group {group}"
    return f"{which}: {'any number' if limit is None else f'at most {limit}'} at a time"


async def _make_durable(manager: SessionManager, durable: bool, info: SessionInfo) -> VerbResult:
    try:
        await manager.make_durable(info.session_id, durable)
    except SessionOwnedError as error:
        return line(info, not_ours(error), failure=_NOT_CHANGED)
    except SessionEndedError:
        return line(info, f"is over already: {how_it_ended(latest(manager, info))}", failure=_NOT_CHANGED)
    return line(latest(manager, info), "outlives this program now" if durable else "ends with this program now")


async def _adopt(manager: SessionManager, info: SessionInfo) -> VerbResult:
    if info.ended_at is None and info.owned and manager.is_ours(info.session_id):
        return line(info, "is ours already")
    try:
        adopted = await manager.adopt_session(info.session_id)
    except SessionOwnedError as error:
        return line(info, not_ours(error), failure=_NOT_ADOPTED)
    if adopted.ended_at is not None:
        return line(adopted, f"is over ({how_it_ended(with_names(manager, adopted))}); %tail shows its output")
    return line(adopted, "is ours now")
