"""Deleting what ended sessions have left, when the user asks for it: what runs is never touched."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

from vibesbox_kernel.broker.wire import EXIT_NAME, META_NAME
from vibesbox_kernel.errors import InvalidOptionError
from vibesbox_kernel.models import PurgeReport
from vibesbox_kernel.sessions.base import ManagerPart
from vibesbox_kernel.sessions.hub import on_engine
from vibesbox_kernel.sessions.places import state_root
from vibesbox_kernel.sessions.retention import Remains, delete, is_of_another_host, locked, measure

PURGE_SECONDS = 24 * 3600.0
"""What has ended more recently is kept, unless the user says otherwise."""


class PurgingSessions(ManagerPart):
    """The method of a SessionManager that deletes what ended sessions have left."""

    @on_engine
    async def purge(self, older_than: float = PURGE_SECONDS, *, dry_run: bool = False) -> PurgeReport:
        """Delete records and output of sessions that have ended: ours, and those of programs that are gone.

        Sessions of other living programs are theirs, and what has not ended stays, whatever its age.

        Args:
            older_than: Only what ended at least so many seconds ago; 0 for all of it.
            dry_run: Only say what would be deleted.

        Raises:
            InvalidOptionError: The age is negative.
        """
        if not older_than >= 0:
            raise InvalidOptionError("older_than", older_than, "a number of seconds, 0 or more")
        before = time.time() - older_than if older_than else float("inf")
        root = state_root()
        gone = await asyncio.to_thread(_purge_the_dead, root, before, dry_run=dry_run)
        ours = await asyncio.to_thread(_ended_in, self.hub.places.state)
        return _sum(dry_run, gone, self._purge_ours(ours, root, before, dry_run=dry_run))

    def _purge_ours(
        self, ours: list[Remains], root: Path, before: float, *, dry_run: bool
    ) -> list[tuple[Remains, bool]]:
        chosen = []
        for one in ours:
            entry = self.hub.mirror.by_id(one.directory.name)
            in_use = entry is not None and (not entry.over or self.hub.mirror.is_held(entry.session_id))
            if not in_use:
                is_old = one.last_used < before
                chosen.append((one, is_old))
                if is_old and not dry_run and delete(one.directory, root) and entry is not None:
                    self.hub.forget(entry)
        return chosen


def _purge_the_dead(root: Path, before: float, *, dry_run: bool) -> list[tuple[Remains, bool]]:
    """Every session of programs that are gone, and whether it was old enough."""
    chosen = []
    for instance in _directories(root):
        with locked(instance) as is_dead:
            if not is_dead or is_of_another_host(instance):
                continue
            sessions = [(one, one.last_used < before) for one in map(measure, _sessions(instance))]
            chosen += sessions
            if dry_run:
                continue
            if all(is_old for _, is_old in sessions):
                delete(instance, root)
                continue
            for one, is_old in sessions:
                if is_old:
                    delete(one.directory, root)
    return chosen


def _ended_in(state: Path) -> list[Remains]:
    """The sessions of a living program that are over."""
    return [measure(directory) for directory in _sessions(state) if _is_over(directory)]


def _sessions(instance: Path) -> list[Path]:
    return [directory for directory in _directories(instance) if (directory / META_NAME).exists()]


def _directories(parent: Path) -> Iterator[Path]:
    try:
        entries = sorted(parent.iterdir())
    except FileNotFoundError:
        return
    yield from (one for one in entries if one.is_dir() and not one.is_symlink() and not one.name.startswith("."))


def _is_over(directory: Path) -> bool:
    try:
        end = json.loads((directory / EXIT_NAME).read_bytes())
    except (OSError, ValueError):  # not there, or just being written
        return False
    return isinstance(end, dict) and end.get("status") == "over"


def _sum(dry_run: bool, *parts: list[tuple[Remains, bool]]) -> PurgeReport:
    chosen = [one for part in parts for one in part]
    old = [remains for remains, is_old in chosen if is_old]
    left = [] if dry_run else [remains for remains in old if remains.directory.exists()]
    gone = [remains for remains in old if remains not in left]
    return PurgeReport(
        sessions=len(gone),
        freed_bytes=sum(remains.size for remains in gone),
        kept=len(chosen) - len(old),
        failed=tuple(str(remains.directory) for remains in left),
        dry_run=dry_run,
    )
