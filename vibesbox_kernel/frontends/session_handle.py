"""What Python code gets of sessions: a handle of one, and the list that ``%ps`` gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.models import ExitStatus, SessionInfo, Usage
from vibesbox_kernel.sessions.lines import OutputLines
from vibesbox_kernel.shell.references import label, with_names
from vibesbox_kernel.shell.table_text import command_line, how_it_ended, html_table, text_table

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from IPython.lib.pretty import RepresentationPrinter

    from vibesbox_kernel.sessions import SessionManager

T = TypeVar("T")


class Session:
    """One session: look at it, wait for it (``session.wait()`` or ``await session``), end it.

    As the value of a notebook's cell it is shown by a line that stays up to date until the session has ended.

    Args:
        manager: Whose session it is.
        session_id: Its id.
        show: Shows it where the user is looking, live; returns whether that can be done there.
    """

    def __init__(
        self, manager: SessionManager, session_id: str, *, show: Callable[[SessionInfo], bool] | None = None
    ) -> None:
        found = manager.get_session(session_id)
        if found is None:
            raise SessionNotFoundError(session_id)
        self._manager = manager
        self._session = found
        self._show = show

    @property
    def info(self) -> SessionInfo:
        """Everything a listing says of it, now."""
        return self._session.info

    @property
    def session_id(self) -> str:
        """A UUID, 36 characters."""
        return self._session.session_id

    @property
    def pid(self) -> int | None:
        """Its first process; None until a queued session starts."""
        return self._session.pid

    @property
    def name(self) -> str | None:
        """The name that it was given, or None."""
        return self._session.name

    @property
    def is_running(self) -> bool:
        """Whether it has started and is not over; a queued session does not run yet."""
        return self._session.is_running

    @property
    def exit_status(self) -> ExitStatus | None:
        """How its first process ended; None as long as it has not, or if it never started."""
        return self._session.exit_status

    @property
    def output(self) -> str:
        """The last mebibyte of its output, so far."""
        return self._session.output_buffer

    def tail(self, lines: int = 10) -> str:
        """The last lines of its output, so far."""
        return self._call(self._manager.tail(self.session_id, lines))

    def lines(self) -> OutputLines:
        """Its output line by line, from the first that is stored, as it comes, until it has ended.

        For ``for line in session.lines()`` and for ``async for``. To stop, by ``break`` or an interrupt, leaves the
        session alone.
        """
        return OutputLines(self._manager, self.session_id)

    def usage(self) -> list[Usage]:
        """How its CPU, memory, storage and output have gone since its start.

        Raises:
            SessionEndedError: It is over, and its figures were not kept.
        """
        return self._call(self._manager.usage(self.session_id))

    def wait(self, timeout: float | None = None) -> SessionInfo:
        """Wait until it is over, every process of it.

        Raises:
            SessionTimeoutError: It has not ended after ``timeout`` seconds; it goes on.
        """
        return self._call(self._manager.wait(self.session_id, timeout))

    def kill(self, *, force: bool = False) -> bool:
        """End every process of it: SIGINT, one second, SIGKILL (with ``force``: SIGKILL now).

        Returns:
            Whether it was running.
        """
        return self._call(self._manager.terminate_session(self.session_id, force=force))

    def interrupt(self) -> None:
        """What Ctrl-C is meant to do: SIGINT to its first process and to what that waits for."""
        self._call(self._manager.interrupt(self.session_id))

    def send(self, text: str, *, eof: bool = False) -> None:
        """Type into it, exactly this text; ``eof`` ends its input."""
        self._call(self._manager.send_input(self.session_id, text, eof=eof))

    def __await__(self) -> Generator[Any, None, SessionInfo]:
        return self._manager.wait(self.session_id).__await__()

    def __repr__(self) -> str:
        info = with_names(self._manager, self.info)
        return f"<Session {label(info)}: {how_it_ended(info)}: {command_line(info.command)[:60]}>"

    def _ipython_display_(self) -> None:
        """Show it live.

        Raises:
            NotImplementedError: It can not be, and IPython shows its ``repr``, as in a terminal.
        """
        if self._show is None or not self._show(self.info):
            raise NotImplementedError

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return self._manager.engine.call(work)


class SessionList(list[SessionInfo]):
    """A list of sessions as they stood when it was made; shown as a table."""

    def __init__(self, sessions: Iterable[SessionInfo]) -> None:
        super().__init__(sessions)
        self._made_at = datetime.now(UTC)

    def _repr_html_(self) -> str:
        return html_table(self, now=self._made_at)

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        table = text_table(self, now=self._made_at, width=shutil.get_terminal_size().columns)
        printer.text(table.rstrip("\n"))  # type: ignore[no-untyped-call]
