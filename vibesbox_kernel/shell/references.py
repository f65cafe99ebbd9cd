"""From what the user calls a session to the session, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable
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


async def resolve_all(manager: SessionManager, refs: Iterable[str]) -> list[SessionInfo]:
    """Find every session before anything is done to one; each comes once, however often it was named.

    What is none of ours is looked for among those of the user's other programs, which is followed from then on.

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
        raise SessionNotFoundError(", ".join(unknown), [label(info) for info in reversed(manager.list_sessions())])
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


def from_word(info: SessionInfo, *, here: bool) -> str:
    """Where a session is from, and whether anybody has it: ``here``, ``Python notebook 3f2a91c0, gone``.

    Args:
        info: The session.
        here: It is one of ours.
    """
    if here:
        return "here"
    instance = re.sub(r"^(kernel|python)-", "", info.instance)[:_INSTANCE_CHARS].partition("-")[0]
    owner = info.instance if info.owner == info.instance else f"{info.owner} {instance}"
    return owner if info.owned or info.ended_at is not None else f"{owner}, gone"
