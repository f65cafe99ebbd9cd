"""The same verbs for callers without an event loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Unpack

from vibesbox_kernel.models import (
    CommandResult,
    InputKind,
    InterruptReport,
    ListeningPort,
    OutputChunk,
    ProcessInfo,
    PurgeReport,
    SessionEvent,
    SessionInfo,
    Usage,
)
from vibesbox_kernel.sessions.command_session import CommandSession
from vibesbox_kernel.sessions.engine import Engine
from vibesbox_kernel.sessions.manager import MAX_COMPLETED_BYTES, SessionManager
from vibesbox_kernel.sessions.mirror import Ref
from vibesbox_kernel.sessions.options import SessionOptions
from vibesbox_kernel.sessions.purging import PURGE_SECONDS
from vibesbox_kernel.sessions.starting import DEFAULT_SHELL


class BlockingSessionManager:
    """A ``SessionManager`` whose verbs block; each means what its namesake there says.

    An interrupt (KeyboardInterrupt) ends the wait, not the session.
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
        self._manager = SessionManager(
            max_completed_sessions,
            max_completed_bytes=max_completed_bytes,
            instance=instance,
            owner=owner,
            engine=engine,
        )

    @property
    def sessions(self) -> Mapping[int, CommandSession]:
        """The running sessions by pid, as of now."""
        return self._manager.sessions

    @property
    def completed(self) -> Mapping[int, CommandSession]:
        """The ended sessions by pid, oldest first."""
        return self._manager.completed

    def start_session(self, command: str, shell: str = DEFAULT_SHELL, **options: Unpack[SessionOptions]) -> int:
        """Start a command; returns its leader's pid, at once or when its turn has come."""
        return self._manager.engine.call(self._manager.start_session(command, shell, **options))

    def submit_session(self, command: str, shell: str = DEFAULT_SHELL, **options: Unpack[SessionOptions]) -> str:
        """Start a command, or let it wait for its turn; returns the session's id."""
        return self._manager.engine.call(self._manager.submit_session(command, shell, **options))

    def run(self, command: str, shell: str = DEFAULT_SHELL, **options: Unpack[SessionOptions]) -> CommandResult:
        """Run a command to its end."""
        return self._manager.engine.call(self._manager.run(command, shell, **options))

    def set_parallel(self, group: str | None, limit: int | None) -> None:
        """Let at most so many sessions of a group run at a time."""
        self._manager.engine.call(self._manager.set_parallel(group, limit))

    def get_session(self, ref: Ref) -> CommandSession | None:
        """The session that a reference means, or None."""
        return self._manager.get_session(ref)

    def list_sessions(self, everywhere: bool = False) -> list[SessionInfo]:
        """Every running and every remembered session; on request those of other programs too."""
        return self._manager.list_sessions(everywhere)

    def attach_session(self, ref: Ref) -> SessionInfo:
        """Follow a session of another program."""
        return self._manager.engine.call(self._manager.attach_session(ref))

    def adopt_session(self, ref: Ref) -> SessionInfo:
        """Take over a durable session that nobody owns any more."""
        return self._manager.engine.call(self._manager.adopt_session(ref))

    def make_durable(self, ref: Ref, durable: bool = True) -> SessionInfo:
        """Let a running session outlive this program, or not any more."""
        return self._manager.engine.call(self._manager.make_durable(ref, durable))

    def rename_session(self, ref: Ref, name: str | None) -> SessionInfo:
        """Give a session that is not over another name, or none."""
        return self._manager.engine.call(self._manager.rename_session(ref, name))

    def info(self, ref: Ref) -> SessionInfo:
        """What a listing says of one session."""
        return self._manager.info(ref)

    def read_output(self, ref: Ref) -> str:
        """What a session has put out since the last call."""
        return self._manager.engine.call(self._manager.read_output(ref))

    def read(self, ref: Ref, cursor: int, *, max_bytes: int = 65536, wait: float | None = 0) -> OutputChunk:
        """Output from an absolute cursor on."""
        return self._manager.engine.call(self._manager.read(ref, cursor, max_bytes=max_bytes, wait=wait))

    def tail(self, ref: Ref, lines: int = 10) -> str:
        """The last lines of a session's output."""
        return self._manager.engine.call(self._manager.tail(ref, lines))

    def wait(self, ref: Ref, timeout: float | None = None) -> SessionInfo:
        """Wait until a session is over."""
        return self._manager.engine.call(self._manager.wait(ref, timeout))

    def send_input(self, ref: Ref, data: bytes | str, eof: bool = False, *, hidden: bool = False) -> None:
        """Write to a session's standard input."""
        self._manager.engine.call(self._manager.send_input(ref, data, eof, hidden=hidden))

    def wait_input_wanted(self, ref: Ref) -> InputKind | None:
        """Wait until a session waits for input."""
        return self._manager.engine.call(self._manager.wait_input_wanted(ref))

    def send_signal(self, ref: Ref, sig: int, *, whole_tree: bool = False) -> None:
        """Send one signal."""
        self._manager.engine.call(self._manager.send_signal(ref, sig, whole_tree=whole_tree))

    def interrupt(self, ref: Ref) -> InterruptReport:
        """What Ctrl-C is meant to do."""
        return self._manager.engine.call(self._manager.interrupt(ref))

    def processes(self, ref: Ref, *, awaited: bool = False) -> tuple[ProcessInfo, ...]:
        """The live processes of a session; or only the leader and what it waits for."""
        return self._manager.engine.call(self._manager.processes(ref, awaited=awaited))

    def process_tree(self, ref: Ref) -> tuple[ProcessInfo, ...]:
        """The live processes of a session, each with its parent."""
        return self._manager.engine.call(self._manager.process_tree(ref))

    def ports(self, ref: Ref) -> tuple[ListeningPort, ...]:
        """The TCP ports on which a session's processes listen."""
        return self._manager.engine.call(self._manager.ports(ref))

    def resize(self, ref: Ref, rows: int, columns: int) -> None:
        """Set the size of a session's terminal."""
        self._manager.engine.call(self._manager.resize(ref, rows, columns))

    def refresh_usage(self) -> None:
        """Take over the broker's newest figures for the listings that follow."""
        self._manager.engine.call(self._manager.refresh_usage())

    def usage(self, ref: Ref) -> list[Usage]:
        """How the figures of a running session have gone since its start."""
        return self._manager.engine.call(self._manager.usage(ref))

    def discard_output(self, ref: Ref, up_to: int) -> None:
        """Delete a session's stored output below a cursor."""
        self._manager.engine.call(self._manager.discard_output(ref, up_to))

    def purge(self, older_than: float = PURGE_SECONDS, *, dry_run: bool = False) -> PurgeReport:
        """Delete what sessions have left that ended so many seconds ago."""
        return self._manager.engine.call(self._manager.purge(older_than, dry_run=dry_run))

    def events(self) -> Iterator[SessionEvent]:
        """What happens from now on; blocks between events."""
        subscription = self._manager.events()
        return subscription.blocking(self._manager.engine)

    def terminate_session(self, ref: Ref, force: bool = False) -> bool:
        """End a session's whole tree."""
        return self._manager.engine.call(self._manager.terminate_session(ref, force))

    def cleanup_all(self) -> None:
        """End all sessions at the same time."""
        self._manager.engine.call(self._manager.cleanup_all())

    def close(self) -> None:
        """End our sessions but for the durable ones, and the background thread."""
        self._manager.engine.call(self._manager.aclose())
        self._manager.hub.close_engine()

    @property
    def asynchronous(self) -> SessionManager:
        """The same sessions for callers with an event loop."""
        return self._manager

    def __enter__(self) -> BlockingSessionManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
