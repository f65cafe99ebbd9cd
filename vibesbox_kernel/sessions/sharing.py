"""Sessions that outlive their program, and those of other programs: found, read, adopted."""

from __future__ import annotations

import asyncio
import contextlib

from vibesbox_kernel.errors import AmbiguousReferenceError, BrokerError, SessionEndedError, SessionNotFoundError
from vibesbox_kernel.models import IoMode, SessionInfo
from vibesbox_kernel.sessions import validation
from vibesbox_kernel.sessions.base import ManagerPart
from vibesbox_kernel.sessions.catalogue import Found, all_sessions
from vibesbox_kernel.sessions.hub import on_engine
from vibesbox_kernel.sessions.mirror import Entry, Ref, choose
from vibesbox_kernel.sessions.places import state_root
from vibesbox_kernel.sessions.spool_reader import SpoolReader
from vibesbox_kernel.sessions.text_output import TextOutput

ATTEMPTS = 20
PAUSE_SECONDS = 0.05


class SharingSessions(ManagerPart):
    """The methods of a SessionManager for sessions that more than one program knows."""

    def list_sessions(self, everywhere: bool = False) -> list[SessionInfo]:
        """Every running and every remembered session, in the order of their start.

        Args:
            everywhere: Also those of this user's other programs, running or gone, from their files:
                ``instance`` and ``owner`` say where each is from. ``attach_session`` follows one,
                ``adopt_session`` takes one over that nobody owns.
        """
        known = [entry.info() for entry in self.hub.mirror]
        if not everywhere:
            return known
        ids = {info.session_id for info in known}
        others = [_entry(found).info() for found in all_sessions(state_root()) if found.session_id not in ids]
        return sorted([*known, *others], key=lambda info: info.started_at)

    def is_ours(self, ref: Ref) -> bool:
        """Whether we may act on a session: we own it, or it was left by an earlier program of our instance."""
        entry = self._known(ref)
        if entry is None:
            return False
        return self.hub.is_ours(entry) or (entry.instance == self.hub.instance and entry.record["client"] is None)

    def is_of_here(self, ref: Ref) -> bool:
        """Whether a session is of our own instance; others are only followed, or unknown here."""
        entry = self._known(ref)
        return entry is not None and entry.instance == self.hub.instance

    def _known(self, ref: Ref) -> Entry | None:
        try:
            return self._find(ref)
        except (SessionNotFoundError, AmbiguousReferenceError):
            return None

    @on_engine
    async def attach_session(self, ref: Ref) -> SessionInfo:
        """Follow a session of another program: read it, wait for it, hear its events. Any number may.

        Args:
            ref: A pid, an id, a unique prefix of one, or a name; ours are found first.

        Raises:
            SessionNotFoundError: No program of this user has such a session.
            AmbiguousReferenceError: It is a prefix of several ids.
            BrokerError: The session's broker does not answer.
        """
        return (await self._attach(ref)).info()

    @on_engine
    async def adopt_session(self, ref: Ref) -> SessionInfo:
        """Take over a durable session that nobody owns any more; one that is over is only remembered.

        Raises:
            SessionOwnedError: A living program owns it; says which.
            SessionNotFoundError: No program of this user has such a session.
        """
        entry = await self._attach(ref)
        try:
            if not entry.over:
                await self._ask(entry, "adopt")
        except (BrokerError, SessionEndedError):
            if not entry.over:  # it has ended just now, and nothing else kept its broker
                raise
        return entry.info()

    @on_engine
    async def make_durable(self, ref: Ref, durable: bool = True) -> SessionInfo:
        """Let a running session outlive this program, or not any more.

        Raises:
            SessionEndedError: The session is over.
            SessionOwnedError: Another living program owns it.
        """
        entry = self._find(ref)
        await self._ask(entry, "durable", durable=durable)
        return entry.info()

    @on_engine
    async def rename_session(self, ref: Ref, name: str | None) -> SessionInfo:
        """Give a session that is not over another name, or none.

        Raises:
            InvalidOptionError: It could be taken for a pid or an option.
            NameTakenError: A running session has it; says which.
        """
        validation.check_name(name)
        entry = self._find(ref)
        if name != entry.record["name"]:
            with self.hub.name_reserved(name):
                await self._ask(entry, "rename", name=name)
        return entry.info()

    async def _attach(self, ref: Ref) -> Entry:
        with contextlib.suppress(SessionNotFoundError):
            return self._find(ref)
        for attempt in range(ATTEMPTS):
            found = _choose(ref, await asyncio.to_thread(all_sessions, state_root()))
            ref = found.session_id
            try:
                return await self.hub.attach(found)
            except BrokerError:
                # Its broker has left between the look at the disk and the connection: the disk knows its end soon.
                if attempt == ATTEMPTS - 1:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
        raise AssertionError("the last attempt returns or raises")


def _choose(ref: Ref, sessions: list[Found]) -> Found:
    """The session that a reference means: running before ended, newer before older."""
    newest_first = sorted(sessions, key=lambda one: (one.record["over"], -one.record["started_at"]))
    by_entry = {_entry(one): one for one in newest_first}
    return by_entry[choose(ref, list(by_entry))]


def _entry(found: Found) -> Entry:
    spool = SpoolReader(found.directory, split=IoMode(found.record["io"]).is_split)
    entry = Entry(found.record, found.command, found.instance, spool, TextOutput(spool))
    entry.pids = (entry.pid,) if entry.pid is not None else ()
    return entry
