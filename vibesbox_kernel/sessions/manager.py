"""The SessionManager: start, read, list, terminate and clean up sessions, from any event loop."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Unpack

from vibesbox_kernel.errors import (
    BrokerError,
    SessionEndedError,
    SessionNotFoundError,
    SessionOwnedError,
    SessionTimeoutError,
    SurvivorsError,
)
from vibesbox_kernel.models import CommandResult, EndReason, InterruptReport, SessionInfo
from vibesbox_kernel.sessions import validation
from vibesbox_kernel.sessions.command_session import CommandSession
from vibesbox_kernel.sessions.displays import DisplayDoor
from vibesbox_kernel.sessions.engine import Engine
from vibesbox_kernel.sessions.hub import Hub, on_engine
from vibesbox_kernel.sessions.input import FeedingSessions
from vibesbox_kernel.sessions.looking import LookingSessions, processes_of
from vibesbox_kernel.sessions.mirror import Entry, Ref
from vibesbox_kernel.sessions.options import SessionOptions
from vibesbox_kernel.sessions.prepared import PreparedSessions
from vibesbox_kernel.sessions.purging import PurgingSessions
from vibesbox_kernel.sessions.reading import ReadingSessions
from vibesbox_kernel.sessions.sharing import SharingSessions
from vibesbox_kernel.sessions.starting import DEFAULT_SHELL, StartingSessions
from vibesbox_kernel.sessions.subscription import Subscription
from vibesbox_kernel.sessions.workspace import Workspace

MAX_COMPLETED_BYTES = 1 << 30


class SessionManager(
    StartingSessions,
    ReadingSessions,
    FeedingSessions,
    SharingSessions,
    PurgingSessions,
    PreparedSessions,
    LookingSessions,
):
    """Starts commands as sessions and owns them until it closes or its process dies.

    One broker process stands behind it, started with the first session. Every coroutine method may be
    awaited from any event loop; the plain methods may be called from any thread.

    Args:
        max_completed_sessions: How many ended sessions are remembered, with their output.
        max_completed_bytes: How much output of ended sessions is kept on disk; the oldest goes first.
        instance: Id of the broker to use; the default is a new one of this manager's own.
        owner: Whose sessions these are, in words, for listings.
        engine: The background thread to use; the default is one of this manager's own.
    """

    def __init__(
        self,
        max_completed_sessions: int = 100,
        *,
        max_completed_bytes: int = MAX_COMPLETED_BYTES,
        instance: str | None = None,
        owner: str | None = None,
        engine: Engine | None = None,
    ) -> None:
        if max_completed_sessions < 0:
            raise ValueError(f"max_completed_sessions is {max_completed_sessions}; it must not be negative")
        if max_completed_bytes < 0:
            raise ValueError(f"max_completed_bytes is {max_completed_bytes}; it must not be negative")
        hub = Hub(max_completed_sessions, max_completed_bytes, instance=instance, owner=owner, engine=engine)
        super().__init__(hub)
        weakref.finalize(self, hub.abandon).atexit = False

    # Looking

    @property
    def workspace(self) -> Workspace:
        """A private directory that sessions and manager share."""
        return self.hub.workspace

    @property
    def displays(self) -> DisplayDoor:
        """Where sessions ask for something to be shown; to be used on the engine."""
        return self.hub.displays

    @property
    def sessions(self) -> Mapping[int, CommandSession]:
        """The running sessions by pid, as of now."""
        return MappingProxyType(
            {entry.pid: self._handle(entry) for entry in self.hub.mirror.running() if entry.pid is not None}
        )

    @property
    def completed(self) -> Mapping[int, CommandSession]:
        """The ended sessions by pid, oldest first; of a reused pid the newest."""
        return MappingProxyType(
            {entry.pid: self._handle(entry) for entry in self.hub.mirror.completed() if entry.pid is not None}
        )

    def get_session(self, ref: Ref) -> CommandSession | None:
        """The session that a reference means, running ones first; None when there is none."""
        try:
            return self._handle(self._find(ref))
        except SessionNotFoundError:
            return None

    def info(self, ref: Ref) -> SessionInfo:
        """What a listing says of one session.

        Raises:
            SessionNotFoundError: No session has this pid, id or name.
            AmbiguousReferenceError: It is a prefix of several ids.
        """
        return self._find(ref).info()

    def events(self) -> Subscription:
        """What happens from now on, as an async iterator (and async context manager)."""
        return self.hub.subscribe()

    # Waiting

    @on_engine
    async def wait(self, ref: Ref, timeout: float | None = None) -> SessionInfo:
        """Wait until a session is over: its leader and its whole tree.

        Raises:
            SessionTimeoutError: It still runs after ``timeout`` seconds; it goes on.
        """
        entry = self._find(ref)
        if not await self.hub.wait_until(entry, lambda: entry.over, timeout):
            raise SessionTimeoutError(ref, timeout or 0)
        return entry.info()

    @on_engine
    async def wait_exited(self, ref: Ref) -> int:
        """Wait until a session's leader has ended; returns its returncode.

        Raises:
            BrokerError: The status was lost with the broker.
        """
        entry = self._find(ref)
        await self.hub.wait_until(entry, lambda: entry.exit_status is not None or entry.over)
        if entry.exit_status is None:
            raise BrokerError(f"the exit status of session {entry.session_id} was lost with its broker")
        return entry.exit_status.returncode

    async def run(self, command: str, shell: str = DEFAULT_SHELL, **options: Unpack[SessionOptions]) -> CommandResult:
        """Run a command to its end, its whole tree included, and give what it put out.

        It has no input unless ``stdin=True`` says so. With ``timeout`` it is ended after so many seconds,
        and the result says so. If the caller is cancelled, the command is killed.
        """
        options.setdefault("stdin", False)
        session_id = self.hub.new_session(command)
        with self.hub.held(session_id):
            await self._submit(session_id, command, shell, options)
            try:
                info = await self.wait(session_id)
            except BaseException:
                self._post_kill(session_id)
                raise
            output = await self.read_output(session_id)
        return CommandResult(
            session_id=session_id,
            command=command,
            exit_status=info.exit_status,
            end_reason=info.end_reason or EndReason.LOST,
            output=output,
            output_bytes=info.output_bytes,
            dropped_bytes=info.dropped_bytes,
            duration=info.duration or 0.0,
            problem=info.problem,
        )

    # Acting

    @on_engine
    async def send_signal(self, ref: Ref, sig: int, *, whole_tree: bool = False) -> None:
        """Send one signal to the leader's process group, or to what the leader has left behind.

        Args:
            whole_tree: To every process of the session instead.

        Raises:
            SessionEndedError: The session is over.
        """
        await self._ask(self._find(ref), "signal", signal=int(sig), whole_tree=whole_tree)

    @on_engine
    async def interrupt(self, ref: Ref) -> InterruptReport:
        """What Ctrl-C is meant to do: SIGINT to the leader and to all that it waits for, but to no background job.

        Where only the answer of a shell can tell which is which, this takes some hundredths of a second. Once the
        leader is gone, all that it has left behind gets it.
        """
        answer = await self._ask(self._find(ref), "interrupt")
        return InterruptReport(
            reached=processes_of(answer["reached"]),
            reached_count=answer["reached_count"],
            jobs=processes_of(answer["jobs"]),
        )

    @on_engine
    async def resize(self, ref: Ref, rows: int, columns: int) -> None:
        """Set the size of a session's terminal."""
        validation.check_size(rows, columns)
        await self._ask(self._find(ref), "resize", rows=rows, columns=columns)

    @on_engine
    async def terminate_session(self, ref: Ref, force: bool = False) -> bool:
        """End a session's whole tree: SIGINT, one second, then SIGKILL (with ``force``: SIGKILL now).

        Returns:
            True when it was running and is gone now; False when there is no such running session.

        Raises:
            SurvivorsError: Processes outlived SIGKILL; says which and why.
        """
        try:
            entry = self._find(ref)
        except SessionNotFoundError:
            return False
        return entry.session_id in await self._end([entry], force=force)

    @on_engine
    async def cleanup_all(self) -> None:
        """End all our sessions at the same time, the durable and the prepared ones too, and let the broker go.

        Idempotent; a session may be started afterwards.

        Raises:
            SurvivorsError: Processes outlived SIGKILL.
        """
        await self._clean_up([entry for entry in self.hub.mirror.running() if self.hub.is_ours(entry)])

    async def aclose(self) -> None:
        """End our sessions but for the durable ones, which go on without us, and the background thread. Idempotent."""
        self.hub.give_up_workspace()
        try:
            await self._end_what_is_not_durable()
        finally:
            self.hub.leave_places()
            self.hub.close_subscriptions()
            if not self.engine.is_current:
                self.hub.close_engine()

    @on_engine
    async def _end_what_is_not_durable(self) -> None:
        ours = [entry for entry in self.hub.mirror.running() if self.hub.is_ours(entry)]
        await self._clean_up([entry for entry in ours if not entry.record["durable"]])

    async def _clean_up(self, entries: Sequence[Entry]) -> None:
        try:
            await self._end(entries, force=False)
        finally:
            await self.hub.disconnect()

    @on_engine
    async def release(self) -> None:
        """Give up the lease without waiting: the broker kills what runs and leaves by itself."""
        self.hub.drop_lease()

    async def __aenter__(self) -> SessionManager:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def post_signal(self, session_id: str, number: int) -> None:
        """``send_signal`` for callers that can not wait; does nothing when the session is over."""
        self.engine.post_task(self._signal_if_running(session_id, number), name="vibesbox-signal")

    # Inside

    async def _signal_if_running(self, session_id: str, number: int) -> None:
        with contextlib.suppress(SessionEndedError, SessionNotFoundError):
            await self.send_signal(session_id, number)

    async def _end(self, entries: Sequence[Entry], *, force: bool) -> list[str]:
        """End sessions at the same time, each by its broker; returns the ids of those that are gone by it."""
        wanted: dict[str, list[str]] = {}
        for entry in entries:
            if not entry.over:
                wanted.setdefault(entry.instance, []).append(entry.session_id)
        answers = await asyncio.gather(*(self._end_at(one, ids, force=force) for one, ids in wanted.items()))
        survivors: dict[int, str] = {}
        left: set[str] = set()
        for _, surviving in answers:
            left.update(surviving)
            survivors.update({int(pid): why for pids in surviving.values() for pid, why in pids.items()})
        if survivors:
            raise SurvivorsError(", ".join(sorted(left)), survivors)
        return [session_id for ended, _ in answers for session_id in ended]

    async def _end_at(
        self, instance: str, ids: list[str], *, force: bool
    ) -> tuple[list[str], dict[str, dict[str, str]]]:
        try:
            answer = await self.hub.links.request(instance, "end", session_ids=ids, force=force)
        except SessionOwnedError as error:
            raise SessionOwnedError(self._find(str(error.ref)).known_as, error.owner) from None
        except BrokerError:
            return ids, {}  # it died meanwhile: the guardian ends them all
        if answer is None:
            raise BrokerError("the sessions' broker is not connected; attach to them first")
        return list(answer["ended"]), dict(answer["survivors"])

    def _handle(self, entry: Entry) -> CommandSession:
        handle = entry.handle() if entry.handle is not None else None
        if handle is None:
            handle = CommandSession(self, entry)
            entry.handle = weakref.ref(handle)
        return handle
