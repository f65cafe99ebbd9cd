"""The sessions' lives: started, drained, reaped, settled, over. Knows nothing of sockets or shells."""

from __future__ import annotations

import errno
import logging
import os
import random
import resource
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from vibesbox_kernel.broker import records, system
from vibesbox_kernel.broker.ending import Endings, OnDone
from vibesbox_kernel.broker.launch import Launch, LaunchFailedError, launch
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.spool import Spool
from vibesbox_kernel.broker.streams import Streams
from vibesbox_kernel.broker.tree import Trees

if TYPE_CHECKING:
    from vibesbox_kernel.broker.client import Client

logger = logging.getLogger(__name__)

MAX_ENDED = 1000
"""Ended sessions that the broker can still list; the rest is on disk."""

RESERVED_DESCRIPTORS = 32
RETRY_SECONDS = 0.1
KEEPER_SECONDS = 0.1
"""How often a keeper's tree is looked at: its children report to the keeper, not to us."""

NEWBORN_SECONDS = 0.04
"""A process younger than this may not have got to its exec yet."""

_RUN_BITS = 37
_SEQUENCE_BITS = 24

OnEvent = Callable[[str, Session], None]


class Supervisor:
    """Owns every session of this broker and tells what happens to them.

    Args:
        on_event: Called with ``started``, ``stopped``, ``exited``, ``drained`` and ``ended``.
        on_output: Called when a session has put out something; cheap, and often.
    """

    def __init__(self, loop: Loop, directory: str, *, on_event: OnEvent, on_output: Callable[[Session], None]) -> None:
        self.sessions: dict[str, Session] = {}
        self._loop = loop
        self._directory = directory
        self._on_event = on_event
        self._ended: deque[str] = deque()
        self._trees = Trees()
        self._endings = Endings(loop, self._trees)
        self._streams = Streams(loop, on_output=on_output, on_drained=self._on_drained)
        self._run_tag = system.TAG_BASE | random.SystemRandom().getrandbits(_RUN_BITS) << _SEQUENCE_BITS
        self._sequence = 0
        self._leaderless: set[Session] = set()
        loop.on_signal(signal.SIGCHLD, self.reap)

    @property
    def running(self) -> list[Session]:
        """Every session whose leader or tree is not known to be gone, prepared ones too."""
        return [session for session in self.sessions.values() if not session.over]

    def start(
        self,
        session_id: str,
        order: Launch,
        *,
        owner: Client | None,
        label: str,
        command: str,
        name: str | None,
        listed: bool,
        limit_bytes: int,
    ) -> Session:
        """Start a leader.

        Raises:
            LaunchFailedError: It could not be started; nothing is left.
        """
        _keep_a_reserve(order.argv[0])
        self._sequence += 1
        tag = self._run_tag | self._sequence
        directory = f"{self._directory}/{session_id}"
        os.makedirs(directory, 0o700)
        try:
            launched = launch(order, tag=tag)
        except Exception:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        session = Session(
            session_id=session_id,
            tag=tag,
            pid=launched.pid,
            owner=owner,
            label=label,
            command=command,
            name=name,
            cwd=order.cwd,
            io=order.io,
            directory=directory,
            spool=Spool(directory, limit_bytes=limit_bytes),
            output=launched.output,
            input=launched.input,
            control=launched.control,
            listed=listed,
        )
        self.sessions[session_id] = session
        self._trees.add(session)
        self._streams.open(session)
        if listed:
            self._announce(session)
        return session

    def begin(self, session: Session, *, command: str, name: str | None, control: bytes) -> None:
        """Let a prepared session run: from here on it is listed.

        Raises:
            BrokenPipeError: Its leader is gone; it stays unlisted.
        """
        control_pipe, session.control = session.control, -1
        try:
            os.write(control_pipe, control)
        finally:
            os.close(control_pipe)
        session.command, session.name = command, name
        session.listed = True
        session.started_at = time.time()
        self._announce(session)

    def discard(self, session: Session) -> None:
        """Kill a prepared session that is not wanted; nobody hears of it, and nothing of it is kept."""
        self._endings.begin(session, reason="killed", grace=0)

    def limit_time(self, session: Session, seconds: float, *, grace: float) -> None:
        """End a session when its time is up."""
        session.time_limit = self._loop.call_later(seconds, lambda: self.end(session, reason="timed out", grace=grace))

    def end(self, session: Session, *, reason: str, grace: float, on_done: OnDone | None = None) -> None:
        """End a session in two stages; see ``Endings.begin``."""
        if not session.over:
            self._endings.begin(session, reason=reason, grace=grace, on_done=on_done)
        elif on_done is not None:
            on_done({})

    def settle(self, session: Session, code: int, *, keep: bool) -> None:
        """Take the exit status that a stopped shell has handed over, and let it go or keep it."""
        session.settled, session.stopped = True, False
        self._exited(session, code)
        if keep:
            session.keeper = True
            os.kill(session.pid, signal.SIGCONT)
            self._watch_keeper(session)
        else:
            os.kill(session.pid, signal.SIGKILL)

    def resume(self, session: Session) -> None:
        """Continue a leader that stopped itself."""
        session.stopped = False
        if session.leader_alive:
            os.kill(session.pid, signal.SIGCONT)

    def signal(self, session: Session, number: int) -> None:
        """Send a signal to the leader's group, or to what the leader left behind."""
        if session.leader_alive and not session.keeper:
            self._trees.signal_group(session, number)
        else:
            self._trees.adopt()
            self._trees.signal(session, number, self._trees.others(session))

    def interrupt(self, session: Session) -> None:
        """What Ctrl-C does in a terminal, and ``setsid`` children that the leader waits for as well.

        A signal that comes between a child's fork and its exec is lost: the child still has its
        shell's handler, and the shell takes a child that goes on for one that has handled it. So what
        was only just born is asked once more.
        """
        self._trees.interrupt(session, self._trees.below_leader(session))
        newborn = [pid for pid in self._trees.below_leader(session)[1:] if system.age(pid) < NEWBORN_SECONDS]
        if newborn:
            self._loop.call_later(NEWBORN_SECONDS, lambda: self._ask_again(session, newborn))

    def _ask_again(self, session: Session, newborn: list[int]) -> None:
        if not session.over:
            self._trees.signal(session, signal.SIGINT, newborn)

    def feed(self, session: Session, data: bytes, *, eof: bool, on_room: Callable[[bool], None]) -> None:
        """Input for a session; see ``Streams.feed``."""
        self._streams.feed(session, data, eof=eof, on_room=on_room)

    def others(self, session: Session) -> list[int]:
        """Live processes of a session besides its leader."""
        self._trees.adopt()
        return self._trees.others(session)

    def usage(self) -> dict[str, tuple[float, int, int]]:
        """CPU seconds, resident bytes and number of processes of every running session's tree."""
        self._trees.adopt()
        found = {}
        for session in self.running:
            figures = [system.usage(pid) for pid in self._trees.members(session)]
            known = [figure for figure in figures if figure is not None]
            found[session.session_id] = (sum(cpu for cpu, _ in known), sum(rss for _, rss in known), len(known))
        return found

    def reap(self) -> None:
        """Collect what has died, and see which sessions are over by it."""
        died = False
        for pid, status in system.reap():
            if os.WIFSTOPPED(status):
                self._leader_stopped(pid)
                continue
            died = True
            session = self._trees.reaped(pid)
            if session is not None:
                session.leader_alive = False
                self._leaderless.add(session)
                if not session.settled:
                    self._exited(session, os.waitstatus_to_exitcode(status))
        if died:
            self._look_for_over()

    def _announce(self, session: Session) -> None:
        try:
            records.write_exit(session.directory, {"status": "running"})
            facts = {**session.record(), "command": session.command, "tag": session.tag}
            records.write_meta(session.directory, facts)
        except OSError as error:  # a full disk stops no command
            logger.warning("session=%s: its records could not be written: %s", session.session_id, error)
        self._on_event("started", session)

    def _leader_stopped(self, pid: int) -> None:
        session = self._trees.leaders.get(pid)
        if session is not None and session.listed and not session.settled:
            session.stopped = True
            session.leftovers = self.others(session)
            self._on_event("stopped", session)

    def _exited(self, session: Session, returncode: int) -> None:
        self._streams.drain_what_is_there(session)
        session.returncode = returncode
        session.exited_cursor = session.spool.end
        if session.listed:
            session.leftovers = self.others(session)
            self._on_event("exited", session)

    def _look_for_over(self) -> None:
        try:
            self._find_over()
        except OSError as error:  # /proc could not be read: never take that for an end
            logger.warning("the processes could not be looked at, trying again: %s", error)
            self._loop.call_later(RETRY_SECONDS, self._look_for_over)

    def _find_over(self) -> None:
        self._trees.adopt()
        for session in list(self._leaderless):
            if not self._trees.roots(session):
                self._leaderless.discard(session)
                self._over(session)

    def _over(self, session: Session) -> None:
        self._streams.close(session)
        session.over = True
        session.stopped = False
        session.leftovers = []
        session.ended_at = time.time()
        if session.time_limit is not None:
            session.time_limit.cancel()
        self._trees.forget(session)
        ending = self._endings.over(session)
        by_itself = "signalled" if (session.returncode or 0) < 0 else "exited"
        session.end_reason = ending.reason if ending else by_itself
        if session.listed:
            self._remember(session)
        else:
            del self.sessions[session.session_id]
            shutil.rmtree(session.directory, ignore_errors=True)
        self._on_event("ended", session)
        if ending is not None:
            ending.done({})  # after the event: who is told that it is gone also sees it so

    def _remember(self, session: Session) -> None:
        self._write_end(session)
        self._ended.append(session.session_id)
        if len(self._ended) > MAX_ENDED:
            del self.sessions[self._ended.popleft()]

    def _write_end(self, session: Session) -> None:
        facts = {
            "status": "over",
            "reason": session.end_reason,
            "returncode": session.returncode,
            "ended_at": session.ended_at,
            "end_cursor": session.spool.end,
            "dropped_bytes": session.spool.dropped,
        }
        try:
            records.write_exit(session.directory, facts)
        except OSError:
            logger.exception("session=%s: its exit record could not be written", session.session_id)

    def _on_drained(self, session: Session) -> None:
        session.drained = True
        if session.listed:
            self._on_event("drained", session)

    def _watch_keeper(self, session: Session) -> None:
        if session.over or not session.leader_alive:
            return
        session.leftovers = self.others(session)
        if session.leftovers:
            self._loop.call_later(KEEPER_SECONDS, lambda: self._watch_keeper(session))
        else:
            os.kill(session.pid, signal.SIGKILL)


def _keep_a_reserve(program: str) -> None:
    """Refuse to start what would take the last descriptors: looking after the others needs some.

    Raises:
        LaunchFailedError: Too few are left.
    """
    lowest_free = os.dup(0)
    os.close(lowest_free)
    if lowest_free > resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_DESCRIPTORS:
        raise LaunchFailedError("system", program, OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
