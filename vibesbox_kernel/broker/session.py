"""One session as the broker knows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vibesbox_kernel.broker.spool import Spool
from vibesbox_kernel.broker.wire import SessionRecord

if TYPE_CHECKING:
    from vibesbox_kernel.broker.client import Client
    from vibesbox_kernel.broker.loop import Timer

MAX_LISTED_LEFTOVERS = 64
MAX_LISTED_COMMAND = 200
"""Characters of a command that go into every event; the whole of it is in ``meta.json``."""


@dataclass(slots=True, eq=False)
class Session:
    """A leader and every process it begot, with what the broker holds for them.

    Attributes:
        tag: What its processes inherit; see ``system.tag_of``.
        owner: The client whose end ends this session; None once that client is gone.
        label: The owner in words, for listings.
        output: Read end of the pipe, or the pty's master; -1 after end of file.
        input: Write end of standard input (the master for a pty); -1 when it takes none.
        control: Write end of the control pipe of a prepared session; -1 otherwise.
        listed: False while a session is only prepared.
        settled: Its shell has handed over the exit status, so the leader's own end says nothing.
        stopped: The leader has stopped itself and waits to be settled or resumed.
        fed_line_start: The input so far ends with a newline, or there was none.
        reopening: The next look at a terminal that no process has open just now.
        room_wanted: Who waits until the session has read some of its input.
        keeper: The leader has handed over and stays only for what it left behind.
    """

    session_id: str
    tag: int
    pid: int
    owner: Client | None
    label: str
    command: str
    name: str | None
    cwd: str
    io: str
    directory: str
    spool: Spool
    output: int
    input: int
    control: int
    listed: bool
    started_at: float = field(default_factory=time.time)
    returncode: int | None = None
    exited_cursor: int | None = None
    leader_alive: bool = True
    settled: bool = False
    keeper: bool = False
    stopped: bool = False
    drained: bool = False
    over: bool = False
    end_reason: str | None = None
    ended_at: float | None = None
    leftovers: list[int] = field(default_factory=list)
    unwritten: bytearray = field(default_factory=bytearray)
    close_input_after: bool = False
    time_limit: Timer | None = None
    noticed_at: float = 0.0
    fed_line_start: bool = True
    reopening: Timer | None = None
    room_wanted: list[Callable[[bool], None]] = field(default_factory=list)

    @property
    def is_pty(self) -> bool:
        """Whether its streams are a terminal."""
        return self.io == "pty"

    def record(self) -> SessionRecord:
        """What the wire says of it."""
        return SessionRecord(
            session_id=self.session_id,
            pid=self.pid,
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
            over=self.over,
            end_reason=self.end_reason,
            ended_at=self.ended_at,
            leftovers=self.leftovers[:MAX_LISTED_LEFTOVERS],
            directory=self.directory,
        )
