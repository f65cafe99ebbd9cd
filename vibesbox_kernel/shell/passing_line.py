"""A line that says how long something takes already while nothing else is to be seen; it is kept nowhere.

In a cell it appears when its session has put out nothing for a while, in ``%wait`` when that lasts. It is only for
people who look on: a front-end that takes no input (nbconvert, papermill) is not shown any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.models import SessionInfo, SessionStatus
from vibesbox_kernel.shell.human import format_duration
from vibesbox_kernel.shell.progress_text import progress_bar
from vibesbox_kernel.shell.references import label

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.conversation import Respondent
    from vibesbox_kernel.shell.settings import Values
    from vibesbox_kernel.shell.sink import OutputSink

LOOK_SECONDS = 1.0
UPDATE_SECONDS = 5.0
"""A page is sent the line so often at most, and more rarely when it has stood for long."""

PROGRESS_SECONDS = 2.0
"""The same where a session says how far it has come; and so soon that is shown."""

_SHARE_OF_TIME = 60
_MOST_NAMED = 3


class _Words(Protocol):
    """Says what the line is to say now; nothing if there is no need for it."""

    def __call__(self) -> str: ...


class PassingLine:
    """Shows what ``words`` says in the last line, from ``begin`` to ``end``. Everything of it runs on the engine.

    Args:
        sink: Where it is shown.
        words: What it says; asked every second.
        update_seconds: How long what is shown stands before it is replaced.
    """

    def __init__(self, sink: OutputSink, words: _Words, *, update_seconds: float = UPDATE_SECONDS) -> None:
        self._sink = sink
        self._words = words
        self._update_seconds = update_seconds
        self._shown = ""
        self._began_at = self._shown_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, look_seconds: float = LOOK_SECONDS) -> None:
        """Look from now on."""
        loop = asyncio.get_running_loop()
        self._began_at = self._shown_at = loop.time()
        self._timer = loop.call_later(look_seconds, self._look, look_seconds)

    def end(self) -> None:
        """It is not needed any more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._show("")

    def _look(self, look_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        try:
            words = self._words()
        except SessionNotFoundError:  # over, and forgotten already
            self.end()
            return
        pause = max(self._update_seconds, (now - self._began_at) / _SHARE_OF_TIME)
        if not words or not self._shown or now - self._shown_at >= pause:
            self._show(words)
            self._shown_at = now
        self._timer = loop.call_later(look_seconds, self._look, look_seconds)

    def _show(self, words: str) -> None:
        if words != self._shown:
            self._shown = words
            self._sink.passing(words)


class Quiet:
    """The words for a session in the foreground that puts out nothing: ``running for 1m 05s, no output for 20 s``.

    Args:
        manager: Whose session it is.
        session_id: The session.
        after: Seconds without output before anything is said.
        clock: Seconds since some fixed moment.
    """

    def __init__(self, manager: SessionManager, session_id: str, *, after: float, clock: Callable[[], float]) -> None:
        self._manager = manager
        self._session_id = session_id
        self._after = after
        self._clock = clock
        self._seen = manager.output_end(session_id)
        self._moved_at = clock()

    def __call__(self) -> str:
        """What is to be said now."""
        info = self._manager.info(self._session_id)
        if info.output_bytes != self._seen:
            self._seen, self._moved_at = info.output_bytes, self._clock()
        quiet = self._clock() - self._moved_at
        after = self._after if info.progress is None else min(self._after, PROGRESS_SECONDS)
        # One that waits for input is shown with a box; of one in a queue that was said.
        busy = info.status is SessionStatus.RUNNING and not info.waiting_for_input
        return _in_brackets(_of_cell(info, quiet)) if busy and quiet >= after else ""


@dataclass(frozen=True)
class Looker:
    """Somebody who looks on while a magic waits.

    Attributes:
        sink: Where a passing line is shown.
        after: Seconds before that; 0 for never.
    """

    sink: OutputSink
    after: float

    def line_for(self, manager: SessionManager, targets: Sequence[SessionInfo]) -> PassingLine:
        """The line for a wait that begins now."""
        clock = asyncio.get_running_loop().time
        begun = clock()

        def words() -> str:
            if not self.after or clock() - begun < self.after:
                return ""
            left = [info for one in targets if (info := manager.info(one.session_id)).ended_at is None]
            return _in_brackets(_of_wait(left)) if left else ""

        return PassingLine(self.sink, words)


def quiet_after(settings: Values, respondent: Respondent | None) -> float:
    """When a cell says that its session is quiet: 0, which is never, if nobody is there who could answer it."""
    return settings.quiet_after if respondent is not None and respondent.can_answer else 0.0


def quiet_line(manager: SessionManager, session_id: str, sink: OutputSink, *, after: float) -> PassingLine | None:
    """The line for a session that somebody waits for, to be begun; None if there shall be none."""
    if not after:
        return None
    clock = asyncio.get_running_loop().time
    return PassingLine(sink, Quiet(manager, session_id, after=after, clock=clock))


def _of_cell(info: SessionInfo, quiet: float) -> str:
    silence = f"no output for {format_duration(quiet)}" if info.output_bytes else "no output yet"
    return ", ".join(filter(None, (progress_bar(info.progress), f"running for {_elapsed(info)}", silence)))


def _of_wait(left: Sequence[SessionInfo]) -> str:
    if len(left) == 1:
        (info,) = left
        facts = ", ".join(filter(None, (progress_bar(info.progress), _for_how_long(info))))
        return f"waiting for {label(info)}: {facts}"
    named = [f"{info.name or info.pid} {progress_bar(info.progress)}".rstrip() for info in left[:_MOST_NAMED]]
    more = [f"{len(left) - _MOST_NAMED} more"] if len(left) > _MOST_NAMED else []
    return f"waiting for {len(left)} sessions: {', '.join([*named, *more])}; the first runs for {_elapsed(left[0])}"


def _for_how_long(info: SessionInfo) -> str:
    return "queued" if info.status is SessionStatus.QUEUED else f"running for {_elapsed(info)}"


def _elapsed(info: SessionInfo) -> str:
    return format_duration(info.elapsed(datetime.now(UTC)).total_seconds())


def _in_brackets(words: str) -> str:
    return f"[vibesbox: {words}]"
