"""Input for sessions: whether they wait for it, and giving it to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vibesbox_kernel.broker.wire import pack_bytes
from vibesbox_kernel.models import InputKind
from vibesbox_kernel.sessions.base import ManagerPart
from vibesbox_kernel.sessions.hub import on_engine
from vibesbox_kernel.sessions.mirror import Entry, Ref

INPUT_PIECE_BYTES = 1 << 18


class FeedingSessions(ManagerPart):
    """The methods of a SessionManager that have to do with input."""

    @on_engine
    async def send_input(self, ref: Ref, data: bytes | str, eof: bool = False, *, hidden: bool = False) -> None:
        """Write to a session's standard input; with ``eof`` end it (on a terminal: Ctrl-D).

        Waits as long as the session has more than a mebibyte unread. When it returns, the session is not said to
        wait for input any more, until it is seen to do so anew.

        Args:
            hidden: It is a secret: its terminal does not echo it.

        Raises:
            SessionEndedError: It is over, or takes no input (any more).
        """
        entry = self._find(ref)
        raw = data.encode() if isinstance(data, str) else bytes(data)
        pieces = [raw[i : i + INPUT_PIECE_BYTES] for i in range(0, len(raw), INPUT_PIECE_BYTES)] or [b""]
        for piece in pieces:
            await self._ask(entry, "feed", data=pack_bytes(piece), eof=eof and piece is pieces[-1], hidden=hidden)

    @on_engine
    async def wait_input_wanted(self, ref: Ref) -> InputKind | None:
        """Wait until a session waits for input; returns for what kind, or None when its leader has ended first.

        Not while somebody types into its terminal (``keyboard_taken``).
        """
        entry = self._find(ref)
        kind: InputKind | None = None
        while not _is_done(entry) and (kind := _wanted(entry)) is None:
            await self.hub.wait_until(entry, lambda: _is_done(entry) or _wanted(entry) is not None)
        return None if _is_done(entry) else kind

    @on_engine
    async def wait_input_not_wanted(self, ref: Ref, kind: InputKind) -> None:
        """Wait until a session does not wait for this kind of input (any more), or its leader has ended.

        Or until somebody begins to type into its terminal (``keyboard_taken``).
        """
        entry = self._find(ref)
        await self.hub.wait_until(entry, lambda: _is_done(entry) or _wanted(entry) is not kind)

    @on_engine
    async def look_at_input(self, ref: Ref) -> InputKind | None:
        """Have it looked now, not at the next occasion, whether a session waits for input; returns for what kind.

        None, too, while somebody types into its terminal (``keyboard_taken``).

        Raises:
            SessionEndedError: The session is over.
        """
        entry = self._find(ref)
        await self._ask(entry, "look_at_input")
        return _wanted(entry)

    @contextmanager
    def keyboard_taken(self, ref: Ref) -> Iterator[None]:
        """Somebody types into the session's terminal: nobody else is asked for its input meanwhile.

        To be used on the engine.
        """
        entry = self._find(ref)
        entry.typists += 1
        entry.wake()
        try:
            yield
        finally:
            entry.typists -= 1
            entry.wake()

    @on_engine
    async def attend_input(self, ref: Ref, *, attended: bool = True) -> None:
        """Say that somebody is ready to answer when a session waits for input: that is then noticed sooner.

        Raises:
            SessionEndedError: The session is over.
        """
        await self._ask(self._find(ref), "attend", attended=attended)


def _wanted(entry: Entry) -> InputKind | None:
    """What kind of input somebody is to be asked for."""
    return None if entry.typists else entry.input_kind


def _is_done(entry: Entry) -> bool:
    return entry.over or entry.exit_status is not None
