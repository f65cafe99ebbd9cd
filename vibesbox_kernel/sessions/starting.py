"""Starting sessions, at once or when their turn comes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Unpack

from vibesbox_kernel.errors import BrokerError, SessionEndedError, VibesboxError
from vibesbox_kernel.sessions import validation
from vibesbox_kernel.sessions.base import ManagerPart
from vibesbox_kernel.sessions.hub import MAX_ARGUMENT_BYTES, on_engine
from vibesbox_kernel.sessions.options import (
    CheckedOptions,
    SessionOptions,
    check_limit,
    check_options,
    pack_command,
    wire_policy,
)

DEFAULT_SHELL = "/bin/sh"


class StartingSessions(ManagerPart):
    """The methods of a SessionManager that start commands."""

    async def start_session(self, command: str, shell: str = DEFAULT_SHELL, **options: Unpack[SessionOptions]) -> int:
        """Start a command; returns its leader's pid, at once or when its turn in a queue has come.

        Args:
            command: What ``shell -c`` runs: not empty, no NUL, at most 1 MiB.
            shell: Path or name of a program that takes ``-c COMMAND``.
            options: See ``SessionOptions`` and ``SessionPolicy``.

        Raises:
            InvalidCommandError: The command breaks a rule, which the message names.
            InvalidOptionError: An option is out of its range.
            ShellNotFoundError: The shell can not be executed.
            DirectoryNotFoundError: The directory can not be entered.
            NameTakenError: A running session has the name.
            LaunchError: The system refused.
            SessionEndedError: It has left its queue without having started; says why.
        """
        session_id = self.hub.new_session(command)
        with self.hub.held(session_id):
            await self._submit(session_id, command, shell, options)
            try:
                return await self._wait_started(session_id)
            except asyncio.CancelledError:
                self._post_kill(session_id)  # it waits in a queue, and nobody for it
                raise

    async def submit_session(self, command: str, shell: str = DEFAULT_SHELL, **options: Unpack[SessionOptions]) -> str:
        """Like ``start_session``, but returns the session's id, at once: it may have to wait for its turn."""
        session_id = self.hub.new_session(command)
        await self._submit(session_id, command, shell, options)
        return session_id

    async def _submit(self, session_id: str, command: str, shell: str, options: SessionOptions) -> None:
        try:
            validation.check_command(command)
            checked = check_options(options, resolve=self._followed)
            program = validation.find_shell(shell, checked.env)
        except BaseException:
            self.hub.forget_command(session_id)
            raise
        try:
            await self._request_start(session_id, program, command, checked)
        except asyncio.CancelledError:
            self._post_kill(session_id)  # it may have been started, and nobody would know
            raise

    def parallel_limits(self) -> dict[str | None, int]:
        """How many sessions of each group may run at a time, and of all (None); as ``set_parallel`` said."""
        return dict(self.hub.parallel)

    @on_engine
    async def set_parallel(self, group: str | None, limit: int | None) -> None:
        """Let at most so many sessions of a group run at a time; more wait for their turn, first come first served.

        Args:
            group: What sessions give as ``group``; None for all sessions of this manager together.
            limit: At least 1; None for any number.

        Raises:
            InvalidOptionError: The limit is not a whole number above 0.
        """
        check_limit(limit)
        await self.hub.request("parallel", group=group, limit=limit)
        if limit is None:
            self.hub.parallel.pop(group, None)
        else:
            self.hub.parallel[group] = limit

    @on_engine
    async def _request_start(self, session_id: str, program: str, command: str, options: CheckedOptions) -> None:
        try:
            with self.hub.name_reserved(options.name):
                await self.hub.request(
                    "start",
                    session_id=session_id,
                    argv=self._shell_argv(session_id, program, command),
                    env=options.env,
                    cwd=options.cwd,
                    command=pack_command(command),
                    name=options.name,
                    io=options.io,
                    feed=options.stdin,
                    rows=options.rows,
                    columns=options.columns,
                    durable=options.durable,
                    policy=wire_policy(options.policy),
                    prepared=False,
                )
        except VibesboxError:
            self.hub.forget_command(session_id)
            raise

    @on_engine
    async def _wait_started(self, session_id: str) -> int:
        entry = self.hub.mirror.require(session_id)
        await self.hub.wait_until(entry, lambda: entry.pid is not None or entry.over)
        if entry.pid is None:
            raise SessionEndedError(entry.known_as, f"was not started: {entry.record['problem'] or 'it was cancelled'}")
        return entry.pid

    def _post_kill(self, session_id: str) -> None:
        """Kill a session that nobody waits for any more. After its start, if that is still on its way."""
        self.engine.post_task(self._kill_quietly(session_id), name="vibesbox-kill")

    async def _kill_quietly(self, session_id: str) -> None:
        with contextlib.suppress(BrokerError):
            await self.hub.request_if_open("end", session_ids=[session_id], force=True)
        self.hub.forget_command(session_id)

    def _shell_argv(self, session_id: str, shell: str, command: str) -> list[str]:
        if len(command.encode("utf-8", "surrogateescape")) > MAX_ARGUMENT_BYTES:
            return [shell, self.hub.write_script(session_id, command)]
        # A command that begins with a dash would be taken for an option.
        return [shell, "-c", "--", command] if command.startswith(("-", "+")) else [shell, "-c", command]
