"""For plain scripts: one manager for the process, made when it is first needed, and a command run with one call."""

from __future__ import annotations

import os
import threading
from typing import Unpack

from vibesbox_kernel.errors import SessionFailedError
from vibesbox_kernel.models import CommandResult
from vibesbox_kernel.sessions.manager import SessionManager
from vibesbox_kernel.sessions.options import SessionOptions
from vibesbox_kernel.sessions.starting import DEFAULT_SHELL

LAST_LINES = 10
"""So many of a failed command's output are in the error's message."""

_lock = threading.Lock()
_own: tuple[int, SessionManager] | None = None
_shared: list[SessionManager] = []


def run(
    command: str, shell: str = DEFAULT_SHELL, *, check: bool = False, **options: Unpack[SessionOptions]
) -> CommandResult:
    """Run a command to its end, every process of it, and give what it put out.

    Blocks, and may be called from any thread, also where an event loop runs (which waits, too: ``await manager.run(…)``
    does not let it). An interrupt (KeyboardInterrupt) ends the command. It has no input unless ``stdin=True`` says so.

    Args:
        command: What ``shell -c`` runs.
        shell: Path or name of a program that takes ``-c COMMAND``.
        check: Raise an error if it does not succeed.
        options: ``timeout``, ``cwd``, ``env``, ``io="pty"`` and others: see ``SessionOptions`` and ``SessionPolicy``.

    Raises:
        SessionFailedError: It did not succeed, and ``check`` was asked for; its last lines are in the message.
        VibesboxError: It could not be started.
    """
    manager = default_manager()
    result = manager.engine.call(manager.run(command, shell, **options))
    if check and not result.success:
        raise SessionFailedError(result.session_id, _what_failed(result), code=result.exit_code, signal=result.signal)
    return result


def default_manager() -> SessionManager:
    """The manager of whoever brings none: the extension's where that is loaded, else one of this process."""
    global _own
    with _lock:
        if _shared:
            return _shared[-1]
        if _own is None or _own[0] != os.getpid():  # a fork's child has no part in its parent's sessions
            _own = os.getpid(), SessionManager()
        return _own[1]


def share(manager: SessionManager) -> None:
    """Let a manager be the default from now on."""
    with _lock:
        _shared.append(manager)


def unshare(manager: SessionManager) -> None:
    """Let a manager that was shared be the default no more."""
    with _lock:
        _shared[:] = [one for one in _shared if one is not manager]


def _what_failed(result: CommandResult) -> str:
    how = str(result.exit_status) if result.exit_status is not None else result.problem or str(result.end_reason)
    reason = " (timed out)" if result.timed_out else ""
    last = "\n".join(result.output.splitlines()[-LAST_LINES:])
    return f"{_cut(result.command)!r}: {how}{reason}" + (f"\n{last}" if last else "")


def _cut(command: str) -> str:
    return command if len(command) <= 80 else f"{command[:79]}…"
