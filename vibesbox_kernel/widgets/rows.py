"""What the process table shows of each session: plain values, ready to be written into cells.

Everything is worded before it is sent and not in the browser, so that a change nobody could see (a few
bytes of memory, say) is no change at all and sends no message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypedDict

from vibesbox_kernel.models import EndReason, SessionInfo, SessionStatus

TITLE_LIMIT_CHARS = 1000
"""Longest command that is sent whole; nobody reads more in a tooltip, and every update carries it."""


_FAILURES = frozenset({EndReason.TIMED_OUT, EndReason.MEMORY_LIMIT})
"""Ends that nobody asked for, though the session did not come to them by itself."""


class Words(Protocol):
    """A session in words, as every table of sessions has them."""

    @property
    def name(self) -> str:
        """Its name, or nothing."""

    @property
    def pid(self) -> str:
        """Its leader's pid."""

    @property
    def status(self) -> str:
        """How it stands."""

    @property
    def exit(self) -> str:
        """How its leader ended, or nothing."""

    @property
    def elapsed(self) -> str:
        """How long it has run, or did run."""

    @property
    def cpu(self) -> str:
        """CPU time of its tree."""

    @property
    def memory(self) -> str:
        """Memory of its tree."""

    @property
    def output(self) -> str:
        """Size of its output."""

    @property
    def progress(self) -> str:
        """How far it says that it has come, or nothing."""

    @property
    def command(self) -> str:
        """Its command on one line."""


class Describe(Protocol):
    """Puts a session into words."""

    def __call__(self, info: SessionInfo, now: datetime) -> Words:
        """The words for it at this time."""


class Row(TypedDict):
    """One session as the browser gets it.

    Attributes:
        began: Its number in the order in which the table first saw them.
        state: The class that colours its state; ``word`` says it.
        started: Unix time.
        elapsed: None while it runs: then the browser counts.
        alive: It can be ended; ``refusal`` says why not by us.
        cpu: CPU time in words; ``load`` is what it uses now, in percent of one core.
        progress: How far it says that it has come, in words; ``fraction``, 0 to 1, is for a bar, None where there is
            nothing to draw; ``progress_state`` is empty, or one of ``ProgressState``.
        line: The last line of its output.
        ports: On which it listens.
        where: Where it is from, where that is not here.
        waits: For what kind of input it waits (``InputKind``), or nothing.
        terminal: Its streams are a terminal.
        foreground: A cell waits for it.
        busy: What is being done with it right now, the newest of these; or nothing.
        error: What went wrong last with what the user wanted of it.
    """

    id: str
    began: int
    state: str
    word: str
    name: str
    pid: str
    started: float
    elapsed: str | None
    alive: bool
    refusal: str
    cpu: str
    load: int
    memory: str
    output: str
    exit: str
    progress: str
    fraction: float | None
    progress_state: str
    line: str
    ports: list[int]
    where: str
    waits: str
    durable: bool
    terminal: bool
    foreground: bool
    command: str
    title: str
    busy: str
    error: str


@dataclass(frozen=True)
class Extras:
    """What a row says beyond what the session's own description has; see ``Row``."""

    ours: bool = True
    where: str = ""
    load: int = 0
    line: str = ""
    ports: tuple[int, ...] = ()
    foreground: bool = False
    busy: str = ""
    error: str = ""


@dataclass(frozen=True)
class Selection:
    """The sessions that a table shows, oldest first, and how many of each sort it leaves out."""

    shown: tuple[SessionInfo, ...]
    hidden_running: int = 0
    hidden_ended: int = 0

    @property
    def notice(self) -> str:
        """One line that says what is left out and how to see it; empty when nothing is."""
        parts = []
        if self.hidden_running:
            parts.append(f"{self.hidden_running} running")
        if self.hidden_ended:
            parts.append(f"{self.hidden_ended} ended")
        if not parts:
            return ""
        one = self.hidden_running + self.hidden_ended == 1
        return f"{' and '.join(parts)} session{' is' if one else 's are'} not shown here; %ps -a lists them."


def select(sessions: Sequence[SessionInfo], *, running_limit: int, ended_limit: int) -> Selection:
    """Choose what a table shows: the running sessions first of all, and the last ones that ended.

    Rows stay in the order in which the sessions began, so that none of them moves under the pointer
    of somebody who is about to press its button.

    Args:
        sessions: All of them, in the order in which they began.
        running_limit: At most so many running ones, the newest.
        ended_limit: At most so many ended ones, those that ended last.
    """
    ended = [one for one in sessions if one.ended_at is not None]
    running = [one for one in sessions if one.ended_at is None]
    ended.sort(key=lambda one: one.ended_at or one.started_at)
    kept = {one.session_id for one in (*_last(running, running_limit), *_last(ended, ended_limit))}
    return Selection(
        shown=tuple(one for one in sessions if one.session_id in kept),
        hidden_running=max(0, len(running) - running_limit),
        hidden_ended=max(0, len(ended) - ended_limit),
    )


class RowBook:
    """Words sessions for the browser; one of which nothing was heard since it was worded last costs next to nothing.

    Args:
        describe: Puts a session into words.
    """

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._worded: dict[str, tuple[SessionInfo, Extras, Row]] = {}
        self._began = 0

    def rows(
        self, sessions: Sequence[SessionInfo], extras: Callable[[SessionInfo], Extras], now: datetime
    ) -> list[Row]:
        """The rows of these sessions, in the order given; others are forgotten.

        Args:
            sessions: The sessions.
            extras: What else is known of one.
            now: The time at which they are described.
        """
        before, self._worded = self._worded, {}
        for info in sessions:
            known, more = before.get(info.session_id), extras(info)
            # Who is told that nothing has changed keeps its info: see ``Entry.info``. A coming restart is counted down.
            if known is None or known[0] is not info or known[1] != more or info.restart_at is not None:
                known = (info, more, self._row(info, more, now, None if known is None else known[2]["began"]))
            self._worded[info.session_id] = known
        return [row for _, _, row in self._worded.values()]

    def _row(self, info: SessionInfo, extras: Extras, now: datetime, began: int | None) -> Row:
        if began is None:
            began = self._began
            self._began += 1
        return _row(info, extras, self._describe(info, now), began)


def _row(info: SessionInfo, extras: Extras, words: Words, began: int) -> Row:
    over = info.ended_at is not None
    return Row(
        id=info.session_id,
        began=began,
        state=_state(info),
        word=words.status,
        name=words.name,
        pid=words.pid,
        started=info.started_at.timestamp(),
        elapsed=words.elapsed if over or info.status is SessionStatus.QUEUED else None,
        alive=not over,
        refusal="" if over or extras.ours or not info.owned else f"It belongs to {info.owner}, which is alive.",
        cpu=words.cpu,
        load=0 if over else extras.load,
        memory=words.memory,
        output=words.output,
        exit=words.exit,
        progress=words.progress,
        fraction=_fraction(info),
        progress_state=str(info.progress.state) if info.progress else "",
        line=extras.line,
        ports=[] if over else list(extras.ports),
        where=extras.where,
        waits="" if over or info.input_kind is None else str(info.input_kind),
        durable=info.durable,
        terminal=info.io.is_terminal,
        foreground=extras.foreground and not over,
        command=words.command,
        title=_shorten(info.command),
        busy=extras.busy,
        error=extras.error,
    )


def _fraction(info: SessionInfo) -> float | None:
    """As much as a bar can show of it: what is finer would be a change that nobody sees."""
    if info.progress is None or info.progress.fraction is None:
        return None
    return round(info.progress.fraction, 2)


def _state(info: SessionInfo) -> str:
    """The class that colours a row's state."""
    if info.status is SessionStatus.QUEUED:
        return "queued"
    if info.status is SessionStatus.RUNNING:
        waits = info.waiting_for_input or info.restart_at is not None
        return "waiting" if waits else "running"
    if info.status is SessionStatus.COMPLETED:
        return "succeeded" if info.exit_code == 0 else "failed"
    return "failed" if info.end_reason in _FAILURES else "ended"


def _shorten(command: str) -> str:
    return command if len(command) <= TITLE_LIMIT_CHARS else command[: TITLE_LIMIT_CHARS - 1] + "…"


def _last(sessions: Sequence[SessionInfo], count: int) -> Sequence[SessionInfo]:
    return sessions[max(0, len(sessions) - count) :]
