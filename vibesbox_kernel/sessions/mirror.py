"""What this process knows of its sessions, fed by the broker's events; readable from any thread."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vibesbox_kernel.broker.wire import SessionRecord
from vibesbox_kernel.errors import AmbiguousReferenceError, SessionNotFoundError
from vibesbox_kernel.models import EndReason, ExitStatus, IoMode, SessionInfo, SessionStatus
from vibesbox_kernel.sessions.spool_reader import SpoolReader
from vibesbox_kernel.sessions.text_output import TextOutput

if TYPE_CHECKING:
    from vibesbox_kernel.sessions.command_session import CommandSession

Ref = int | str
"""A pid, a session id, a unique prefix of one, or a name."""


@dataclass(eq=False)
class Entry:
    """One session as last heard of.

    Attributes:
        command: The whole command; the record's own is cut short.
        waiters: Futures of the engine's loop that the next news resolve.
        text: The one consuming reader, of ``read_output``.
        handle: What ``get_session`` gives out: the same object as long as anybody holds it.
    """

    record: SessionRecord
    command: str
    spool: SpoolReader
    text: TextOutput
    handle: weakref.ref[CommandSession] | None = None
    cpu: float | None = None
    rss: int | None = None
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.record["session_id"]

    @property
    def pid(self) -> int:
        """The leader's pid."""
        return self.record["pid"]

    @property
    def over(self) -> bool:
        """Whether leader and tree are gone."""
        return self.record["over"]

    @property
    def exit_status(self) -> ExitStatus | None:
        """How the leader ended, once known."""
        returncode = self.record["returncode"]
        return None if returncode is None else ExitStatus.from_returncode(returncode)

    def info(self) -> SessionInfo:
        """The public description."""
        record, status = self.record, self.exit_status
        reason = EndReason(record["end_reason"]) if record["end_reason"] else None
        ended_at = record["ended_at"]
        return SessionInfo(
            session_id=self.session_id,
            pid=self.pid,
            command=self.command,
            name=record["name"],
            status=reason.status if reason else SessionStatus.RUNNING,
            end_reason=reason,
            exit_code=status.code if status else None,
            signal=status.signal if status else None,
            started_at=_aware(record["started_at"]),
            ended_at=None if ended_at is None else _aware(ended_at),
            duration=None if ended_at is None else max(0.0, ended_at - record["started_at"]),
            cwd=record["cwd"],
            owner=record["owner"],
            io=IoMode(record["io"]),
            cpu=self.cpu,
            rss=None if self.over else self.rss,
            output_bytes=record["end_cursor"],
            dropped_bytes=record["dropped_bytes"],
            leftovers=tuple(record["leftovers"]),
        )


class Mirror:
    """The sessions of one manager, oldest first; the ended ones bounded in number.

    All changes come from the engine's thread; reads may come from anywhere.
    """

    def __init__(self, max_completed: int) -> None:
        self._max_completed = max_completed
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries.values()))

    def by_id(self, session_id: str) -> Entry | None:
        """Exactly this session."""
        return self._entries.get(session_id)

    def put(self, record: SessionRecord, command: str) -> Entry:
        """Know a session, or replace what is known of it."""
        with self._lock:
            entry = self._entries.get(record["session_id"])
            if entry is None:
                spool = SpoolReader(Path(record["directory"]))
                entry = Entry(record, command, spool, TextOutput(spool))
                self._entries[record["session_id"]] = entry
            else:
                entry.record = record
        return entry

    def ended(self, entry: Entry) -> list[Entry]:
        """A session is over; returns those that are forgotten for it."""
        with self._lock:
            self._ended[entry.session_id] = None
            forgotten = []
            while len(self._ended) > self._max_completed:
                session_id, _ = self._ended.popitem(last=False)
                forgotten.append(self._entries.pop(session_id))
        return forgotten

    def running(self) -> list[Entry]:
        """Those that are not over, in the order of their start."""
        return [entry for entry in self if not entry.over]

    def completed(self) -> list[Entry]:
        """Those that are over, in the order of their end."""
        with self._lock:
            return [self._entries[session_id] for session_id in self._ended]

    def find(self, ref: Ref) -> Entry:
        """The session that a reference means: running before ended, newer before older.

        Raises:
            SessionNotFoundError: None; names those that there are.
            AmbiguousReferenceError: A prefix of several ids.
        """
        newest_first = [*reversed(self.running()), *reversed(self.completed())]
        text = str(ref)
        if text.isdigit():
            by_pid = next((entry for entry in newest_first if entry.pid == int(text)), None)
            if by_pid is not None:
                return by_pid
        if isinstance(ref, str) and ref:
            for entry in newest_first:
                if entry.session_id == ref or entry.record["name"] == ref:
                    return entry
            fitting = [entry for entry in newest_first if entry.session_id.startswith(ref)]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                raise AmbiguousReferenceError(ref, [entry.session_id for entry in fitting])
        raise SessionNotFoundError(ref, [_known_as(entry) for entry in newest_first])


def _known_as(entry: Entry) -> str:
    name = entry.record["name"]
    return f"{entry.pid} ({name})" if name else str(entry.pid)


def _aware(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
