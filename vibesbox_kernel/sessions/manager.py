"""The SessionManager: start, read, list, terminate and clean up sessions, from any event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import weakref
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from vibesbox_kernel.broker.wire import pack_bytes
from vibesbox_kernel.errors import (
    BrokerError,
    SessionEndedError,
    SessionNotFoundError,
    SessionTimeoutError,
    SurvivorsError,
    VibesboxError,
)
from vibesbox_kernel.models import CommandResult, EndReason, IoMode, OutputChunk, SessionInfo
from vibesbox_kernel.sessions import validation
from vibesbox_kernel.sessions.command_session import CommandSession
from vibesbox_kernel.sessions.engine import Engine
from vibesbox_kernel.sessions.hub import MAX_ARGUMENT_BYTES, Hub, on_engine
from vibesbox_kernel.sessions.mirror import Entry, Ref
from vibesbox_kernel.sessions.prepared import PreparedSessions
from vibesbox_kernel.sessions.subscription import Subscription
from vibesbox_kernel.sessions.text_output import last_lines
from vibesbox_kernel.sessions.workspace import Workspace

DEFAULT_SHELL = "/bin/sh"
SMALL_BACKLOG_BYTES = 1 << 20
"""More output than this is read in a thread of its own, so that the caller's loop goes on."""

INPUT_PIECE_BYTES = 1 << 18


class SessionManager(PreparedSessions):
    """Starts commands as sessions and owns them until it closes or its process dies.

    One broker process stands behind it, started with the first session. Every coroutine method may be
    awaited from any event loop; the plain methods may be called from any thread.

    Args:
        max_completed_sessions: How many ended sessions are remembered, with their output.
        instance: Id of the broker to use; the default is a new one of this manager's own.
        owner: Whose sessions these are, in words, for listings.
        engine: The background thread to use; the default is one of this manager's own.
    """

    def __init__(
        self,
        max_completed_sessions: int = 100,
        *,
        instance: str | None = None,
        owner: str | None = None,
        engine: Engine | None = None,
    ) -> None:
        if max_completed_sessions < 0:
            raise ValueError(f"max_completed_sessions is {max_completed_sessions}; it must not be negative")
        hub = Hub(max_completed_sessions, instance=instance, engine=engine)
        super().__init__(hub, owner or hub.instance)
        weakref.finalize(self, hub.abandon).atexit = False

    # Starting

    async def start_session(
        self,
        command: str,
        shell: str = DEFAULT_SHELL,
        *,
        name: str | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        io: IoMode | str = IoMode.PIPE,
        stdin: bool = True,
        timeout: float | None = None,
        rows: int = 24,
        columns: int = 100,
    ) -> int:
        """Start a command; returns at once with its leader's pid.

        Args:
            command: What ``shell -c`` runs: not empty, no NUL, at most 1 MiB.
            shell: Path or name of a program that takes ``-c COMMAND``.
            name: By which it can be referred to; unique among the running.
            cwd: Its working directory; the default is ours, now.
            env: Variables to set, or to remove (None), in a copy of our environment.
            io: ``pipe``, or ``pty`` for a terminal of its own.
            stdin: Whether it can be sent input; without, a pipe session reads end of file at once.
            timeout: Seconds after which it is ended.
            rows: Height of its terminal.
            columns: Width of its terminal.

        Raises:
            InvalidCommandError: The command breaks a rule, which the message names.
            InvalidOptionError: An option is out of its range.
            ShellNotFoundError: The shell can not be executed.
            DirectoryNotFoundError: The directory can not be entered.
            NameTakenError: A running session has the name.
            LaunchError: The system refused.
        """
        session_id = await self.submit_session(
            command,
            shell,
            name=name,
            cwd=cwd,
            env=env,
            io=io,
            stdin=stdin,
            timeout=timeout,
            rows=rows,
            columns=columns,
        )
        return self._find(session_id).pid

    async def submit_session(
        self,
        command: str,
        shell: str = DEFAULT_SHELL,
        *,
        name: str | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        io: IoMode | str = IoMode.PIPE,
        stdin: bool = True,
        timeout: float | None = None,
        rows: int = 24,
        columns: int = 100,
    ) -> str:
        """Like ``start_session``, but returns the session's id, which no other will ever have."""
        validation.check_command(command)
        validation.check_name(name)
        validation.check_seconds("timeout", timeout)
        validation.check_size(rows, columns)
        mode = validation.check_io(io)
        environment = validation.merge_environment(env)
        directory = validation.find_directory(cwd)
        if mode is IoMode.PTY:
            environment.setdefault("TERM", "xterm-256color")
        request: dict[str, object] = {
            "shell": validation.find_shell(shell, environment),
            "env": environment,
            "cwd": directory,
            "command": command,
            "name": name,
            "io": mode,
            "feed": stdin,
            "rows": rows,
            "columns": columns,
            "owner": self.owner,
            "timeout": timeout,
            "prepared": False,
        }
        session_id = self.hub.new_session(command)
        try:
            await self._start(session_id, request)
        except asyncio.CancelledError:
            self._post_kill(session_id)  # it may have been started, and nobody would know
            raise
        return session_id

    @on_engine
    async def _start(self, session_id: str, request: dict[str, object]) -> None:
        name = request["name"]
        try:
            with self.hub.name_reserved(None if name is None else str(name)):
                argv = self._shell_argv(session_id, str(request.pop("shell")), str(request["command"]))
                await self.hub.request("start", session_id=session_id, argv=argv, **request)
        except VibesboxError:
            self.hub.forget_command(session_id)
            raise

    # Looking

    @property
    def engine(self) -> Engine:
        """The background thread on which everything of this manager happens."""
        return self.hub.engine

    @property
    def workspace(self) -> Workspace:
        """A private directory that sessions and manager share."""
        return self.hub.workspace

    @property
    def sessions(self) -> Mapping[int, CommandSession]:
        """The running sessions by pid, as of now."""
        return MappingProxyType({entry.pid: self._handle(entry) for entry in self.hub.mirror.running()})

    @property
    def completed(self) -> Mapping[int, CommandSession]:
        """The ended sessions by pid, oldest first; of a reused pid the newest."""
        return MappingProxyType({entry.pid: self._handle(entry) for entry in self.hub.mirror.completed()})

    def get_session(self, ref: Ref) -> CommandSession | None:
        """The session that a reference means, running ones first; None when there is none."""
        try:
            return self._handle(self._find(ref))
        except SessionNotFoundError:
            return None

    def list_sessions(self) -> list[SessionInfo]:
        """Every running and every remembered session, in the order of their start."""
        return [entry.info() for entry in self.hub.mirror]

    def info(self, ref: Ref) -> SessionInfo:
        """What a listing says of one session.

        Raises:
            SessionNotFoundError: No session has this pid, id or name.
            AmbiguousReferenceError: It is a prefix of several ids.
        """
        return self._find(ref).info()

    def output_end(self, ref: Ref) -> int:
        """Cursor behind the last byte of output that is known of, stored or dropped."""
        return self._find(ref).record["end_cursor"]

    def events(self) -> Subscription:
        """What happens from now on, as an async iterator (and async context manager)."""
        return self.hub.subscribe()

    @on_engine
    async def refresh_usage(self) -> None:
        """Measure CPU and memory of every running session's tree, for the listings that follow."""
        answer = await self.hub.request_if_open("usage")
        for session_id, (cpu, rss, _) in (answer or {"usage": {}})["usage"].items():
            entry = self.hub.mirror.by_id(session_id)
            if entry is not None:
                entry.cpu, entry.rss = cpu, rss

    # Output

    async def read_output(self, ref: Ref) -> str:
        """What a session has put out since the last call; never waits.

        Raises:
            SessionNotFoundError: There is no such session; names those that there are.
        """
        entry = self._find(ref)
        final = entry.record["drained"]
        if entry.record["end_cursor"] - entry.text.cursor > SMALL_BACKLOG_BYTES:
            return await asyncio.to_thread(entry.text.read_new, final=final)
        return entry.text.read_new(final=final)

    async def read(self, ref: Ref, cursor: int, *, max_bytes: int = 65536, wait: float | None = 0) -> OutputChunk:
        """Output from an absolute cursor on; any number of readers, none consuming.

        Args:
            wait: Seconds to wait when there is nothing at the cursor yet; None waits for ever.

        Returns:
            At most ``max_bytes``; empty and not ``eof`` when the wait ended first.
        """
        entry = self._find(ref)
        deadline = None if wait is None else time.monotonic() + wait
        while True:
            drained = entry.record["drained"]  # before the read: what it promises must be in the spool
            chunk = entry.spool.read(cursor, max_bytes)
            if chunk.data:
                return chunk
            if drained:
                end = max(entry.record["end_cursor"], cursor)
                return chunk.model_copy(update={"next_cursor": end, "dropped": end - cursor, "eof": True})
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return chunk
            await self._wait_output(entry, cursor, left)

    async def tail(self, ref: Ref, lines: int = 10) -> str:
        """The last lines of a session's output, running or ended."""
        return last_lines(self._find(ref).spool, lines).decode("utf-8", "replace")

    @on_engine
    async def _wait_output(self, entry: Entry, cursor: int, timeout: float | None) -> None:
        await self.hub.wait_until(
            entry, lambda: entry.record["end_cursor"] > cursor or entry.record["drained"], timeout
        )

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

    async def run(
        self,
        command: str,
        shell: str = DEFAULT_SHELL,
        *,
        name: str | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        io: IoMode | str = IoMode.PIPE,
        timeout: float | None = None,
    ) -> CommandResult:
        """Run a command to its end, its whole tree included, and give what it put out.

        It has no input. With ``timeout`` it is ended after so many seconds, and the result says so.
        If the caller is cancelled, the command is killed.
        """
        session_id = await self.submit_session(
            command, shell, name=name, cwd=cwd, env=env, io=io, stdin=False, timeout=timeout
        )
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
        )

    # Acting

    @on_engine
    async def send_input(self, ref: Ref, data: bytes | str, eof: bool = False) -> None:
        """Write to a session's standard input; with ``eof`` end it (on a terminal: Ctrl-D).

        Waits as long as the session has more than a mebibyte unread.

        Raises:
            SessionEndedError: It is over, or takes no input (any more).
        """
        entry = self._find(ref)
        raw = data.encode() if isinstance(data, str) else bytes(data)
        pieces = [raw[i : i + INPUT_PIECE_BYTES] for i in range(0, len(raw), INPUT_PIECE_BYTES)] or [b""]
        for piece in pieces:
            await self._ask(entry, "feed", data=pack_bytes(piece), eof=eof and piece is pieces[-1])

    @on_engine
    async def send_signal(self, ref: Ref, sig: int) -> None:
        """Send one signal to the leader's process group, or to what the leader has left behind.

        Raises:
            SessionEndedError: The session is over.
        """
        await self._ask(self._find(ref), "signal", signal=int(sig))

    @on_engine
    async def interrupt(self, ref: Ref) -> None:
        """What Ctrl-C does: SIGINT to the leader's group and to its descendants in other groups."""
        await self._ask(self._find(ref), "interrupt")

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
        """End all sessions at the same time, the prepared ones too, and let the broker go.

        Idempotent; a session may be started afterwards.

        Raises:
            SurvivorsError: Processes outlived SIGKILL.
        """
        try:
            await self._end(self.hub.mirror.running(), force=False)
        finally:
            await self.hub.disconnect()

    async def aclose(self) -> None:
        """``cleanup_all``, then end the background thread. Idempotent."""
        try:
            await self.cleanup_all()
        finally:
            self.hub.remove_workspace()
            self.hub.close_subscriptions()
            if not self.engine.is_current:
                self.hub.close_engine()

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

    def _post_kill(self, session_id: str) -> None:
        """Kill a session that nobody waits for any more. After its start, if that is still on its way."""
        self.engine.post_task(self._kill_quietly(session_id), name="vibesbox-kill")

    async def _kill_quietly(self, session_id: str) -> None:
        with contextlib.suppress(BrokerError):
            await self.hub.request_if_open("end", session_ids=[session_id], force=True)
        self.hub.forget_command(session_id)

    async def _signal_if_running(self, session_id: str, number: int) -> None:
        with contextlib.suppress(SessionEndedError, SessionNotFoundError):
            await self.send_signal(session_id, number)

    async def _ask(self, entry: Entry, operation: str, **fields: object) -> None:
        if entry.over:
            raise SessionEndedError(entry.pid, "is over")
        try:
            answer = await self.hub.request_if_open(operation, session_id=entry.session_id, **fields)
        except SessionEndedError as error:
            raise SessionEndedError(entry.pid, error.why) from None
        if answer is None:
            raise SessionEndedError(entry.pid, "was lost with its broker")

    async def _end(self, entries: Sequence[Entry], *, force: bool) -> list[str]:
        wanted = [entry.session_id for entry in entries if not entry.over]
        if not wanted:
            return []
        try:
            answer = await self.hub.request_if_open("end", session_ids=wanted, force=force)
        except BrokerError:
            answer = None  # it died meanwhile: the guardian ends them all
        if answer is None:
            return wanted
        survivors = {int(pid): why for left in answer["survivors"].values() for pid, why in left.items()}
        if survivors:
            raise SurvivorsError(", ".join(sorted(answer["survivors"])), survivors)
        return list(answer["ended"])

    def _shell_argv(self, session_id: str, shell: str, command: str) -> list[str]:
        if len(command.encode("utf-8", "surrogateescape")) > MAX_ARGUMENT_BYTES:
            return [shell, self.hub.write_script(session_id, command)]
        # A command that begins with a dash would be taken for an option.
        return [shell, "-c", "--", command] if command.startswith(("-", "+")) else [shell, "-c", command]

    def _find(self, ref: Ref) -> Entry:
        return self.hub.mirror.find(ref)

    def _handle(self, entry: Entry) -> CommandSession:
        handle = entry.handle() if entry.handle is not None else None
        if handle is None:
            handle = CommandSession(self, entry)
            entry.handle = weakref.ref(handle)
        return handle
