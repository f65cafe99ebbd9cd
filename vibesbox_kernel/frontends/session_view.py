"""A line of a notebook that says how one session is, and stays up to date until that has ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING
from uuid import uuid4

from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.frontends.ipython_output import publish
from vibesbox_kernel.models import EndReason, SessionInfo
from vibesbox_kernel.shell.ansi import OutputFilter, without_styles
from vibesbox_kernel.shell.changes import Changes
from vibesbox_kernel.shell.references import label, with_names
from vibesbox_kernel.shell.table_text import command_line, how_it_ended, one_line, session_row

if TYPE_CHECKING:
    from vibesbox_kernel.frontends.cell_output import CellOutput
    from vibesbox_kernel.sessions import SessionManager

MAX_LIVE = 20
"""More are shown as they are when they are shown, and change no more: a page bears so many messages only."""

_LAST_LINE_CHARS = 160
_COMMAND_CHARS = 60
_DOT = '<span aria-hidden="true" style="color:var({colour})">\u25cf</span>'
_GREEN, _YELLOW = "--jp-success-color1, green", "--jp-warn-color1, orange"
_RED, _GREY = "--jp-error-color1, red", "--jp-ui-font-color2, gray"


class SessionViews:
    """Shows sessions in cells, and keeps them up to date.

    Args:
        manager: Whose sessions they are.
    """

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._live: set[asyncio.Task[None]] = set()

    def show(self, info: SessionInfo, output: CellOutput) -> None:
        """Show one where the caller's output goes; what comes of it later goes to the cell.

        Args:
            info: The session.
            output: The cell.

        Raises:
            SessionNotFoundError: It is remembered no more.
            BrokerError: The sessions' manager is closed.
        """
        place = f"vb-session-{uuid4().hex[:12]}"
        shown = self._manager.engine.call(self._draw(info.session_id))
        publish(shown, transient={"display_id": place})
        self._manager.engine.post(self._keep, info.session_id, output, place, shown)

    def close(self) -> None:
        """Leave everything as it is shown now."""
        self._manager.engine.post(self._cancel)

    def _keep(self, session_id: str, output: CellOutput, place: str, shown: dict[str, str]) -> None:
        if len(self._live) < MAX_LIVE:
            keep_up = self._keep_up(session_id, output, place, shown)
            task = self._manager.engine.start(keep_up, name="vibesbox-view")
            self._live.add(task)
            task.add_done_callback(self._live.discard)

    async def _keep_up(self, session_id: str, output: CellOutput, place: str, shown: dict[str, str]) -> None:
        changes, over = Changes(self._manager, session_id), False
        try:
            while not over:
                await changes.wait()
                await self._manager.refresh_usage()
                over = self._manager.info(session_id).ended_at is not None
                now = await self._draw(session_id)
                if now != shown:
                    output.display(now, display_id=place, update=True)
                    shown = now
        except SessionNotFoundError:
            return  # it has been forgotten, with everything that could be said of it
        finally:
            await changes.aclose()

    async def _draw(self, session_id: str) -> dict[str, str]:
        info = with_names(self._manager, self._manager.info(session_id))
        last = await self._manager.tail(session_id, 1)
        return describe(info, datetime.now(UTC), last_line=_plain(last))

    def _cancel(self) -> None:
        for task in self._live:
            task.cancel()


def describe(info: SessionInfo, now: datetime, *, last_line: str = "") -> dict[str, str]:
    """One session in a line, as a MIME bundle of HTML that needs no script and of text.

    Args:
        info: The session.
        now: The time at which elapsed times are taken.
        last_line: The last line of its output, without colours.
    """
    row = session_row(info, now)
    figures = (row.elapsed, row.cpu and f"CPU {row.cpu}", row.memory, f"{row.output} of output", row.progress)
    facts = [how_it_ended(info, now), *figures]
    words, command = " \u00b7 ".join(filter(None, facts)), command_line(info.command)
    said = f"<br><code>{escape(last_line)}</code>" if last_line else ""
    html = (
        f'<div class="vibesbox-session">{_DOT.format(colour=_colour(info))} <b>{escape(label(info))}</b>'
        f" {escape(words)} <code>{escape(_cut(command))}</code>{said}</div>"
    )
    text = f"{label(info)}: {words}: {command}" + (f"\n{last_line}" if last_line else "")
    return {"text/plain": text, "text/html": html}


def _cut(command: str) -> str:
    return command if len(command) <= _COMMAND_CHARS else f"{command[: _COMMAND_CHARS - 1]}…"


def _plain(line: str) -> str:
    """The end of a line of output as it reads now: without colours, and without what it has overwritten."""
    shown = without_styles(OutputFilter().feed(line.encode("utf-8", "replace"), final=True))
    return one_line(shown.rstrip().rpartition("\r")[2][-_LAST_LINE_CHARS:])


def _colour(info: SessionInfo) -> str:
    if info.ended_at is None:
        return _YELLOW if info.waiting_for_input or not info.is_running else _GREEN
    return _GREY if info.end_reason is EndReason.EXITED and info.exit_code == 0 else _RED
