"""The values that cross Vibesbox's public doors: frozen, typed, safe to print and to send as JSON."""

from __future__ import annotations

import signal as signals
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator


class SessionStatus(StrEnum):
    """Where a session stands; it is *running* until its leader and its whole tree are gone."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    TERMINATED = "terminated"
    LOST = "lost"


class EndReason(StrEnum):
    """Why a session is over."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    TERMINATED = "terminated"
    KILLED = "killed"
    TIMED_OUT = "timed out"
    MEMORY_LIMIT = "memory limit"
    CANCELLED = "cancelled"
    SHUT_DOWN = "shut down"
    LOST = "lost"

    @property
    def status(self) -> SessionStatus:
        """The status that a session with this reason has."""
        if self is EndReason.LOST:
            return SessionStatus.LOST
        by_itself = self in (EndReason.EXITED, EndReason.SIGNALLED)
        return SessionStatus.COMPLETED if by_itself else SessionStatus.TERMINATED


class EventKind(StrEnum):
    """What happened to a session. The last event of each is one of ended, killed and lost."""

    QUEUED = "queued"
    STARTED = "started"
    OUTPUT = "output"
    WAITING_FOR_INPUT = "waiting for input"
    STOPPED = "stopped"
    EXITED = "exited"
    DRAINED = "drained"
    RESTARTING = "restarting"
    CHANGED = "changed"
    ENDED = "ended"
    KILLED = "killed"
    LOST = "lost"


class InputKind(StrEnum):
    """What a session waits for that waits for input.

    A line; a line that is not to be seen (the terminal's echo is off); a key or a few that the terminal echoes
    (``read -n``); or keys as full-screen programs and line editors take them.
    """

    LINE = "line"
    PASSWORD = "password"
    KEY = "key"
    KEYS = "keys"


class ProgressState(StrEnum):
    """How the work stands of which a session reports its progress."""

    NORMAL = "normal"
    ERROR = "error"
    PAUSED = "paused"
    INDETERMINATE = "indeterminate"


class IoMode(StrEnum):
    """What a session's standard streams are connected to.

    One pipe or one terminal for stdout and stderr has both in their true order; two of them tell which is which.
    """

    PIPE = "pipe"
    PTY = "pty"
    SPLIT = "split"
    SPLIT_PIPE = "split-pipe"

    @property
    def is_terminal(self) -> bool:
        """Whether they are terminals."""
        return self in (IoMode.PTY, IoMode.SPLIT)

    @property
    def is_split(self) -> bool:
        """Whether stderr is kept apart."""
        return self in (IoMode.SPLIT, IoMode.SPLIT_PIPE)


class StreamName(StrEnum):
    """Which of its streams a session has written to; all is stdout's where they are not told apart."""

    STDOUT = "stdout"
    STDERR = "stderr"


class OnFull(StrEnum):
    """What happens when a session's output has reached its limit on disk."""

    DROP_OLDEST = "drop_oldest"
    BLOCK = "block"


class OnLeftovers(StrEnum):
    """What happens to processes that outlive their session's leader."""

    KEEP = "keep"
    KILL = "kill"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExitStatus(_Frozen):
    """How a leader ended: with an exit code or by a signal, never both.

    Source: wait(2).
    """

    code: Annotated[int, Field(ge=0, le=255)] | None = None
    signal: Annotated[int, Field(ge=1, le=64)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.code is None) == (self.signal is None):
            raise ValueError("an exit status has either a code or a signal")
        return self

    @classmethod
    def from_returncode(cls, returncode: int) -> Self:
        """Build from what ``subprocess`` calls a returncode: negative for a signal."""
        return cls(signal=-returncode) if returncode < 0 else cls(code=returncode)

    @property
    def returncode(self) -> int:
        """As ``subprocess`` says it: the code, or minus the signal."""
        return self.code if self.code is not None else -(self.signal or 0)

    @property
    def shell_code(self) -> int:
        """As a shell's ``$?`` says it: the code, or 128 plus the signal."""
        return self.code if self.code is not None else 128 + (self.signal or 0)

    @property
    def success(self) -> bool:
        """Whether the leader ended with code 0."""
        return self.code == 0

    def __str__(self) -> str:
        if self.code is not None:
            return f"exit {self.code}"
        try:
            return signals.Signals(self.signal or 0).name
        except ValueError:
            return f"signal {self.signal}"


class Progress(_Frozen):
    """How far a running session says that it has come, by ``vibesbox-progress`` or as terminals are told (OSC 9;4).

    Attributes:
        fraction: Of its work, 0 to 1; None where it did not say, and always while it is indeterminate.
        text: What it does, in its own words, on one line; may be empty.
        state: How that goes.
    """

    fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    text: str = ""
    state: ProgressState = ProgressState.NORMAL

    @model_validator(mode="after")
    def _known_or_not(self) -> Self:
        if self.state is ProgressState.INDETERMINATE and self.fraction is not None:
            raise ValueError("what is indeterminate has no fraction")
        return self


class SessionPolicy(_Frozen):
    """The limits of a session, and what happens when it meets them.

    Attributes:
        timeout: Seconds from its start after which it is ended in two stages.
        idle_timeout: Seconds without output and input after which it is ended in two stages.
        nice: How much lower than ours its priority is, 0 to 19.
        max_cpu_seconds: CPU seconds that each of its processes may use; then SIGXCPU.
        max_memory_bytes: Resident memory that its whole tree may use; then it is ended.
        max_output_bytes: What its output may take on disk; None for the default of 256 MiB.
        on_full: Drop the oldest output then, and count it; or let the session wait in its write.
        on_leftovers: What to do with processes that outlive its leader.
        max_restarts: How often in a row it is started again after a failure, after 1, 2, 4 … 60 s.
        group: The queue that it stands in; see ``SessionManager.set_parallel``.
        after: Ids of sessions that must have succeeded before it starts.
    """

    timeout: float | None = None
    idle_timeout: float | None = None
    nice: int = 0
    max_cpu_seconds: int | None = None
    max_memory_bytes: int | None = None
    max_output_bytes: int | None = None
    on_full: OnFull = OnFull.DROP_OLDEST
    on_leftovers: OnLeftovers = OnLeftovers.KEEP
    max_restarts: int = 0
    group: str | None = None
    after: tuple[str, ...] = ()


class Usage(_Frozen):
    """What a session's whole tree has used until one moment.

    Attributes:
        at: Seconds since the session's start.
        cpu: CPU seconds, of processes that have ended too.
        rss: Resident bytes at that moment.
        processes: Live processes at that moment.
        read_bytes: Bytes read from storage.
        written_bytes: Bytes written to storage.
        output_bytes: Bytes of output.
    """

    at: float
    cpu: float
    rss: int
    processes: int
    read_bytes: int
    written_bytes: int
    output_bytes: int


class SessionInfo(_Frozen):
    """Everything a listing says of one session, at one moment.

    Times are aware datetimes, durations and CPU are seconds, sizes are bytes. ``pid`` is None for a
    session that is queued, or that left the queue without having started; ``exit_code`` and
    ``signal`` may be known while it still runs (its leader is gone, ``leftovers`` are not). ``cpu``,
    ``rss`` and the like are of the whole tree, as of the broker's last look at it.

    Attributes:
        where: On which machine it runs.
        instance: Which broker it belongs to: the id of its kernel or program.
        owner: Whose it is, in words; who started it, once nobody owns it.
        owned: Whether a living program owns it, ours or another, while it is not over.
        waiting_for_input: Whether it is blocked reading its terminal or its standard input.
        input_kind: For what it waits then.
        restarts: How often it was started again after a failure.
        restart_at: When it is started again, while it waits for that.
        problem: What its output or its start met, in words: a full disk, a dead end in its queue.
        progress: How far it says that it has come, while it is not over.
    """

    session_id: str
    pid: Annotated[int, Field(gt=0)] | None
    command: str
    name: str | None = None
    status: SessionStatus
    end_reason: EndReason | None = None
    exit_code: int | None = None
    signal: int | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    duration: float | None = None
    cwd: str
    owner: str
    owned: bool = True
    where: str = "local"
    instance: str = ""
    durable: bool = False
    io: IoMode = IoMode.PIPE
    policy: SessionPolicy = SessionPolicy()
    waiting_for_input: bool = False
    input_kind: InputKind | None = None
    restarts: int = 0
    restart_at: AwareDatetime | None = None
    problem: str | None = None
    progress: Progress | None = None
    cpu: float | None = None
    rss: int | None = None
    peak_rss: int | None = None
    processes: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    output_bytes: int = 0
    dropped_bytes: int = 0
    leftovers: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _pid_once_started(self) -> Self:
        if self.pid is None and self.status not in (SessionStatus.QUEUED, SessionStatus.TERMINATED, SessionStatus.LOST):
            raise ValueError("only a session that has not started has no pid")
        return self

    @property
    def is_running(self) -> bool:
        """Whether its leader or any process of its tree is alive."""
        return self.status is SessionStatus.RUNNING

    @property
    def exit_status(self) -> ExitStatus | None:
        """How the leader ended, or None while it runs or when that was lost."""
        if self.exit_code is None and self.signal is None:
            return None
        return ExitStatus(code=self.exit_code, signal=self.signal)

    def elapsed(self, now: datetime) -> timedelta:
        """How long the session has run until now, or did run."""
        return (self.ended_at or now) - self.started_at


class OutputChunk(_Frozen):
    """A piece of a session's output: the bytes of ``[cursor, next_cursor)`` that are still stored.

    ``dropped`` counts the bytes between the cursor asked for and the first byte of ``data`` that are
    gone (disk limit, full disk). ``eof`` says that nothing will ever follow ``next_cursor``.

    Where stderr is kept apart (``IoMode.is_split``), ``errors`` has the ranges ``[start, end)`` of ``data``
    that were written to it, in their order.
    """

    cursor: int
    data: bytes
    next_cursor: int
    dropped: int = 0
    eof: bool = False
    errors: tuple[tuple[int, int], ...] = ()

    def pieces(self) -> Iterator[tuple[StreamName, bytes]]:
        """The data in its order, cut where it goes from one stream to the other."""
        at = 0
        for start, end in self.errors:
            if at < start:
                yield StreamName.STDOUT, self.data[at:start]
            yield StreamName.STDERR, self.data[start:end]
            at = end
        if at < len(self.data):
            yield StreamName.STDOUT, self.data[at:]


class ProcessInfo(_Frozen):
    """One process of a session.

    Attributes:
        command: The beginning of its command line; empty where that is not known.
        parent: Its parent's pid, where that was asked for and is known.
    """

    pid: Annotated[int, Field(gt=0)]
    command: str = ""
    parent: int | None = None


class ListeningPort(_Frozen):
    """A TCP port on which a process of a session listens.

    Attributes:
        address: Where; ``0.0.0.0`` and ``::`` mean everywhere.
        pid: The process, or one of those that share the socket.
    """

    port: Annotated[int, Field(gt=0, lt=65536)]
    address: str
    pid: Annotated[int, Field(gt=0)]


class PurgeReport(_Frozen):
    """What ``purge`` has deleted, or (``dry_run``) would have.

    Attributes:
        sessions: How many ended sessions, with their records and their output.
        freed_bytes: What these have taken on the disk.
        kept: How many have ended too recently.
        failed: The directories that could not be deleted.
        dry_run: Nothing was deleted.
    """

    sessions: int
    freed_bytes: int
    kept: int
    failed: tuple[str, ...] = ()
    dry_run: bool = False


class InterruptReport(_Frozen):
    """Whom an interrupt was sent to, and whom not.

    Attributes:
        reached: Who got SIGINT, parents first; not all if they are very many.
        reached_count: How many that were.
        jobs: Jobs in the background, for which it was not; without what is below them.
    """

    reached: tuple[ProcessInfo, ...] = ()
    reached_count: int = 0
    jobs: tuple[ProcessInfo, ...] = ()


class TerminalState(_Frozen):
    """How a session's terminal is set.

    Attributes:
        rows: Its height.
        columns: Its width.
        begins_lines: A newline in the output is meant to begin a line: it is passed on as it is, and whoever shows the
            output goes back to the left as well. Programs that draw may mean straight down.
    """

    rows: int
    columns: int
    begins_lines: bool


class CommandResult(_Frozen):
    """What a command that was run to its end gave."""

    session_id: str
    command: str
    exit_status: ExitStatus | None
    end_reason: EndReason
    output: str
    output_bytes: int
    dropped_bytes: int = 0
    duration: float
    problem: str | None = None

    @property
    def exit_code(self) -> int | None:
        """The leader's exit code, or None when a signal ended it."""
        return self.exit_status.code if self.exit_status else None

    @property
    def signal(self) -> int | None:
        """The signal that ended the leader, or None."""
        return self.exit_status.signal if self.exit_status else None

    @property
    def success(self) -> bool:
        """Whether the leader ended by itself with code 0."""
        return self.exit_status is not None and self.exit_status.success

    @property
    def timed_out(self) -> bool:
        """Whether its time limit ended it."""
        return self.end_reason is EndReason.TIMED_OUT


class SessionEvent(_Frozen):
    """Something that happened to one session; ``info`` is the session as it stood then."""

    kind: EventKind
    session_id: str
    at: AwareDatetime
    info: SessionInfo
    end_cursor: int
