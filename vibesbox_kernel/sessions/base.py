"""What all parts of a SessionManager have: the hub, and how a request for one session is made."""

from __future__ import annotations

from typing import Any

from vibesbox_kernel.errors import InvalidOptionError, SessionEndedError, SessionOwnedError
from vibesbox_kernel.sessions.engine import Engine
from vibesbox_kernel.sessions.hub import Hub
from vibesbox_kernel.sessions.mirror import Entry, Ref


class ManagerPart:
    """One part of a SessionManager's methods.

    Attributes:
        hub: Links, mirror and listeners, which all parts share.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    @property
    def engine(self) -> Engine:
        """The background thread on which everything of this manager happens."""
        return self.hub.engine

    def _find(self, ref: Ref) -> Entry:
        return self.hub.mirror.find(ref)

    def _followed(self, ref: Ref) -> str | None:
        """The id of a session that another is to follow; None if it has succeeded already.

        Raises:
            SessionNotFoundError: There is no such session.
            InvalidOptionError: It is another program's: only one broker can tell whose turn it is.
        """
        entry = self._find(ref)
        if entry.over and entry.exit_status is not None and entry.exit_status.success:
            return None
        if entry.instance != self.hub.instance:
            raise InvalidOptionError("after", ref, "a session of this program, or one that has succeeded")
        return entry.session_id

    async def _ask(self, entry: Entry, operation: str, **fields: object) -> dict[str, Any]:
        """Ask a session's broker to act on it, while it is not over."""
        if entry.over:
            raise SessionEndedError(entry.known_as, "is over")
        try:
            answer = await self.hub.links.request(entry.instance, operation, session_id=entry.session_id, **fields)
        except SessionEndedError as error:
            raise SessionEndedError(entry.known_as, error.why) from None
        except SessionOwnedError as error:
            raise SessionOwnedError(entry.known_as, error.owner) from None
        if answer is None:
            raise SessionEndedError(entry.known_as, "was lost with its broker")
        return answer
