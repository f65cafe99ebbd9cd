"""The live views that a front door shows in its cells."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from vibesbox_kernel.errors import NoTerminalError, SessionNotFoundError
from vibesbox_kernel.shell.endings_told import ending_words
from vibesbox_kernel.shell.info_text import describe
from vibesbox_kernel.shell.references import from_word, label, latest
from vibesbox_kernel.shell.table_text import how_it_ended, html_table, session_row, text_table
from vibesbox_kernel.widgets.log_picture import LogPicture
from vibesbox_kernel.widgets.log_view import LogView
from vibesbox_kernel.widgets.notice import NoticeView
from vibesbox_kernel.widgets.rows import select
from vibesbox_kernel.widgets.shell_hands import ShellHands
from vibesbox_kernel.widgets.static_view import Publish, show_live
from vibesbox_kernel.widgets.table import SessionTable
from vibesbox_kernel.widgets.terminal_lead import Leads
from vibesbox_kernel.widgets.terminal_offer import show_offer
from vibesbox_kernel.widgets.terminal_view import TerminalView

if TYPE_CHECKING:
    from vibesbox_kernel.models import SessionInfo
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.runner import CellRunner
    from vibesbox_kernel.shell.sink import OutputSink
    from vibesbox_kernel.widgets.live import LiveWidget

RUNNING_LIMIT = 1000
ENDED_LIMIT = 100
ALL_LIMIT = 1000
PICTURE_LINES = 10
PICTURE_RUNNING_LIMIT = 100
PICTURE_ENDED_LIMIT = 20
"""The live table shows its rows page by page; a picture has them all at once."""


class Views:
    """Shows live views, each with a static picture beside it, and closes them in the end.

    Args:
        manager: Whose sessions are shown.
        width: Says how many columns a picture as text may take.
        runner: The notebook's shell, where there is one: its cells are sent to the background and run again.
    """

    def __init__(self, manager: SessionManager, width: Callable[[], int], *, runner: CellRunner | None = None) -> None:
        self._manager = manager
        self._width = width
        self._runner = runner
        self._shown: WeakSet[LiveWidget] = WeakSet()
        self._leads = Leads()

    def show_table(self, publish: Publish, *, everything: bool = False, sink: OutputSink | None = None) -> SessionTable:
        """Show the process table.

        Args:
            publish: Shows an output in the right cell.
            everything: Show the ended sessions too, not only the last.
            sink: Where the output of a session goes that is brought back to the foreground.
        """
        limits = (ALL_LIMIT, ALL_LIMIT) if everything else (RUNNING_LIMIT, ENDED_LIMIT)
        in_picture = (ALL_LIMIT, ALL_LIMIT) if everything else (PICTURE_RUNNING_LIMIT, PICTURE_ENDED_LIMIT)

        def pictured() -> tuple[SessionInfo, ...]:
            sessions = self._manager.list_sessions()
            return select(sessions, running_limit=in_picture[0], ended_limit=in_picture[1]).shown

        table = self._new_table(publish, sink, running_limit=limits[0], ended_limit=limits[1])
        show_live(
            table,
            publish,
            self._manager.engine.loop,
            text=lambda: text_table(pictured(), now=datetime.now(UTC), width=self._width()),
            html=lambda: html_table(pictured(), now=datetime.now(UTC), caption="Processes"),
        )
        return table

    def show_info(self, publish: Publish, session_id: str, *, sink: OutputSink | None = None) -> SessionTable:
        """Show one session with its details, live.

        Args:
            publish: Shows an output in the right cell.
            session_id: Which session.
            sink: As for ``show_table``.

        Raises:
            SessionNotFoundError: There is no such session.
        """
        info = self._manager.info(session_id)

        def described() -> tuple[str, str]:
            known = latest(self._manager, info)
            where = from_word(known, here=self._manager.is_of_here(session_id))
            return describe(known, datetime.now(UTC), where=where)

        table = self._new_table(publish, sink, only=session_id)
        show_live(
            table,
            publish,
            self._manager.engine.loop,
            text=lambda: described()[0],
            html=lambda: described()[1],
        )
        return table

    def _new_table(self, publish: Publish, sink: OutputSink | None, **options: Any) -> SessionTable:
        async def open_view(kind: str, session_id: str) -> None:
            if kind == "log":
                await self.show_log(publish, session_id)
            else:
                await self.show_terminal(publish, session_id)

        table = SessionTable(
            self._manager,
            describe=session_row,
            hands=None if self._runner is None else ShellHands(self._manager, self._runner, sink),
            open_view=open_view,
            **options,
        )
        self._shown.add(table)
        return table

    async def show_terminal(self, publish: Publish, session_id: str) -> TerminalView:
        """Show a terminal on a session.

        Args:
            publish: Shows an output in the right cell.
            session_id: The session.

        Raises:
            SessionNotFoundError: There is no such session.
            NoTerminalError: It was started without a terminal.
        """
        info = self._manager.info(session_id)
        if not info.io.is_terminal:
            raise NoTerminalError(label(info), info.io)
        terminal = TerminalView(self._manager, info.session_id, leads=self._leads)
        await terminal.note_last_lines()
        show_live(
            terminal,
            publish,
            self._manager.engine.loop,
            text=lambda: terminal.picture,
            html=lambda: terminal.picture_html,
        )
        self._shown.add(terminal)
        return terminal

    async def show_log(self, publish: Publish, session_id: str, *, lines: int = PICTURE_LINES) -> LogView:
        """Show the log of a session, at its end.

        Args:
            publish: Shows an output in the right cell.
            session_id: The session: one of the manager's, or one that it has attached to.
            lines: How many lines the static picture has at most.

        Raises:
            SessionNotFoundError: There is no such session.
        """
        picture = LogPicture(self._manager, session_id, lines=lines)
        await picture.read()
        log = LogView(self._manager, session_id, name=label, word=how_it_ended, picture=picture)
        show_live(log, publish, self._manager.engine.loop, text=picture.text, html=picture.html)
        self._shown.add(log)
        return log

    def show_notice(self, publish: Publish, session_id: str) -> None:
        """Show that the browser tells of a session's end, and have it do so.

        Args:
            publish: Shows an output in the right cell.
            session_id: The session.
        """
        with contextlib.suppress(SessionNotFoundError):  # it is over, and forgotten
            notice = NoticeView(self._manager, session_id, name=label, words=ending_words)
            show_live(
                notice,
                publish,
                self._manager.engine.loop,
                text=lambda: notice.picture,
                html=lambda: f"<p>{escape(notice.picture)}</p>",
            )
            self._shown.add(notice)

    def offer_terminal(self, publish: Publish, session_id: str) -> None:
        """Show a button that opens a terminal on a session; it goes when the session ends, if nobody has pressed it.

        Args:
            publish: Shows an output in the right cell.
            session_id: The session; it has a terminal.
        """
        with contextlib.suppress(SessionNotFoundError):  # it is over, and forgotten
            info = self._manager.info(session_id)
            terminal = TerminalView(self._manager, info.session_id, leads=self._leads, folded=True)
            show_offer(terminal, publish, self._manager.engine.loop)
            self._shown.add(terminal)

    def close(self) -> None:
        """Close every view that is still there."""
        for view in list(self._shown):
            view.close()
