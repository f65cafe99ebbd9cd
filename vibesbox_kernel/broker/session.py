"""One session as the broker knows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vibesbox_kernel.broker.policy import Policy
from vibesbox_kernel.broker.spool import Spool
from vibesbox_kernel.broker.wire import MAX_HELD_DESCRIPTORS, STDOUT, TERMINALS, ProgressRecord, SessionRecord

if TYPE_CHECKING:
    from vibesbox_kernel.broker.client import Client
    from vibesbox_kernel.broker.launch import Launch
    from vibesbox_kernel.broker.loop import Timer

MAX_LISTED_LEFTOVERS = 64
MAX_LISTED_COMMAND = 200
"""Characters of a command that go into every event; the whole of it is in ``meta.json``."""

DEFAULT = Policy()
"""One for all sessions that ask for nothing."""


@dataclass(eq=False, slots=True)
class Outlet:
    """One end that a session's output comes out of.

    Attributes:
        descriptor: Our end: of a pipe, or a terminal's master.
        stream: Whose it is: that of stdout, or of both together, or of stderr.
        device: The device number of the session's end, for a terminal of stderr's own.
        next_look: When it is looked at again: no process has the terminal open just now, or it was read a moment ago.
        begun_report: The last bytes read, if they may begin a report of progress; see ``progress_reports``.
    """

    descriptor: int
    stream: int = STDOUT
    device: int = 0
    next_look: Timer | None = None
    begun_report: bytes = b""


@dataclass(frozen=True, slots=True)
class Unattended:
    """How a leader that has stopped itself is settled when nobody owns its session.

    Attributes:
        verdict: A file whose last line is its exit code, a blank, and a word.
        certain: The words with which that code is final; with any other its real end tells.
        go: A file to be made then, before it is continued.
    """

    verdict: str
    certain: tuple[str, ...]
    go: str


@dataclass(slots=True, eq=False)
class Session:
    """A leader and every process it begot, with what the broker holds for them.

    Attributes:
        tag: What its processes inherit; see ``system.tag_of``.
        pid: Its leader; 0 until it has one.
        owner: The client whose end ends this session; None once that client is gone.
        label: The owner in words, for listings.
        outlets: Our ends of its output, as long as they are open: one, or two where stderr has its own.
        input: Write end of standard input (the master for a pty); -1 when it takes none.
        control: Write end of the control pipe of a prepared session; -1 otherwise.
        listed: False while a session is only prepared.
        durable: It outlives its owner.
        order: How to start its leader, as long as that may still be needed.
        queued: It waits for its turn.
        told_bytes: How much its leader was told while it was prepared.
        message: What a prepared session is to be told when its turn comes.
        unattended: How it is settled when nobody attends to it, if it may stop itself.
        token: By which it may announce its exit status; see ``announcements``.
        lets_go: It is ended as soon as it has announced its exit status and stopped, if it leaves nothing behind.
        attended: Whoever has begun it is alive, and settles it.
        failures: How often in a row it failed.
        launched_at: When its leader was last started, by the monotonic clock.
        began_at: When it was started for the first time, by the monotonic clock; 0 before.
        duration: Seconds from then to its end.
        last_returncode: How its leader ended that is to be started again.
        settled: Its exit status is known from its shell, so the leader's own end says nothing.
        announced: Settled, and the leader lives to hand over.
        descriptors: What its leader, when it stopped itself, had open for others (above 2).
        stopped: The leader has stopped itself and waits to be settled or resumed.
        unwritten: Input that it has not taken yet.
        fed_line_start: The input so far ends with a newline, or there was none.
        waits_for_room: Its spool takes nothing just now, so its output is not read.
        room_timer: The next look at whether its spool takes something again.
        active_at: When it last put out or was given something, by the monotonic clock.
        at_line_start: The output so far ends with a newline, or there is none.
        waits_for: What kind of input it waits for, if it does; see ``stdin_evidence``.
        room_wanted: Who waits until the session has read some of its input.
        keeper: The leader has handed over and stays only for what it left behind.
        progress: How far it says that it has come; replaced, never changed.
    """

    session_id: str
    tag: int
    cwd: str
    io: str
    directory: str
    spool: Spool
    policy: Policy = DEFAULT
    owner: Client | None = None
    label: str = ""
    command: str = ""
    name: str | None = None
    listed: bool = False
    durable: bool = False
    order: Launch | None = None
    pid: int = 0
    outlets: tuple[Outlet, ...] = ()
    input: int = -1
    control: int = -1
    queued: bool = False
    told_bytes: int = 0
    message: bytes = b""
    unattended: Unattended | None = None
    token: str = ""
    lets_go: bool = False
    attended: bool = True
    failures: int = 0
    restarts: int = 0
    restart_at: float | None = None
    restart_timer: Timer | None = None
    launched_at: float = 0.0
    began_at: float = 0.0
    duration: float | None = None
    last_returncode: int | None = None
    problem: str | None = None
    started_at: float = field(default_factory=time.time)
    returncode: int | None = None
    exited_cursor: int | None = None
    leader_alive: bool = False
    settled: bool = False
    announced: bool = False
    keeper: bool = False
    stopped: bool = False
    drained: bool = False
    over: bool = False
    end_reason: str | None = None
    ended_at: float | None = None
    leftovers: Sequence[int] = ()
    descriptors: Sequence[int] = ()
    unwritten: bytearray | None = None
    close_input_after: bool = False
    usage: list[float] | None = None
    noticed_at: float = 0.0
    fed_line_start: bool = True
    waits_for_room: bool = False
    room_timer: Timer | None = None
    active_at: float = field(default_factory=time.monotonic)
    at_line_start: bool = True
    waits_for: str | None = None
    room_wanted: tuple[Callable[[bool], None], ...] = ()
    progress: ProgressRecord | None = None

    @property
    def is_pty(self) -> bool:
        """Whether its streams are terminals."""
        return self.io in TERMINALS

    @property
    def output(self) -> int:
        """Our end of its stdout, its terminal's master if it has one; -1 when it has come to its end."""
        return next((outlet.descriptor for outlet in self.outlets if outlet.stream == STDOUT), -1)

    @property
    def has_handed_over(self) -> bool:
        """Whether its exit status is taken and nothing more is to come: one that has only announced it has yet to."""
        return self.settled and not self.announced

    @property
    def can_hand_over(self) -> bool:
        """Whether its leader is there to hand over, and has not yet."""
        return self.leader_alive and not self.has_handed_over

    @property
    def succeeded(self) -> bool:
        """Whether it has come to a good end by itself."""
        return self.returncode == 0 and self.end_reason == "exited"

    def record(self) -> SessionRecord:
        """What the wire says of it."""
        return SessionRecord(
            session_id=self.session_id,
            pid=self.pid or None,
            queued=self.queued,
            client=self.owner.number if self.owner is not None else None,
            durable=self.durable,
            policy=self.policy.given(),
            restarts=self.restarts,
            restart_at=self.restart_at,
            problem=self.problem or self.spool.problem,
            progress=self.progress,
            usage=self.usage,
            command=self.command[:MAX_LISTED_COMMAND],
            name=self.name,
            cwd=self.cwd,
            owner=self.label,
            io=self.io,
            started_at=self.started_at,
            returncode=self.returncode,
            exited_cursor=self.exited_cursor,
            end_cursor=self.spool.end,
            dropped_bytes=self.spool.dropped,
            drained=self.drained,
            stopped=self.stopped,
            waits_for=self.waits_for,
            announced=self.announced,
            over=self.over,
            end_reason=self.end_reason,
            ended_at=self.ended_at,
            duration=self.duration,
            leftovers=list(self.leftovers[:MAX_LISTED_LEFTOVERS]),
            descriptors=list(self.descriptors[:MAX_HELD_DESCRIPTORS]),
            directory=self.directory,
        )
