"""Looking at the processes of sessions: which there are, whose children they are, and on which ports they listen.

And at their terminal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from vibesbox_kernel.models import ListeningPort, ProcessInfo, TerminalState
from vibesbox_kernel.sessions.base import ManagerPart
from vibesbox_kernel.sessions.hub import on_engine
from vibesbox_kernel.sessions.listening import Sockets, listening_sockets, parent_of, ports_of_sessions
from vibesbox_kernel.sessions.mirror import Ref


class LookingSessions(ManagerPart):
    """The methods of a SessionManager that look at processes and their terminal."""

    _last_look: tuple[Sockets, Mapping[int, str], Mapping[str, tuple[ListeningPort, ...]]] = ({}, {}, {})

    @on_engine
    async def processes(self, ref: Ref, *, awaited: bool = False) -> tuple[ProcessInfo, ...]:
        """The live processes of a session, the leader first; not all if they are very many.

        Args:
            awaited: Only the leader and what it waits for, parents before children: no jobs in the background.
        """
        return processes_of((await self._ask(self._find(ref), "processes", awaited=awaited))["processes"])

    @on_engine
    async def process_tree(self, ref: Ref) -> tuple[ProcessInfo, ...]:
        """As ``processes``, each with its parent: of those whose parent is none of them the tree begins anew.

        Raises:
            SessionEndedError: The session is over.
        """
        found = await self.processes(ref)
        parents = await asyncio.to_thread(lambda: [parent_of(one.pid) for one in found])
        return tuple(
            one.model_copy(update={"parent": parent}) for one, parent in zip(found, parents, strict=True) if parent
        )

    @on_engine
    async def terminal(self, ref: Ref) -> TerminalState:
        """How a session's terminal is set at this moment.

        Raises:
            SessionEndedError: The session is over, or has no terminal.
        """
        answer = await self._ask(self._find(ref), "terminal")
        return TerminalState(rows=answer["rows"], columns=answer["columns"], begins_lines=answer["begins_lines"])

    @on_engine
    async def ports(self, ref: Ref) -> tuple[ListeningPort, ...]:
        """The TCP ports on which a session's processes listen; none once it is over, or where there is no /proc.

        Raises:
            SessionNotFoundError: No session has this pid, id or name.
        """
        session_id = self._find(ref).session_id
        return (await self.all_ports()).get(session_id, ())

    @on_engine
    async def all_ports(self) -> Mapping[str, tuple[ListeningPort, ...]]:
        """The same of every running session, by id; those that listen on none are left out.

        Asked again, it takes a look at processes only if sockets or sessions have changed.
        """
        leaders = {entry.pid: entry.session_id for entry in self.hub.mirror.running() if entry.pid is not None}
        if leaders:
            self._last_look = await asyncio.to_thread(_look, leaders, self._last_look)
            return self._last_look[2]
        return {}


def processes_of(described: Iterable[tuple[int, str]]) -> tuple[ProcessInfo, ...]:
    """Processes as the broker describes them."""
    return tuple(ProcessInfo(pid=pid, command=command) for pid, command in described)


def _look(
    leaders: Mapping[int, str], last: tuple[Sockets, Mapping[int, str], Mapping[str, tuple[ListeningPort, ...]]]
) -> tuple[Sockets, Mapping[int, str], Mapping[str, tuple[ListeningPort, ...]]]:
    sockets = listening_sockets()
    if (sockets, leaders) == last[:2]:
        return last
    return sockets, leaders, ports_of_sessions(sockets, leaders)
