"""Reading the output of sessions: what is new, from a cursor on, or the last lines."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from vibesbox_kernel.errors import BrokerError, SessionEndedError
from vibesbox_kernel.models import OutputChunk, Usage
from vibesbox_kernel.sessions.base import ManagerPart
from vibesbox_kernel.sessions.hub import on_engine
from vibesbox_kernel.sessions.mirror import Entry, Ref
from vibesbox_kernel.sessions.text_output import last_lines

USAGE_SECONDS = 2.0
"""A broker that does not answer keeps no listing waiting."""

SMALL_BACKLOG_BYTES = 1 << 20
"""More output than this is read in a thread of its own, so that the caller's loop goes on."""


class ReadingSessions(ManagerPart):
    """The methods of a SessionManager that read output and figures."""

    def output_end(self, ref: Ref) -> int:
        """Cursor behind the last byte that a session is known to have put out, stored or dropped."""
        return self._find(ref).record["end_cursor"]

    @on_engine
    async def newest_output_end(self, ref: Ref) -> int:
        """Have stored what a session of ours has written up to now; the cursor behind that.

        The broker reads what comes little by little a millisecond late: who has seen another sign of the session's
        (a file, an answer) would otherwise miss the line before it.
        """
        entry = self._find(ref)
        if self.hub.is_ours(entry) and not entry.over:
            with contextlib.suppress(TimeoutError, BrokerError, SessionEndedError):  # what is stored stands
                async with asyncio.timeout(USAGE_SECONDS):
                    await self.hub.catch_up(entry.session_id)
        return entry.record["end_cursor"]

    async def read_output(self, ref: Ref) -> str:
        """What a session has put out since the last call; never waits.

        Raises:
            SessionNotFoundError: There is no such session; names those that there are.
        """
        entry = self._find(ref)
        final = entry.record["drained"]
        if entry.record["end_cursor"] - entry.text.cursor > SMALL_BACKLOG_BYTES:
            return await asyncio.to_thread(entry.text.read_new, final=final)
        return entry.text.read_new(final=final)

    async def read(self, ref: Ref, cursor: int, *, max_bytes: int = 65536, wait: float | None = 0) -> OutputChunk:
        """Output from an absolute cursor on; any number of readers, none consuming.

        Args:
            wait: Seconds to wait when there is nothing at the cursor yet; None waits for ever.

        Returns:
            At most ``max_bytes``; empty and not ``eof`` when the wait ended first.
        """
        entry = self._find(ref)
        deadline = None if wait is None else time.monotonic() + wait
        while True:
            drained = entry.record["drained"]  # before the read: what it promises must be in the spool
            chunk = entry.spool.read(cursor, max_bytes)
            if chunk.data:
                return chunk
            if drained:
                end = max(entry.record["end_cursor"], cursor)
                return chunk.model_copy(update={"next_cursor": end, "dropped": end - cursor, "eof": True})
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return chunk
            await self._wait_output(entry, cursor, left)

    async def tail(self, ref: Ref, lines: int = 10) -> str:
        """The last lines of a session's output, running or ended."""
        await self.newest_output_end(ref)
        return last_lines(self._find(ref).spool, lines).decode("utf-8", "replace")

    @on_engine
    async def discard_output(self, ref: Ref, up_to: int) -> None:
        """Delete a session's stored output below a cursor; it counts as dropped from then on.

        A session with ``on_full="block"`` that waits for room goes on.

        Raises:
            SessionEndedError: The session is over.
            SessionOwnedError: Another living program owns it.
        """
        await self._ask(self._find(ref), "discard_output", up_to=up_to)

    @on_engine
    async def refresh_usage(self) -> None:
        """Take over the broker's newest figures of every running session, for the listings that follow."""
        instances = {self.hub.instance, *(entry.instance for entry in self.hub.mirror.running())}
        await asyncio.gather(*map(self._refresh_from, instances))

    async def _refresh_from(self, instance: str) -> None:
        with contextlib.suppress(TimeoutError, BrokerError):  # the old figures stand
            async with asyncio.timeout(USAGE_SECONDS):
                answer = await self.hub.links.request(instance, "usage")
            for session_id, figures in (answer or {"usage": {}})["usage"].items():
                entry = self.hub.mirror.by_id(session_id)
                if entry is not None:
                    entry.usage = figures

    @on_engine
    async def usage(self, ref: Ref) -> list[Usage]:
        """How CPU, memory, storage and output of a session have gone since its start.

        At most some hundred points, the older ones further apart; the last is of now, or of its end.

        Raises:
            SessionEndedError: The session is over, and so is its broker, which knew.
        """
        entry = self._find(ref)
        points = (await self._history(entry))["points"]
        assert isinstance(points, list)
        return [Usage(**dict(zip(Usage.model_fields, point, strict=True))) for point in points]

    async def _history(self, entry: Entry) -> dict[str, Any]:
        if not entry.over:
            return await self._ask(entry, "history")
        with contextlib.suppress(SessionEndedError, BrokerError):
            answer = await self.hub.links.request(entry.instance, "history", session_id=entry.session_id)
            if answer is not None:
                return answer
        raise SessionEndedError(entry.known_as, "is over, and its broker has left with the figures of its life")

    async def _wait_output(self, entry: Entry, cursor: int, timeout: float | None) -> None:
        await self.hub.wait_until(
            entry, lambda: entry.record["end_cursor"] > cursor or entry.record["drained"], timeout
        )
