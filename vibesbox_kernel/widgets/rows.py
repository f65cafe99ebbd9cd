"""What the process table shows of each session: plain values, ready to be written into cells.

Everything is worded before it is sent and not in the browser, so that a change nobody could see (a few
bytes of memory, say) is no change at all and sends no message.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
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

    ``started`` is Unix time; ``elapsed`` is None while the session runs: then the browser counts. ``alive`` says that
    it can be ended, ``refusal`` why not by us. ``progress`` are words; ``fraction``, 0 to 1, is for a bar, None where
    there is nothing to draw; ``progress_state`` is empty, or one of ``ProgressState``.
    """

    id: str
    state: str
    word: str
    name: str
    pid: str
    started: float
    elapsed: str | None
    alive: bool
    refusal: str
    cpu: str
    memory: str
    output: str
    exit: str
    progress: str
    fraction: float | None
    progress_state: str
    command: str
    title: str
    ending: bool
    tries: int
    error: str


@dataclass
class Attempt:
    """What became of the user's wish to end one session.

    Attributes:
        ending: It is being ended right now.
        tries: How many attempts are over; the browser counts its own clicks against it.
        error: What went wrong last, in words; empty when nothing did.
    """

    ending: bool = False
    tries: int = 0
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


def build_rows(
    sessions: Collection[SessionInfo],
    attempts: Mapping[str, Attempt],
    describe: Describe,
    now: datetime,
    *,
    is_ours: Callable[[str], bool] = lambda _: True,
) -> list[Row]:
    """Word the sessions for the browser, in the order given.

    Args:
        sessions: The sessions.
        attempts: What became of the wish to end one, by session id.
        describe: Puts a session into words.
        now: The time at which they are described.
        is_ours: Whether the session with this id is ours; another's is shown, but can not be ended from here.
    """
    nothing = Attempt()
    return [
        _row(one, attempts.get(one.session_id, nothing), describe(one, now), ours=is_ours(one.session_id))
        for one in sessions
    ]


def _row(info: SessionInfo, attempt: Attempt, words: Words, *, ours: bool) -> Row:
    over = info.ended_at is not None
    return Row(
        id=info.session_id,
        state=_state(info),
        word=words.status,
        name=words.name,
        pid=words.pid,
        started=info.started_at.timestamp(),
        elapsed=words.elapsed if over or info.status is SessionStatus.QUEUED else None,
        alive=not over,
        refusal="" if over or ours or not info.owned else f"It belongs to {info.owner}, which is alive.",
        cpu=words.cpu,
        memory=words.memory,
        output=words.output,
        exit=words.exit,
        progress=words.progress,
        fraction=_fraction(info),
        progress_state=str(info.progress.state) if info.progress else "",
        command=words.command,
        title=_shorten(info.command),
        ending=attempt.ending,
        tries=attempt.tries,
        error="" if over else attempt.error,
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
