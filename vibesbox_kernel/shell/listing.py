"""``%ps``: which sessions are listed, in which order, once or as they change."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.changes import Changes
from vibesbox_kernel.shell.magic_args import PsArgs
from vibesbox_kernel.shell.references import from_word
from vibesbox_kernel.shell.table_text import Where, html_table, text_table
from vibesbox_kernel.shell.verb_result import Json, VerbResult, plain

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.endings_told import EndingsTold

DEFAULT_WIDTH = 120
ENDED_SHOWN = 5
ENDED_SHOWN_OF_ALL = 20


async def list_sessions(
    manager: SessionManager,
    args: PsArgs,
    *,
    width: int = DEFAULT_WIDTH,
    colour: bool = False,
    endings: EndingsTold | None = None,
) -> VerbResult:
    """``%ps``: the running sessions and the newest ended ones; with ``-a`` those of the user's other programs too.

    The table is bounded, however many have ended; JSON and ``data`` of ``-a`` have them all. What has ended since
    the last table, and was to be told, stands before it.
    """
    await manager.refresh_usage()
    # In a thread: for those of other programs many files are read.
    everything = await asyncio.to_thread(manager.list_sessions, args.all)
    ordered = _living_first(everything) if args.all else _newest(everything)
    data: Json = [plain(info) for info in ordered]
    if args.json:
        return VerbResult(json.dumps(data, indent=2, ensure_ascii=False) + "\n", data=data)
    now = datetime.now(UTC)
    shown = ordered[: _count_living(ordered) + ENDED_SHOWN_OF_ALL] if args.all else ordered
    note = _note_on_hidden(len(everything) - len(shown), args)
    where = _where(manager, shown)
    text = text_table(shown, now=now, width=width, where=where, colour=colour) + (f"{note}\n" if note else "")
    html = html_table(shown, now=now, caption=f"Sessions ({note})" if note else "Sessions", where=where)
    told = endings.take() if endings is not None else ()
    if told:
        news = f"ended since you looked: {'; '.join(told)}"
        text, html = f"{news}\n{text}", f"<p>{escape(news)}</p>{html}"
    return VerbResult(text, html=html, data=data)


class LiveListing:
    """``%ps -f``: the listing as it is now, and then each time that it is another. Its methods run on the engine.

    Args:
        manager: Whose sessions are listed.
        args: Which of them.
    """

    def __init__(self, manager: SessionManager, args: PsArgs) -> None:
        self._manager = manager
        self._args = args
        self._changes = Changes(manager)

    async def next(self, *, width: int, rows: int | None = None, colour: bool = False) -> VerbResult:
        """The listing at once, later when something has happened or a second has passed.

        Args:
            width: Columns that it may take.
            rows: Lines that it may take; what lives comes first, then what ended last.
            colour: Whether its text may have colours.
        """
        await self._changes.wait()
        await self._manager.refresh_usage()
        everything = _living_first(await asyncio.to_thread(self._manager.list_sessions, self._args.all))
        bound = _count_living(everything) + (ENDED_SHOWN_OF_ALL if self._args.all else ENDED_SHOWN)
        shown = everything[: bound if rows is None else max(1, min(bound, rows - 3))]  # caption, headings, what is left
        now, where = datetime.now(UTC), _where(self._manager, shown)
        caption = _counts(everything)
        hidden = len(everything) - len(shown)
        note = f"… and {hidden} more\n" if hidden else ""
        text = text_table(shown, now=now, width=width, where=where, colour=colour)
        html = html_table(shown, now=now, caption=f"{caption}{f' ({note.strip()})' if note else ''}", where=where)
        return VerbResult(f"{caption[:width]}\n{text}{note}", html=html)

    async def aclose(self) -> None:
        """Listen no more."""
        await self._changes.aclose()


def _counts(sessions: Sequence[SessionInfo]) -> str:
    """In a few words how many there are: ``2 running, 1 waiting for input, 5 ended``."""
    counted = Counter(_kind(info) for info in sessions)
    return ", ".join(f"{counted[kind]} {kind}" for kind in _KINDS if counted[kind]) or "no sessions"


_KINDS = ("running", "waiting for input", "queued", "ended")


def _kind(info: SessionInfo) -> str:
    if info.ended_at is not None:
        return "ended"
    if info.waiting_for_input:
        return "waiting for input"
    return "running" if info.is_running else "queued"


def _where(manager: SessionManager, shown: Sequence[SessionInfo]) -> Where | None:
    """Says where each is from, if that is not here for all of them."""
    if all(manager.is_of_here(info.session_id) for info in shown):
        return None
    return lambda info: from_word(info, here=manager.is_of_here(info.session_id))


def _newest(everything: Sequence[SessionInfo]) -> list[SessionInfo]:
    """The running ones and those that ended last, in the order in which they began."""
    ended = sorted((info for info in everything if info.ended_at), key=lambda info: info.ended_at or info.started_at)
    left_out = {info.session_id for info in ended[: max(0, len(ended) - ENDED_SHOWN)]}
    return [info for info in everything if info.session_id not in left_out]


def _living_first(everything: Sequence[SessionInfo]) -> list[SessionInfo]:
    """What lives in the order in which it began, then what ended last, the newest first."""
    ended = [info for info in everything if info.ended_at is not None]
    newest_first = sorted(ended, key=lambda info: info.ended_at or info.started_at, reverse=True)
    return [*(info for info in everything if info.ended_at is None), *newest_first]


def _count_living(sessions: Sequence[SessionInfo]) -> int:
    return sum(info.ended_at is None for info in sessions)


def _note_on_hidden(count: int, args: PsArgs) -> str:
    if not count:
        return ""
    if args.all:
        return f"… and {count} more that {'have' if count > 1 else 'has'} ended"
    return f"{count} more ended: %ps -a"
