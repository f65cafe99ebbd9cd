"""Sessions that are prepared ahead: the floor on which shell cells stand.

A prepared session's leader is already running and waits for its control pipe; it is listed from the
moment it begins. A leader may stop itself to hand over what it has (SIGSTOP to itself); its manager
then settles it with the exit status that it left, and lets it go, or keeps it for its children.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vibesbox_kernel.broker.wire import pack_bytes
from vibesbox_kernel.models import ExitStatus, SessionInfo
from vibesbox_kernel.sessions import validation
from vibesbox_kernel.sessions.hub import Hub, on_engine


@dataclass(frozen=True)
class PreparedSession:
    """A leader that waits for its control pipe (its descriptor 250)."""

    session_id: str
    pid: int


@dataclass(frozen=True)
class Handover:
    """What a leader did at the end of its work.

    Attributes:
        stopped: It stopped itself to hand over; otherwise it has exited with ``exit_status``.
        exit_status: How it exited; None when it stopped, or when that was lost with the broker.
        others: Live processes of the session besides the leader, at that moment.
    """

    stopped: bool
    exit_status: ExitStatus | None
    others: int


class PreparedSessions:
    """The methods of a SessionManager for sessions that are prepared ahead."""

    def __init__(self, hub: Hub, owner: str) -> None:
        self.hub = hub
        self.owner = owner

    @on_engine
    async def prepare_session(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | os.PathLike[str] | None = None,
        io: str = "pty",
        rows: int = 24,
        columns: int = 100,
    ) -> PreparedSession:
        """Start a leader that waits.

        Args:
            argv: Program (an absolute path) and arguments.
            env: Its whole environment, to which the session's marker is added.

        Raises:
            ShellNotFoundError: The program can not be executed.
            DirectoryNotFoundError: No such ``cwd``.
        """
        validation.check_size(rows, columns)
        session_id = self.hub.new_session("")
        try:
            answer = await self.hub.request(
                "start",
                session_id=session_id,
                argv=list(argv),
                env=dict(env),
                cwd=validation.find_directory(cwd),
                command="",
                io=validation.check_io(io),
                feed=True,
                rows=rows,
                columns=columns,
                owner=self.owner,
                prepared=True,
            )
        except BaseException:
            self.hub.forget_command(session_id)
            raise
        return PreparedSession(session_id, answer["pid"])

    @on_engine
    async def begin_session(
        self,
        session_id: str,
        *,
        command: str,
        name: str | None = None,
        control: bytes,
        timeout: float | None = None,
    ) -> int:
        """Let a prepared session run; from here on it is listed.

        Args:
            control: What its leader reads from the control pipe, at most 4096 bytes.
            timeout: Seconds after which it is ended.

        Returns:
            The leader's pid.
        """
        validation.check_name(name)
        validation.check_seconds("timeout", timeout)
        with self.hub.name_reserved(name):
            self.hub.rename_command(session_id, command)
            answer = await self.hub.request(
                "begin", session_id=session_id, command=command, name=name, control=pack_bytes(control), timeout=timeout
            )
        return int(answer["pid"])

    @on_engine
    async def discard_session(self, session_id: str) -> None:
        """End a prepared session that is not wanted; nobody hears of it."""
        await self.hub.request_if_open("discard", session_id=session_id)
        self.hub.forget_command(session_id)

    @on_engine
    async def wait_handover(self, session_id: str) -> Handover:
        """Wait until a session's leader stops itself, or exits.

        Raises:
            SessionNotFoundError: It has not begun.
        """
        entry = self.hub.mirror.find(session_id)
        await self.hub.wait_until(entry, lambda: entry.record["stopped"] or entry.exit_status is not None or entry.over)
        return Handover(entry.record["stopped"], entry.exit_status, len(entry.record["leftovers"]))

    @on_engine
    async def resume_session(self, session_id: str) -> None:
        """Continue a leader that stopped itself for another reason than to hand over."""
        entry = self.hub.mirror.find(session_id)
        entry.record["stopped"] = False  # the broker tells of the next stop, not of this resumption
        await self.hub.request("resume", session_id=session_id)

    @on_engine
    async def settle_session(self, session_id: str, exit_code: int, *, keep: bool) -> SessionInfo:
        """Take the exit status that a stopped leader has handed over.

        Everything that was written before it stopped is in the spool when this returns, up to
        ``exited_cursor``.

        Args:
            keep: Continue the leader as the session's keeper, until nothing else of the tree is left;
                otherwise it is ended.
        """
        await self.hub.request("settle", session_id=session_id, code=exit_code, keep=keep)
        return self.hub.mirror.find(session_id).info()

    def exited_cursor(self, ref: int | str) -> int | None:
        """Where the output of a session's leader ends; None while that is not known."""
        return self.hub.mirror.find(ref).record["exited_cursor"]
