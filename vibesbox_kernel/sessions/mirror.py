"""What this process knows of its sessions, fed by the broker's events; readable from any thread."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.broker.wire import SessionRecord
from vibesbox_kernel.errors import AmbiguousReferenceError, SessionNotFoundError
from vibesbox_kernel.models import (
    EndReason,
    ExitStatus,
    InputKind,
    IoMode,
    Progress,
    ProgressState,
    SessionInfo,
    SessionPolicy,
    SessionStatus,
)
from vibesbox_kernel.sessions.spool_reader import SpoolReader
from vibesbox_kernel.sessions.text_output import TextOutput

if TYPE_CHECKING:
    from vibesbox_kernel.sessions.command_session import CommandSession

Ref = int | str
"""A pid, a session id, a unique prefix of one, or a name."""

NO_POLICY = SessionPolicy()
MAX_ELSEWHERE = 100
"""Ended sessions of other programs that are remembered."""


@dataclass(eq=False)
class Entry:
    """One session as last heard of.

    Attributes:
        command: The whole command; the record's own is cut short.
        instance: Whose broker has it.
        waiters: What the next news resolve: futures of the engine's loop, or promises to other threads.
        text: The one consuming reader, of ``read_output``.
        pids: Its leaders: several, if it was started again.
        ours: We own it, or did.
        typists: At how many terminals somebody types into it directly.
        let_go: It goes on without us, and nothing more is heard of it.
        handle: What ``get_session`` gives out: the same object as long as anybody holds it.
    """

    record: SessionRecord
    command: str
    instance: str
    spool: SpoolReader
    text: TextOutput
    handle: weakref.ref[CommandSession] | None = None
    usage: list[float] | None = None
    pids: tuple[int, ...] = ()
    ours: bool = False
    typists: int = 0
    let_go: bool = False
    waiters: set[asyncio.Future[None] | Future[None]] = field(default_factory=set)
    _described: tuple[SessionRecord, list[float] | None, SessionInfo] | None = None

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.record["session_id"]

    @property
    def pid(self) -> int | None:
        """The leader's pid; None while it is queued, or if it never started."""
        return self.record["pid"]

    @property
    def known_as(self) -> str:
        """How people may call it: its pid if it has one, with its name."""
        ref, name = str(self.pid or self.session_id[:8]), self.record["name"]
        return f"{ref} ({name})" if name else ref

    @property
    def stored_bytes(self) -> int:
        """How much of its output is on disk."""
        return self.record["end_cursor"] - self.record["dropped_bytes"]

    @property
    def over(self) -> bool:
        """Whether leader and tree are gone."""
        return self.record["over"]

    @property
    def queued(self) -> bool:
        """Whether it waits for its turn."""
        return _status(self.record) is SessionStatus.QUEUED

    @property
    def figures(self) -> dict[str, Any]:
        """What its tree uses, as ``SessionInfo`` names it; nothing while that is not known."""
        return _figures(self.record, self.usage)

    @property
    def input_kind(self) -> InputKind | None:
        """What kind of input it waits for, if it does."""
        return _input_kind(self.record)

    @property
    def exit_status(self) -> ExitStatus | None:
        """How the leader ended, once known."""
        return _exit_status(self.record)

    @property
    def end_reason(self) -> EndReason | None:
        """Why it is over; None while it is not."""
        return _end_reason(self.record)

    def put_out(self, end: int, dropped: int) -> None:
        """Take in how far its output has come."""
        # A new record, not the old one changed: other threads may be reading that.
        self.record = {**self.record, "end_cursor": end, "dropped_bytes": dropped}

    def wake(self) -> None:
        """Wake who waits for news; called on the engine's thread, after these were taken in."""
        for waiter in tuple(self.waiters):
            self.waiters.discard(waiter)
            if not isinstance(waiter, Future):
                if not waiter.done():
                    waiter.set_result(None)
            elif waiter.set_running_or_notify_cancel():
                waiter.set_result(None)

    def info(self) -> SessionInfo:
        """The public description: the same object until something is heard of the session."""
        # News replace record and figures and never change them, so who they are says whether there were any.
        record, usage, described = self.record, self.usage, self._described
        if described is None or described[0] is not record or described[1] is not usage:
            described = self._described = (record, usage, self._describe(record, usage))
        return described[2]

    def _describe(self, record: SessionRecord, usage: list[float] | None) -> SessionInfo:
        status = _exit_status(record)
        ended_at = record["ended_at"]
        return SessionInfo(
            session_id=record["session_id"],
            pid=record["pid"],
            command=self.command,
            name=record["name"],
            status=_status(record),
            end_reason=_end_reason(record),
            exit_code=status.code if status else None,
            signal=status.signal if status else None,
            started_at=_aware(record["started_at"]),
            ended_at=None if ended_at is None else _aware(ended_at),
            duration=record["duration"],
            cwd=record["cwd"],
            owner=record["owner"],
            owned=record["client"] is not None and not record["over"],
            instance=self.instance,
            durable=record["durable"],
            io=IoMode(record["io"]),
            policy=SessionPolicy(**record["policy"]) if record["policy"] else NO_POLICY,
            restarts=record["restarts"],
            restart_at=None if record["restart_at"] is None else _aware(record["restart_at"]),
            waiting_for_input=_input_kind(record) is not None,
            input_kind=_input_kind(record),
            problem=record["problem"],
            progress=_progress(record),
            **_figures(record, usage),
            output_bytes=record["end_cursor"],
            dropped_bytes=record["dropped_bytes"],
            leftovers=tuple(record["leftovers"]),
        )


class Mirror:
    """The sessions of one manager, oldest first; the ended ones bounded in number and in stored bytes.

    All changes come from the engine's thread; reads may come from anywhere.
    """

    def __init__(self, home: str, max_completed: int, max_completed_bytes: int) -> None:
        self._home = home
        self._max_completed = max_completed
        self._max_completed_bytes = max_completed_bytes
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._ended_elsewhere: OrderedDict[str, None] = OrderedDict()
        self._by_pid: dict[int, tuple[Entry, ...]] = {}  # a pid may be another session's once its process is gone

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries.values()))

    def by_id(self, session_id: str) -> Entry | None:
        """Exactly this session."""
        return self._entries.get(session_id)

    def require(self, session_id: str) -> Entry:
        """Exactly this session, which is known."""
        return self._entries[session_id]

    def put(self, record: SessionRecord, command: str, instance: str) -> Entry:
        """Know a session, or replace what is known of it."""
        with self._lock:
            entry = self._entries.get(record["session_id"])
            if entry is None:
                spool = SpoolReader(Path(record["directory"]), split=IoMode(record["io"]).is_split)
                entry = Entry(record, command, instance, spool, TextOutput(spool))
                self._entries[record["session_id"]] = entry
                self._list_pid(entry)
            elif entry.pid == record["pid"]:
                entry.record = record
            else:  # it has left the queue, or was started again: who knows it by its first pid still finds it
                entry.record = record
                self._list_pid(entry)
        return entry

    def ended(self, entry: Entry) -> list[Entry]:
        """A session is over; returns those that are forgotten for it."""
        with self._lock:
            kind = self._ended if entry.instance == self._home else self._ended_elsewhere
            kind[entry.session_id] = None
            return self._trim()

    def hold(self, session_id: str) -> None:
        """Do not forget a session, though it may be over, before ``release``."""
        with self._lock:
            self._held[session_id] += 1

    def is_held(self, session_id: str) -> bool:
        """Whether somebody must not miss a session yet, though it may be over."""
        with self._lock:
            return session_id in self._held

    def forget(self, entry: Entry) -> None:
        """Forget a session that is over."""
        with self._lock:
            self._remove(entry)

    def release(self, session_id: str) -> list[Entry]:
        """It may be forgotten again; returns those that are."""
        with self._lock:
            self._held[session_id] -= 1
            if not self._held[session_id]:
                del self._held[session_id]
            return self._trim()

    def let_go(self, entry: Entry) -> None:
        """Forget a session that goes on without us, and tell who waits for it."""
        with self._lock:
            self._remove(entry)
        entry.let_go = True
        entry.wake()

    def _trim(self) -> list[Entry]:
        """Forget the oldest that are over, until few enough are left; those of others never count against ours."""
        ours = [self._entries[session_id] for session_id in self._ended]
        stored = sum(entry.stored_bytes for entry in ours)
        too_many = len(ours) - self._max_completed
        forgotten: list[Entry] = []
        for entry in ours:
            if too_many <= 0 and stored <= self._max_completed_bytes:
                break
            if entry.session_id not in self._held:
                forgotten.append(entry)
                too_many, stored = too_many - 1, stored - entry.stored_bytes
        others = list(self._ended_elsewhere)
        forgotten += [self._entries[session_id] for session_id in others[: max(0, len(others) - MAX_ELSEWHERE)]]
        for entry in forgotten:
            self._remove(entry)
        return forgotten

    def _remove(self, entry: Entry) -> None:
        self._entries.pop(entry.session_id, None)
        self._ended.pop(entry.session_id, None)
        self._ended_elsewhere.pop(entry.session_id, None)
        for pid in entry.pids:
            others = tuple(one for one in self._by_pid.pop(pid, ()) if one is not entry)
            if others:
                self._by_pid[pid] = others

    def _list_pid(self, entry: Entry) -> None:
        if entry.pid is not None and entry.pid not in entry.pids:
            entry.pids = (*entry.pids, entry.pid)
            self._by_pid[entry.pid] = (*self._by_pid.get(entry.pid, ()), entry)

    def running(self) -> list[Entry]:
        """Those that are not over, in the order of their start."""
        return [entry for entry in self if not entry.over]

    def completed(self) -> list[Entry]:
        """Those that are over, in the order of their end."""
        with self._lock:
            ended = [self._entries[session_id] for session_id in (*self._ended, *self._ended_elsewhere)]
        return sorted(ended, key=lambda entry: entry.record["ended_at"] or 0.0)

    def find(self, ref: Ref) -> Entry:
        """The session that a reference means: running before ended, newer before older.

        Raises:
            SessionNotFoundError: None; names those that there are.
            AmbiguousReferenceError: A prefix of several ids.
        """
        found = self._find_exactly(ref)
        return self._search(ref) if found is None else found

    def _find_exactly(self, ref: Ref) -> Entry | None:
        """By the whole id, or a pid that only one session has had: without a look at all of them."""
        if isinstance(ref, str) and not ref.isdecimal():
            return self._entries.get(ref)
        with_pid = self._by_pid.get(int(ref), ())
        return with_pid[0] if len(with_pid) == 1 else None

    def _search(self, ref: Ref) -> Entry:
        newest_first = [*reversed(self.running()), *reversed(self.completed())]
        return choose(ref, sorted(newest_first, key=lambda entry: entry.instance != self._home))


def choose(ref: Ref, entries: Sequence[Entry]) -> Entry:
    """The first session that a reference means: by pid, whole id or name, or by the beginning of an id.

    Raises:
        SessionNotFoundError: None; names those that there are.
        AmbiguousReferenceError: A prefix of several ids.
    """
    text = str(ref)
    if text.isdecimal():
        by_pid = next((entry for entry in entries if int(text) in entry.pids), None)
        if by_pid is not None:
            return by_pid
    if isinstance(ref, str) and ref:
        for entry in entries:
            if ref in (entry.session_id, entry.record["name"]):
                return entry
        fitting = [entry for entry in entries if entry.session_id.startswith(ref)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise AmbiguousReferenceError(ref, [entry.session_id for entry in fitting])
    living = [entry for entry in entries if not entry.over]
    known = [*living, *(entry for entry in entries if entry.over)]
    raise SessionNotFoundError(ref, [entry.known_as for entry in known], living=len(living))


def _exit_status(record: SessionRecord) -> ExitStatus | None:
    returncode = record["returncode"]
    return None if returncode is None else ExitStatus.from_returncode(returncode)


def _end_reason(record: SessionRecord) -> EndReason | None:
    return EndReason(record["end_reason"]) if record["end_reason"] else None


def _input_kind(record: SessionRecord) -> InputKind | None:
    kind = record.get("waits_for")  # a record on disk may be of a version that did not know it
    return None if kind is None else InputKind(kind)


def _progress(record: SessionRecord) -> Progress | None:
    told = record.get("progress")  # a broker that lives on may be of a version that did not know it
    if told is None or record["over"]:
        return None
    return Progress(state=ProgressState(told["state"]), fraction=told["fraction"], text=told["text"])


def _status(record: SessionRecord) -> SessionStatus:
    reason = _end_reason(record)
    if reason is not None:
        return reason.status
    return SessionStatus.QUEUED if record["queued"] else SessionStatus.RUNNING


def _figures(record: SessionRecord, newest: list[float] | None) -> dict[str, Any]:
    """What its tree uses: the newest that was asked for, or what the record says at its end."""
    over = record["over"]
    figures = record["usage"] if over or newest is None else newest
    if figures is None:
        return {}
    cpu, rss, peak_rss, processes, read_bytes, written_bytes = figures
    alive = {} if over else {"rss": int(rss), "processes": int(processes)}
    return {
        "cpu": cpu,
        "peak_rss": int(peak_rss),
        "read_bytes": int(read_bytes),
        "written_bytes": int(written_bytes),
        **alive,
    }


def _aware(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
