"""What an error says to somebody who types magics: where it names a way out, the magics that are it."""

from __future__ import annotations

from vibesbox_kernel.errors import NameTakenError, NotInForegroundError, SessionOwnedError, VibesboxError


def in_words(error: VibesboxError) -> str:
    """An error's message, as every front door shows it."""
    if isinstance(error, SessionOwnedError):
        return f"session {error.ref} {not_ours(error)}"
    if isinstance(error, NameTakenError):
        return f"{error}, or %rename the other"
    if isinstance(error, NotInForegroundError) and error.ref is None and not error.known:
        return f"{error}; %%session --bg at the head of a cell has it begin in the background"
    return str(error)


def not_ours(error: SessionOwnedError) -> str:
    """Why a session was left alone, and what helps."""
    return (
        f"belongs to {error.owner}, which is alive: here it can be read (%tail, %wait, %info); to take it over,"
        " make it durable there (%durable), close that program, then %adopt it"
    )
