"""From what the user calls a session to the session, and back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.models import SessionInfo

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

_INSTANCE_CHARS = 8


def label(info: SessionInfo) -> str:
    """What to call a session in a message: its name, if it has one, and its pid."""
    pid = "not started yet" if info.pid is None else f"pid {info.pid}"
    return f"{info.name} ({pid})" if info.name else pid


NotFound = Callable[["SessionManager", str], SessionNotFoundError]
"""Says what could have been meant."""


def not_among_ours(manager: SessionManager, refs: str) -> SessionNotFoundError:
    """None of ours is called so; names those that have not ended."""
    newest_first = list(reversed(manager.list_sessions()))
    living = [info for info in newest_first if info.ended_at is None]
    ended = [info for info in newest_first if info.ended_at is not None]
    return SessionNotFoundError(refs, map(label, (*living, *ended)), living=len(living))


def not_to_be_adopted(manager: SessionManager, refs: str) -> SessionNotFoundError:
    """No program's session is called so; names those that nobody owns."""
    unowned = [info for info in manager.list_sessions(True) if info.ended_at is None and not info.owned]
    return SessionNotFoundError(refs, map(label, reversed(unowned)), heading="can be adopted")


async def resolve_all(
    manager: SessionManager, refs: Iterable[str], *, not_found: NotFound = not_among_ours
) -> list[SessionInfo]:
    """Find every session before anything is done to one; each comes once, however often it was named.

    What is none of ours is looked for among those of the user's other programs, which is followed from then on.

    Args:
        manager: Whose sessions are meant.
        refs: What the user calls them.
        not_found: Says of those that are unknown what could have been meant.

    Raises:
        SessionNotFoundError: Some are unknown; names all of these, and those that there are.
        AmbiguousReferenceError: A prefix fits several.
    """
    found: dict[str, SessionInfo] = {}
    unknown: list[str] = []
    for ref in refs:
        try:
            info = await find(manager, ref)
        except SessionNotFoundError:
            unknown.append(ref)
        else:
            found[info.session_id] = info
    if unknown:
        raise await asyncio.to_thread(not_found, manager, ", ".join(unknown))  # it may read many files
    return list(found.values())


async def find(manager: SessionManager, ref: str) -> SessionInfo:
    """One of our sessions; else one of another program's, which is followed from then on.

    Raises:
        SessionNotFoundError: None answers to this reference.
        AmbiguousReferenceError: It is a prefix of several ids.
    """
    try:
        return manager.info(ref)
    except SessionNotFoundError:
        return await manager.attach_session(ref)


def latest(manager: SessionManager, info: SessionInfo) -> SessionInfo:
    """The session as it stands now; as it stood if it is forgotten already. Its problem is in the user's words."""
    try:
        return with_names(manager, manager.info(info.session_id))
    except SessionNotFoundError:
        return info


def with_names(manager: SessionManager, info: SessionInfo) -> SessionInfo:
    """The same session; where its problem has the ids of sessions that it was to follow, it has their names."""
    if info.problem is None or not info.policy.after:
        return info
    problem = info.problem
    for before in known_by_id(manager, info.policy.after):
        if before.name is not None or before.pid is not None:
            problem = problem.replace(f"session {before.session_id[:8]}", label(before))
    return info.model_copy(update={"problem": problem})


def known_by_id(manager: SessionManager, ids: Sequence[str]) -> list[SessionInfo]:
    """Those of these sessions that are remembered, in the order of their start."""
    return [info for info in manager.list_sessions() if info.session_id in ids]


def from_word(info: SessionInfo, *, here: bool) -> str:
    """Where a session is from, and whether anybody has it: ``here``, ``Python notebook 3f2a91c0, gone``.

    Args:
        info: The session.
        here: It was started here.
    """
    if here:
        return "here"
    instance = re.sub(r"^(kernel|python)-", "", info.instance)[:_INSTANCE_CHARS].partition("-")[0]
    owner = info.instance if info.owner == info.instance else f"{info.owner} {instance}"
    return owner if info.owned or info.ended_at is not None else f"{owner}, gone"
