"""Sessions that are prepared ahead: the floor on which shell cells stand.

A prepared session's leader is already running and waits for its control pipe; it is listed from the
moment it begins. A leader may stop itself to hand over what it has (SIGSTOP to itself); its manager
then settles it with the exit status that it left, and lets it go, or keeps it for its children. Before
that it may announce its exit status, for those who only wait for that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Unpack

from vibesbox_kernel.broker.wire import ANNOUNCEMENTS_NAME, MAX_HELD_DESCRIPTORS, pack_bytes
from vibesbox_kernel.errors import InvalidOptionError
from vibesbox_kernel.models import ExitStatus, SessionInfo
from vibesbox_kernel.sessions import validation
from vibesbox_kernel.sessions.base import ManagerPart
from vibesbox_kernel.sessions.hub import on_engine
from vibesbox_kernel.sessions.options import PolicyOptions, check_known, make_policy, pack_command, wire_policy

MAX_COMMAND_IN_FRAME = 1 << 16
"""Characters."""


@dataclass(frozen=True)
class PreparedSession:
    """A leader that waits for its control pipe (its descriptor 250)."""

    session_id: str
    pid: int


@dataclass(frozen=True)
class Unattended:
    """How a leader that has stopped itself is settled by the broker, when its program is gone.

    Attributes:
        verdict: Path of a file whose last line is its exit code and a word.
        certain: The words with which that code is final; with any other its real end tells.
        go: Path of a file that the broker makes then, before it continues the leader.
    """

    verdict: str
    certain: tuple[str, ...]
    go: str


@dataclass(frozen=True)
class Handover:
    """What a leader did at the end of its work.

    Attributes:
        stopped: It has stopped itself to hand over.
        announced: It has announced ``exit_status``, and lives. If it has done neither, it has exited.
        exit_status: How it exited, or will; None when it only stopped, or when that was lost with the broker.
        others: Live processes of the session besides the leader, at that moment.
        descriptors: Those above 2 that a leader had open for its children when it stopped.
    """

    stopped: bool
    announced: bool
    exit_status: ExitStatus | None
    others: int
    descriptors: tuple[int, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether a leader that has stopped was let go already."""
        return self.stopped and not self.announced and self.exit_status is not None


@dataclass(frozen=True)
class HeldDescriptors:
    """Open descriptors of a leader that has stopped itself, held by the broker for one that is started later.

    They are held until they are released, or this program ends.

    Attributes:
        session_id: Whose they were.
        numbers: What they were called there, and will be again.
        lost: Those that could not be had.
    """

    session_id: str
    numbers: tuple[int, ...]
    lost: tuple[int, ...] = ()


class PreparedSessions(ManagerPart):
    """The methods of a SessionManager for sessions that are prepared ahead."""

    @property
    def announcements(self) -> Path:
        """The fifo to which a leader may write ``TOKEN CODE``, a line, to announce its exit status."""
        return self.hub.places.runtime / ANNOUNCEMENTS_NAME

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
        descriptors: HeldDescriptors | None = None,
    ) -> PreparedSession:
        """Start a leader that waits.

        Args:
            argv: Program (an absolute path) and arguments.
            env: Its whole environment, to which the session's marker is added.
            descriptors: What it shall have open besides its streams.

        Raises:
            SessionEndedError: The descriptors are not held any more.
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
                durable=False,
                prepared=True,
                descriptors_of=None if descriptors is None else descriptors.session_id,
            )
        except BaseException:
            self.hub.forget_command(session_id)
            raise
        return PreparedSession(session_id, answer["pid"])

    @on_engine
    async def tell_session(self, session_id: str, control: bytes) -> None:
        """Have the leader of a prepared session read something from its control pipe, and wait on.

        Raises:
            SessionEndedError: It is gone.
        """
        await self.hub.request("tell", session_id=session_id, control=pack_bytes(control))

    @on_engine
    async def begin_session(
        self,
        session_id: str,
        *,
        command: str,
        name: str | None = None,
        control: bytes,
        cwd: str | None = None,
        token: str = "",
        lets_go: bool = False,
        durable: bool = False,
        unattended: Unattended | None = None,
        releasing: HeldDescriptors | None = None,
        **limits: Unpack[PolicyOptions],
    ) -> int:
        """Let a prepared session run, at once or when its turn comes; from here on it is listed.

        Args:
            control: What its leader reads from the control pipe, at most 4096 bytes with what it was told before.
            cwd: Where listings say that it runs, if that is not where its leader was started.
            token: A secret by which it may announce its exit status; see ``announcements``.
            lets_go: With its exit status announced, its stop is its end, unless it leaves processes or descriptors.
            durable: It outlives this program.
            unattended: How it is settled if it stops itself when nobody owns it.
            releasing: What is held no more from then on, for the leader has it.
            limits: See ``SessionPolicy``; not ``max_restarts``, since what was prepared is used up.

        Returns:
            The leader's pid.
        """
        validation.check_name(name)
        check_known(limits, PolicyOptions)
        policy = make_policy(limits, resolve=self._followed)
        if policy.max_restarts:
            raise InvalidOptionError("max_restarts", policy.max_restarts, "0 for a session that was prepared ahead")
        with self.hub.name_reserved(name), self._command_fields(session_id, command) as command_fields:
            self.hub.rename_command(session_id, command)
            answer = await self.hub.request(
                "begin",
                session_id=session_id,
                **command_fields,
                name=name,
                control=pack_bytes(control),
                cwd=cwd,
                token=token,
                lets_go=lets_go,
                durable=durable,
                policy=wire_policy(policy),
                unattended=None if unattended is None else asdict(unattended),
                release_of=None if releasing is None else releasing.session_id,
            )
        return int(answer["pid"])

    @on_engine
    async def discard_session(self, session_id: str) -> None:
        """End a prepared session that is not wanted; nobody hears of it."""
        await self.hub.request_if_open("discard", session_id=session_id)
        self.hub.forget_command(session_id)

    @on_engine
    async def wait_handover(self, session_id: str, *, announced: bool = False) -> Handover:
        """Wait until a session's leader stops itself, or exits.

        Args:
            announced: Or until it announces its exit status.

        Raises:
            SessionNotFoundError: It has not begun.
        """
        entry = self.hub.mirror.find(session_id)

        def is_there() -> bool:
            record = entry.record
            waits = record["announced"] and not announced
            return record["stopped"] or record["over"] or (entry.exit_status is not None and not waits)

        await self.hub.wait_until(entry, is_there)
        record = entry.record
        return Handover(
            record["stopped"],
            record["announced"],
            entry.exit_status,
            len(record["leftovers"]),
            tuple(record.get("descriptors", ())),
        )

    @on_engine
    async def hold_descriptors(self, session_id: str, numbers: Collection[int]) -> HeldDescriptors:
        """Take open descriptors from a leader that has stopped itself, for one that is prepared later.

        A descriptor that is the session's own terminal or pipe becomes the later leader's own. To be called before
        the leader is settled or resumed; what was held of the session before is released.

        Raises:
            SessionEndedError: The leader is not stopped any more.
        """
        wanted = sorted(numbers)
        answer = await self.hub.request("hold", session_id=session_id, numbers=wanted[:MAX_HELD_DESCRIPTORS])
        return HeldDescriptors(session_id, tuple(answer["held"]), (*answer["lost"], *wanted[MAX_HELD_DESCRIPTORS:]))

    @on_engine
    async def release_descriptors(self, descriptors: HeldDescriptors) -> None:
        """Have the broker close what it holds, if it still does."""
        await self.hub.request_if_open("release", session_id=descriptors.session_id)

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

    @contextlib.contextmanager
    def _command_fields(self, session_id: str, command: str) -> Iterator[dict[str, str]]:
        """What a request says of a command: a large one is in a file, which is read faster than a large frame."""
        if len(command) <= MAX_COMMAND_IN_FRAME:
            yield {"command": pack_command(command)}
            return
        name = f"command-{session_id}"
        try:
            yield self._in_a_file(name, command)
        finally:
            self.hub.workspace.remove(name)

    def _in_a_file(self, name: str, command: str) -> dict[str, str]:
        try:
            return {"command_file": str(self.hub.workspace.write(name, command.encode("utf-8", "surrogateescape")))}
        except OSError:  # the disk is full, or somebody has tidied up
            return {"command": pack_command(command)}

    def exited_cursor(self, ref: int | str) -> int | None:
        """Where the output of a session's leader ends; None while that is not known."""
        return self.hub.mirror.find(ref).record["exited_cursor"]
