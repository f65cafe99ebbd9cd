"""What a table says of one session beneath its row: facts, processes, ports, and its figures as a plot."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.shell.info_text import facts
from vibesbox_kernel.shell.process_names import command_in_words
from vibesbox_kernel.shell.references import from_word, with_names
from vibesbox_kernel.widgets.plots import Plot, plot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vibesbox_kernel.models import ProcessInfo, SessionInfo
    from vibesbox_kernel.sessions import SessionManager

MAX_OPEN = 20
MAX_COMMAND_CHARS = 20_000
MAX_PROCESSES = 200


class Details:
    """The details that pages have open. Belongs to one event loop.

    Args:
        manager: Whose sessions are meant.
        send: Sends a message to the pages.
    """

    def __init__(self, manager: SessionManager, send: Callable[[dict[str, Any]], None]) -> None:
        self._manager = manager
        self._send = send
        self._open: dict[tuple[str, str], None] = {}
        self._sent: dict[str, dict[str, Any]] = {}
        self._plots: dict[str, tuple[SessionInfo, Plot]] = {}

    @property
    def are_open(self) -> bool:
        """Whether any is."""
        return bool(self._open)

    def open(self, view: str, session_id: str) -> None:
        """A page shows the details of a session; of very many the one that was opened first goes."""
        self._open.pop((view, session_id), None)
        self._open[view, session_id] = None
        self._sent.pop(session_id, None)  # whoever opens them knows nothing of them yet
        if len(self._open) > MAX_OPEN:
            self.shut(*next(iter(self._open)))

    def shut(self, view: str, session_id: str) -> None:
        """It does not any more."""
        self._open.pop((view, session_id), None)
        if session_id not in {one for _, one in self._open}:
            self._sent.pop(session_id, None)
            self._plots.pop(session_id, None)

    async def refresh(self) -> None:
        """Send what has changed of what is open."""
        for session_id in dict.fromkeys(one for _, one in self._open):
            try:
                detail = await self._of(session_id)
            except VibesboxError as error:  # it is forgotten, or its broker has just gone
                detail = {"problem": str(error)}
            if detail != self._sent.get(session_id):
                self._sent[session_id] = detail
                self._send({"op": "detail", "id": session_id, **detail})

    async def _of(self, session_id: str) -> dict[str, Any]:
        info = with_names(self._manager, self._manager.info(session_id))
        where = from_word(info, here=self._manager.is_of_here(session_id))
        ports = await self._manager.ports(session_id)
        command = info.command.rstrip("\n")
        return {
            "facts": [one for one in facts(info, datetime.now(UTC), where, ports) if one[0] != "command"],
            "command": command if len(command) <= MAX_COMMAND_CHARS else f"{command[:MAX_COMMAND_CHARS]}…",
            "processes": await self._processes(info),
            "plot": await self._plot(info),
        }

    async def _processes(self, info: SessionInfo) -> list[tuple[int, int, str]]:
        """Depth in the tree, pid and command line."""
        if info.ended_at is not None or info.pid is None:
            return []
        try:
            tree = as_tree(await self._manager.process_tree(info.session_id))[:MAX_PROCESSES]
        except VibesboxError:  # it has just ended
            return []
        return [(depth, one.pid, command_in_words(one, info.pid)) for depth, one in tree]

    async def _plot(self, info: SessionInfo) -> Plot | None:
        known = self._plots.get(info.session_id)
        if known is not None and known[0] is info and info.ended_at is not None:
            return known[1]
        try:
            lines = plot(await self._manager.usage(info.session_id))
        except VibesboxError:  # over, and its broker has forgotten it: what was drawn stands
            return None if known is None else known[1]
        self._plots[info.session_id] = (info, lines)
        return lines


def as_tree(processes: Sequence[ProcessInfo]) -> list[tuple[int, ProcessInfo]]:
    """Each process with its depth, behind its parent; whose parent is none of them stands at the left."""
    pids = {one.pid for one in processes}
    below: dict[int | None, list[ProcessInfo]] = {}
    for one in processes:
        below.setdefault(one.parent if one.parent in pids and one.parent != one.pid else None, []).append(one)
    found: list[tuple[int, ProcessInfo]] = []
    waiting = [(0, one) for one in reversed(below.get(None, []))]
    while waiting:
        depth, one = waiting.pop()
        found.append((depth, one))
        waiting += ((depth + 1, child) for child in reversed(below.get(one.pid, [])))
    return found
