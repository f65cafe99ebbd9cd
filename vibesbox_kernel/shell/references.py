"""From what the user calls a session to the session, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.models import SessionInfo

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager


def label(info: SessionInfo) -> str:
    """What to call a session in a message: its name, if it has one, and its pid."""
    pid = "not started yet" if info.pid is None else f"pid {info.pid}"
    return f"{info.name} ({pid})" if info.name else pid


def resolve_all(manager: SessionManager, refs: Iterable[str]) -> list[SessionInfo]:
    """Find every session before anything is done to one; each comes once, however often it was named.

    Raises:
        SessionNotFoundError: Some are unknown; names all of these, and those that there are.
        AmbiguousReferenceError: A prefix fits several.
    """
    found: dict[str, SessionInfo] = {}
    unknown: list[str] = []
    for ref in refs:
        try:
            info = manager.info(ref)
        except SessionNotFoundError:
            unknown.append(ref)
        else:
            found[info.session_id] = info
    if unknown:
        raise SessionNotFoundError(", ".join(unknown), [label(info) for info in reversed(manager.list_sessions())])
    return list(found.values())
