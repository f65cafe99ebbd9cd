"""The sessions' lives: queued, started, drained, reaped, settled, over. Knows nothing of sockets or shells."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from vibesbox_kernel.broker import echo, system
from vibesbox_kernel.broker.budget import Budget
from vibesbox_kernel.broker.cgroup import Cgroups
from vibesbox_kernel.broker.ending import Endings, OnDone
from vibesbox_kernel.broker.foreground import foreground
from vibesbox_kernel.broker.handovers import Handovers
from vibesbox_kernel.broker.history import History
from vibesbox_kernel.broker.interrupting import Interrupting
from vibesbox_kernel.broker.interrupting import OnDone as OnInterrupted
from vibesbox_kernel.broker.launch import Launch, LaunchFailedError, interrupt_key
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.policy import GRACE_SECONDS, Policy
from vibesbox_kernel.broker.progress import ProgressBoard
from vibesbox_kernel.broker.queue import Queue
from vibesbox_kernel.broker.restarts import Restarts
from vibesbox_kernel.broker.session import Session, Unattended
from vibesbox_kernel.broker.starting import Starter
from vibesbox_kernel.broker.stdin_watch import StdinWatch
from vibesbox_kernel.broker.streams import Streams
from vibesbox_kernel.broker.tree import Trees
from vibesbox_kernel.broker.upkeep import Upkeep

if TYPE_CHECKING:
    from vibesbox_kernel.broker.client import Client

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.1
EXIT_NOT_STARTED = 127
"""What a shell says of a command that it could not start."""

CANCELLED = "cancelled"
"""Why a session has ended that never had its turn."""

OnEvent = Callable[[str, Session], None]


class Supervisor:
    """Owns every session of this broker and tells what happens to them.

    Args:
        directory: Where each session gets a directory of its own.
        announcements: Where leaders announce exit statuses; see ``Handovers``.
        run_tag: What the tags of all sessions of this run begin with; see ``run.new_run``.
        on_event: Called with ``queued``, ``started``, ``stopped``, ``exited``, ``drained``, ``restarting``,
            ``waiting`` (for input), ``changed`` and ``ended``.
        on_output: Called when a session has put out something; cheap, and often.
    """

    def __init__(
        self,
        loop: Loop,
        directory: str,
        *,
        announcements: str,
        run_tag: int,
        on_event: OnEvent,
        on_output: Callable[[Session], None],
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self._loop = loop
        self._on_event = on_event
        self._trees = Trees()
        self._endings = Endings(loop, self._trees)
        self._on_output = on_output
        self.progress = ProgressBoard(loop, on_changed=lambda session: on_event("changed", session))
        self._streams = Streams(
            loop, on_output=self._put_out, on_drained=self._on_drained, on_reports=self.progress.take
        )
        self._stdin = StdinWatch(loop, self._trees, on_changed=self._waits_or_not)
        self._interrupting = Interrupting(loop, self._trees, press=self._press_interrupt)
        self._queue = Queue(self.sessions, start=self._start_queued, give_up=self._cancel)
        self._restarts = Restarts(loop, restart=self._restart)
        budget, cgroups = Budget(os.path.dirname(directory), directory), Cgroups.find()
        self._starter = Starter(directory, run_tag=run_tag, budget=budget, cgroups=cgroups)
        self.upkeep = Upkeep(
            loop,
            self._trees,
            budget=budget,
            cgroups=cgroups,
            on_exceeded=lambda session, reason: self.end(session, reason=reason, grace=GRACE_SECONDS),
            on_changed=lambda session: on_event("changed", session),
        )
        self.history = History(loop, self.sessions, on_forgotten=self.upkeep.forget)
        self.handovers = Handovers(
            loop,
            self._trees,
            announcements=announcements,
            on_status=self._take_status,
            on_settled=self._end_leftovers,
            on_event=on_event,
        )
        self._leaderless: set[Session] = set()
        self._looking_again = False
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
        durable: bool,
        policy: Policy,
    ) -> Session:
        """Start a leader, or let the session wait for its turn.

        Raises:
            LaunchFailedError: It could not be started; nothing is left.
        """
        session = self._starter.make(session_id, order, policy)
        session.owner, session.label, session.durable = owner, label, durable
        session.command, session.name, session.listed = command, name, listed
        self.sessions[session_id] = session
        if listed and not self._queue.may_start(session):
            self._wait(session)
            return session
        try:
            self._launch(session)
        except Exception:
            del self.sessions[session_id]
            self._starter.unmake(session)
            raise
        if listed:
            self._announce("started", session)
        return session

    @staticmethod
    def tell_leader(session: Session, control: bytes) -> None:
        """Tell a prepared leader something that is not yet to begin; what it may leave unread must fit its pipe.

        Raises:
            BrokenPipeError: It is gone.
        """
        session.told_bytes += len(control)
        os.write(session.control, control)

    def begin(
        self,
        session: Session,
        *,
        command: str,
        name: str | None,
        control: bytes,
        durable: bool,
        policy: Policy,
        cwd: str,
        unattended: Unattended | None,
        token: str,
        lets_go: bool,
    ) -> None:
        """Let a prepared session run, or wait for its turn: from here on it is listed.

        Raises:
            OSError: Its leader is gone, or a limit can not be set; it stays unlisted.
        """
        session.policy, session.durable, session.unattended = policy, durable, unattended
        session.message, session.token, session.lets_go = control, token, lets_go
        self.handovers.begin(session)
        waits = not self._queue.may_start(session)
        if not waits:
            self._starter.tell_to_begin(session)
        session.command, session.name, session.cwd = command, name, cwd
        session.listed = True
        if waits:
            self._wait(session)
        else:
            self._announce("started", session, recorded_soon=not durable)

    def set_parallel(self, group: str | None, limit: int | None) -> None:
        """How many sessions of a group may run at a time; see ``Queue.set_limit``."""
        self._queue.set_limit(group, limit)

    def discard(self, session: Session) -> None:
        """Kill a prepared session that is not wanted; nobody hears of it, and nothing of it is kept."""
        self._endings.begin(session, reason="killed", grace=0)

    def end(self, session: Session, *, reason: str, grace: float, on_done: OnDone | None = None) -> None:
        """End a session in two stages; see ``Endings.begin``. One without a process is over at once."""
        if session.queued or (session.listed and not session.began_at):  # waiting, or being cancelled already
            self._cancel(session, session.problem, on_done)
        elif session.over or session.restart_timer is not None:
            self._restarts.cancel(session)
            self._finish(session, reason, on_done)
        else:
            self._endings.begin(session, reason=reason, grace=grace, on_done=on_done)

    def signal(self, session: Session, number: int, *, whole_tree: bool = False) -> None:
        """Send a signal to the leader's group, to what the leader left behind, or to every process of a session."""
        if whole_tree:
            self._trees.adopt()
            self._trees.signal_with_group(session, number, self._trees.members(session))
        elif session.leader_alive and not session.keeper:
            self._trees.signal_group(session, number)
        else:
            self._trees.adopt()
            self._trees.signal(session, number, self._trees.others(session))

    def interrupt(self, session: Session, on_done: OnInterrupted) -> None:
        """SIGINT to what the leader waits for, in whatever process group; to all that a leader has left behind.

        ``on_done`` is called once, with whom it has reached.
        """
        if session.leader_alive and not session.settled:
            self._interrupting.begin(session, on_done)
        else:
            self._interrupting.begin_with_all(session, self.others(session), on_done)

    def _press_interrupt(self, session: Session) -> None:
        if session.input >= 0:
            self._streams.feed(session, interrupt_key(session.input), eof=False, on_room=lambda _readable: None)

    def processes(self, session: Session, *, awaited: bool) -> list[int]:
        """The live processes of a session, its leader first; or only those that its leader waits for, with itself."""
        if awaited and session.leader_alive and not session.settled:
            return foreground(session.pid).members
        self._trees.adopt()
        return self._trees.members(session)

    def feed(self, session: Session, data: bytes, *, eof: bool, hidden: bool, on_room: Callable[[bool], None]) -> None:
        """Input for a session, hidden from its own output; see ``Streams.feed`` and ``echo.hide``."""
        self._stdin.given(session)
        if hidden:
            echo.hide(self._loop, session)
        self._streams.feed(session, data, eof=eof, on_room=on_room)

    def look_at_input(self, session: Session, *, on_seen: Callable[[], None]) -> None:
        """See soon whether a session waits for input; see ``StdinWatch.look``."""
        self._stdin.look(session, on_seen=on_seen)

    def attend(self, session: Session, *, attended: bool) -> None:
        """Somebody is ready to answer when a session waits for input, or is no more; see ``StdinWatch.attend``."""
        self._stdin.attend(session, attended=attended)

    def catch_up(self, session: Session) -> None:
        """Store what a session has written so far, if there is room."""
        if not session.waits_for_room:
            self._streams.drain_what_is_there(session)

    def discard_output(self, session: Session, up_to: int) -> None:
        """Free the stored output below a cursor, and let a session go on that waits for room."""
        session.spool.discard(up_to)
        self._streams.resume(session)

    def others(self, session: Session) -> list[int]:
        """Live processes of a session besides its leader."""
        self._trees.adopt()
        return self._trees.others(session)

    def session_of(self, pid: int) -> Session | None:
        """Whose a live process is; None if it is of no session."""
        return self._trees.session_of(pid)

    def usage(self) -> dict[str, list[float]]:
        """The figures of every running session's tree, as a record has them."""
        self.upkeep.look()
        figures = {session.session_id: self.upkeep.figures(session) for session in self.running}
        return {session_id: known for session_id, known in figures.items() if known is not None}

    def reap(self) -> None:
        """Collect what has died, and see which sessions are over by it."""
        died = False
        for pid, status, used in system.reap():
            if os.WIFSTOPPED(status):
                leader_of = self._trees.leaders.get(pid)
                if leader_of is not None:
                    self.handovers.stopped(leader_of)
                continue
            died = True
            self.upkeep.reaped(self._trees.owner(pid), used)
            session = self._trees.reaped(pid)
            if session is not None:
                self._leader_gone(session, os.waitstatus_to_exitcode(status))
        if died:
            self._look_for_over()

    # Starting

    def _wait(self, session: Session) -> None:
        session.queued, session.started_at = True, time.time()
        self._queue.add(session)
        self._announce("queued", session)
        self._queue.turn()  # what it is to follow may have failed already

    def _start_queued(self, session: Session) -> None:
        try:
            if session.pid:  # it was prepared
                self._starter.tell_to_begin(session)
            else:
                self._launch(session)
        except (LaunchFailedError, OSError) as error:
            logger.warning("session=%s could not be started: %s", session.session_id, error)
            self._cancel(session, str(error))
            return
        session.queued = False
        self._announce("started", session)

    def _launch(self, session: Session) -> None:
        self._starter.launch(session)
        try:
            self._streams.open(session)
        except OSError as error:
            _take_back(session)
            raise LaunchFailedError("system", session.command, error) from error
        self._trees.add(session)

    def _restart(self, session: Session) -> None:
        try:
            self._launch(session)
        except (LaunchFailedError, OSError) as error:
            logger.warning("session=%s could not be started again: %s", session.session_id, error)
            session.problem = str(error)
            self._leader_gone(session, EXIT_NOT_STARTED)
            self._look_for_over()
        else:
            self._announce("started", session)

    def _cancel(self, session: Session, problem: str | None, on_done: OnDone | None = None) -> None:
        """It leaves the queue without having run."""
        self._queue.remove(session)
        session.problem, session.queued = problem, False
        if session.pid == 0:
            self._finish(session, CANCELLED, on_done)
            return
        # Prepared: its shell waits, and is not needed; how that ends says nothing.
        session.settled, session.began_at = True, 0.0
        self._endings.begin(session, reason=CANCELLED, grace=0, on_done=on_done)

    def _announce(self, kind: str, session: Session, *, recorded_soon: bool = False) -> None:
        if kind == "started":
            self._queue.began(session)
            self.upkeep.begin(session)
            self._stdin.begin(session)
        if recorded_soon:
            self.history.begin_soon(session)  # first its output, which may be here already
        else:
            self.history.begin(session)
        self._on_event(kind, session)

    # Its streams

    def _put_out(self, session: Session) -> None:
        self._stdin.stirred(session)
        self._on_output(session)

    def _waits_or_not(self, session: Session) -> None:
        self._on_event("changed" if session.waits_for is None else "waiting", session)

    # Ending

    def _leader_gone(self, session: Session, returncode: int) -> None:
        session.leader_alive = session.stopped = False
        self._leaderless.add(session)
        if session.queued:
            self._cancel(session, "its shell ended before its turn came")
        self.handovers.leader_gone(session)
        if session.settled:
            return
        if session not in self._endings and self._restarts.wants(session, returncode):
            self._streams.drain_what_is_there(session)
            session.last_returncode = returncode
            session.leftovers = self.others(session)
            self._end_leftovers(session)
        else:
            self._exited(session, returncode)
            self._end_leftovers(session)

    def _take_status(self, session: Session, code: int) -> None:
        session.usage = self.upkeep.figures_with_leader(session)
        self._exited(session, code)

    def _exited(self, session: Session, returncode: int) -> None:
        self._streams.drain_what_is_there(session)
        self._stdin.forget(session)
        session.returncode = returncode
        session.last_returncode = None
        session.exited_cursor = session.spool.end
        session.order = None
        if not session.outlets:
            self._on_drained(session)  # not told before, if it might have been started again
        if session.listed:
            session.leftovers = self.others(session)
            self._on_event("exited", session)

    def _end_leftovers(self, session: Session) -> None:
        if (
            session.listed
            and session.leftovers
            and session.policy.on_leftovers == "kill"
            and session not in self._endings
        ):
            self._endings.begin(session, reason="", grace=GRACE_SECONDS)

    def _look_for_over(self) -> None:
        try:
            self._find_over()
        except OSError as error:  # /proc could not be read: never take that for an end
            logger.warning("the processes could not be looked at, trying again: %s", error)
            self._look_again_soon()
        else:
            if self._leaderless and not system.ADOPTS_ORPHANS:  # nobody tells us of an orphan's end
                self._look_again_soon()

    def _look_again_soon(self) -> None:
        if not self._looking_again:
            self._looking_again = True
            self._loop.call_later(RETRY_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._looking_again = False
        self._look_for_over()

    def _find_over(self) -> None:
        self._trees.adopt()
        for session in list(self._leaderless):
            if not self._trees.roots(session):
                self._leaderless.discard(session)
                self._gone(session)

    def _gone(self, session: Session) -> None:
        """Leader and tree are gone: over, unless it is to be started again."""
        self._trees.forget(session)
        ending = self._endings.over(session)
        if session.last_returncode is None or (ending is not None and ending.reason):
            self._finish(session, ending.reason if ending else "", ending.done if ending else None)
            return
        self.upkeep.pause(session)
        self._restarts.schedule(session)
        self._streams.close(session)
        self.progress.forget(session)
        session.leftovers = []
        self._on_event("restarting", session)

    def _finish(self, session: Session, reason: str, on_done: OnDone | None) -> None:
        """Nothing of it is left or to come: it is over, once.

        Args:
            reason: Empty if it has come to its end by itself.
            on_done: Called in any case; after the event, so that who is told also sees it so.
        """
        if not session.over:
            self._put_down_the_end(session, reason)
            self._on_event("ended", session)
        if on_done is not None:
            on_done({})
        self._queue.over(session)

    def _put_down_the_end(self, session: Session, reason: str) -> None:
        session.order = None
        self.handovers.forget(session)
        self._streams.close(session)
        self._on_drained(session)
        self.progress.forget(session)
        session.over = True
        session.queued = session.stopped = session.announced = False
        self._stdin.forget(session)
        session.leftovers = []
        if session.last_returncode is not None:  # it was to be started again
            session.returncode = session.last_returncode
        # By the monotonic clock: whoever sets the other one meanwhile makes no session longer or shorter.
        session.duration = time.monotonic() - session.began_at if session.began_at else 0.0
        session.ended_at = session.started_at + session.duration
        session.end_reason = reason or ("signalled" if (session.returncode or 0) < 0 else "exited")
        self.upkeep.over(session)
        if session.listed:
            self.history.end(session)
        else:
            del self.sessions[session.session_id]
            self._starter.unmake(session)

    def _on_drained(self, session: Session) -> None:
        """The end of its output: told once, and not while it may be started again, as then there is more to come."""
        if session.drained or session.order is not None:
            return
        session.drained = True
        if session.listed:
            self._on_event("drained", session)


def _take_back(session: Session) -> None:
    """Kill a leader that was started just now and can not be kept; it leads a group of its own."""
    os.killpg(session.pid, signal.SIGKILL)
    os.waitpid(session.pid, 0)
    session.pid, session.leader_alive = 0, False
