"""What is on disk of all sessions of this user: those of other programs, and of programs that are gone."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from vibesbox_kernel.broker.wire import EXIT_NAME, LOG_NAME, META_NAME, RUN_NAME, SessionRecord
from vibesbox_kernel.models import EndReason
from vibesbox_kernel.sessions.places import Places
from vibesbox_kernel.sessions.spool_reader import SpoolReader

logger = logging.getLogger(__name__)

ATTEMPTS = 10
_FIELDS = frozenset(SessionRecord.__annotations__) - {"progress"}


@dataclass(frozen=True)
class Found:
    """A session as its files tell of it.

    Attributes:
        alive: Its broker lives; otherwise the session is over.
        places: Where that broker can be reached; None if it can not.
    """

    instance: str
    record: SessionRecord
    command: str
    alive: bool
    places: Places | None

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.record["session_id"]

    @property
    def directory(self) -> Path:
        """Where its output and its records are."""
        return Path(self.record["directory"])


def all_sessions(state_root: Path) -> list[Found]:
    """Every session of which anything is stored, in the order of their start."""
    try:
        entries = [entry for entry in state_root.iterdir() if not entry.name.startswith(".")]  # one is being deleted
    except FileNotFoundError:
        return []
    instances = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    found = [one for instance in instances for one in _sessions_of(instance, instance.name)]
    return sorted(found, key=lambda one: one.record["started_at"])


def durable_of(state: Path, instance: str) -> list[Found]:
    """The durable sessions of one instance, in the order of their start."""
    found = [one for one in _sessions_of(state, instance) if one.record["durable"]]
    return sorted(found, key=lambda one: one.record["started_at"])


def command_of(record: SessionRecord) -> str:
    """The whole command of a session; the beginning of it if its file can not be read."""
    facts = _read(Path(record["directory"]) / META_NAME)
    return str(facts["command"]) if facts and "command" in facts else record["command"]


def _sessions_of(state: Path, instance: str) -> Iterator[Found]:
    alive = is_alive(state)
    places = _places(state) if alive else None
    for entry in _entries(state):
        if entry.is_dir(follow_symlinks=False):
            found = _session(Path(entry.path), instance, alive=alive, places=places)
            if found is not None:
                yield found


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except FileNotFoundError:  # deleted meanwhile
        return []


def _session(directory: Path, instance: str, *, alive: bool, places: Places | None) -> Found | None:
    meta, end = _read(directory / META_NAME), _read(directory / EXIT_NAME)
    if meta is None or end is None or not meta.keys() >= _FIELDS:
        return None  # only just being made, or of another version
    command = str(meta["command"])
    record = cast("SessionRecord", {"progress": None, **{name: meta[name] for name in _FIELDS}})
    over = end.get("status") == "over"
    if over or not alive:
        record.update(_how_it_ended(end, record, directory, known=over))
    else:
        record["end_cursor"] = SpoolReader(directory).end()
        record["queued"] = end.get("status") == "queued"
    return Found(instance, record, command, alive, places)


def _how_it_ended(end: dict[str, Any], record: SessionRecord, directory: Path, *, known: bool) -> SessionRecord:
    stored_end = SpoolReader(directory).end()
    ended_at = end.get("ended_at") or _last_written(directory)
    facts: dict[str, Any] = {
        "over": True,
        "drained": True,
        "queued": False,
        "stopped": False,
        "announced": False,
        "client": None,
        "leftovers": [],
        "end_reason": end.get("reason") if known else EndReason.LOST,
        "returncode": end.get("returncode"),
        "exited_cursor": end.get("exited_cursor"),
        "ended_at": ended_at,
        "duration": end.get("duration", max(0.0, ended_at - record["started_at"])),
        "end_cursor": max(end.get("end_cursor") or 0, stored_end),
        "dropped_bytes": end.get("dropped_bytes", record["dropped_bytes"]),
        "usage": end.get("usage", record["usage"]),
        "problem": end.get("problem", record["problem"]),
    }
    return cast("SessionRecord", facts)


def _last_written(directory: Path) -> float:
    return max((entry.stat().st_mtime for entry in _entries(directory)), default=0.0)


def is_alive(state: Path) -> bool:
    """Whether a broker or its guardian lives (or is being swept up): they hold a lock on their log."""
    try:
        with (state / LOG_NAME).open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # locked; or it can not be told, and then nobody may take it for dead
    return False


def _places(state: Path) -> Places | None:
    run = _read(state / RUN_NAME)
    return Places(runtime=Path(str(run["run_directory"])), state=state) if run and "run_directory" in run else None


def _read(path: Path) -> dict[str, Any] | None:
    for _ in range(ATTEMPTS):
        try:
            facts = json.loads(path.read_bytes())
        except OSError:
            return None
        except ValueError:  # it is being written just now
            continue
        return facts if isinstance(facts, dict) else None
    return None
