"""A bash that knows a state and answers questions about code: the side bash.

It is a prepared session that never begins, so nobody sees it in a listing, and the broker ends it, with whatever a
question has started, when it takes too long and when we are gone. It runs ``bash/side.sh``.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import ShellStateError
from vibesbox_kernel.sessions.private_files import write_private
from vibesbox_kernel.shell.restore import restore_text
from vibesbox_kernel.shell.state import ShellState

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

MAX_REQUEST_BYTES = 1 << 15
"""A FIFO holds twice as much, so that a request never waits to be read."""
MAX_ANSWER_BYTES = 4 << 20
_TEXTS = ("side.sh", "help.sh", "completion.sh", "inspection.sh")
_READ_BYTES = 1 << 16

PACKAGE_FILES = (
    "/usr/share/bash-completion/bash_completion",
    "/usr/local/share/bash-completion/bash_completion",
    "/opt/homebrew/etc/profile.d/bash_completion.sh",
    "/etc/bash_completion",
)
"""Where the package bash-completion may be."""

Said = list[list[str]]
"""What was said to a request: lists of fields."""


class SideBash:
    """One side bash. Everything of it runs on the manager's engine.

    Args:
        directory: Its private directory, which goes with it.
        manager: Runs it.
    """

    def __init__(self, manager: SessionManager, directory: Path) -> None:
        self._manager = manager
        self._directory = directory
        self._session_id: str | None = None
        self._requests = self._answers = -1
        self._turn = asyncio.Lock()
        self._pending: asyncio.Future[Said] | None = None
        self._said: Said = []
        self._data = bytearray()
        self.alive = True

    @classmethod
    async def start(cls, manager: SessionManager, state: ShellState, *, bash: str, env: Mapping[str, str]) -> SideBash:
        """Start one; it takes on the state while the first question is already on its way.

        Args:
            manager: Runs it.
            state: What it shall know.
            bash: Path of the bash.
            env: The environment that it begins with, before the state.
        """
        directory = manager.workspace.path / f"side-{secrets.token_hex(6)}"
        directory.mkdir(mode=0o700)
        side = cls(manager, directory)
        try:
            side._lay_out(state)
            argv = [bash, "--noprofile", "--norc", str(directory / "side.sh"), *PACKAGE_FILES]
            prepared = await manager.prepare_session(argv, env=env, cwd=directory, io="pipe")
            side._session_id = prepared.session_id
        except BaseException:
            await side.close()
            raise
        return side

    async def ask(self, function: str, *arguments: str) -> Said:
        """What it says to a question. A caller that does not wait for the end leaves it of no more use.

        Args:
            function: Of ``bash/help.sh`` or ``bash/completion.sh``.
            arguments: What it is called with.

        Raises:
            ShellStateError: It has ended, or the question can not be one.
        """
        request = _packed([function, *arguments])
        async with self._turn:
            if not self.alive:
                raise ShellStateError("the side bash has ended")
            self._pending = asyncio.get_running_loop().create_future()
            try:
                self._send(request)
                return await self._pending
            except BaseException:
                self.alive = False  # what it says from now on may be to this question
                raise
            finally:
                self._pending = None

    async def take_on(self, changes: bytes) -> None:
        """Run a text in it, such as one that sets variables; what comes later knows of it."""
        path = self._directory / f"changes-{secrets.token_hex(4)}"
        write_private(path, changes, new=True)
        try:
            await self.ask("take-on", str(path))
        finally:
            path.unlink(missing_ok=True)

    async def close(self) -> None:
        """End it, with whatever its answers have started. Idempotent."""
        self._give_up("the side bash was ended")
        for descriptor in (self._requests, self._answers):
            if descriptor >= 0:
                os.close(descriptor)
        self._requests = self._answers = -1
        session_id, self._session_id = self._session_id, None
        try:
            if session_id is not None:
                await self._manager.discard_session(session_id)
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _lay_out(self, state: ShellState) -> None:
        for name in _TEXTS:
            write_private(
                self._directory / name, resources.files(__package__).joinpath("bash", name).read_bytes(), new=True
            )
        write_private(self._directory / "functions", state.functions, new=True)
        write_private(self._directory / "restore.sh", restore_text(state), new=True)
        for name in ("requests", "answers"):
            os.mkfifo(self._directory / name, 0o600)
        # For both directions, or the open would wait for, or need, the other side.
        self._requests = os.open(self._directory / "requests", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._answers = os.open(self._directory / "answers", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._answers, self._read)

    def _send(self, request: bytes) -> None:
        try:
            os.write(self._requests, request)
        except OSError as error:
            raise ShellStateError(f"the side bash takes no question: {error.strerror}") from error

    def _read(self) -> None:
        try:
            data = os.read(self._answers, _READ_BYTES)
        except BlockingIOError:
            return
        self._data += data
        if not data or len(self._data) > MAX_ANSWER_BYTES:
            self._give_up("the side bash says too much" if data else "the side bash has ended")
        elif data.endswith(b"\0"):
            self._take_fields()

    def _take_fields(self) -> None:
        """Take what is whole of what was said."""
        fields = bytes(self._data).split(b"\0")[:-1]
        at = 0
        while at < len(fields) and at + int(fields[at]) < len(fields):
            count = int(fields[at])
            if count:
                self._said.append([os.fsdecode(one) for one in fields[at + 1 : at + 1 + count]])
            elif self._pending is not None and not self._pending.done():
                self._pending.set_result(self._said)
                self._said = []
            at += 1 + count
        self._data = bytearray(b"".join(one + b"\0" for one in fields[at:]))

    def _give_up(self, why: str) -> None:
        """Nothing more will be heard of it."""
        self.alive = False
        if self._answers >= 0:
            asyncio.get_running_loop().remove_reader(self._answers)
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(ShellStateError(why))


def _packed(fields: Sequence[str]) -> bytes:
    data = b"".join(os.fsencode(field) + b"\0" for field in (str(len(fields)), *fields))
    if data.count(b"\0") != len(fields) + 1 or len(data) > MAX_REQUEST_BYTES:
        raise ShellStateError("this can not be asked of a side bash: it is too long, or holds NUL")
    return data
