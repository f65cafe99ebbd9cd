"""``%rerun``: a session's command once more, as a cell."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import MagicError, SessionNotFoundError
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.cell import Cell
from vibesbox_kernel.shell.magic_args import CellOptions, RerunArgs
from vibesbox_kernel.shell.privacy import PRIVATE_COMMAND
from vibesbox_kernel.shell.references import find, label

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager


REMEMBERED_CELLS = 1000


class RememberedOptions:
    """The options with which cells were run: of the newest, by session id."""

    def __init__(self) -> None:
        self._options: dict[str, CellOptions] = {}

    def remember(self, session_id: str, options: CellOptions) -> None:
        """A cell has begun."""
        self._options[session_id] = options
        if len(self._options) > REMEMBERED_CELLS:
            del self._options[next(iter(self._options))]

    def of(self, session_id: str) -> CellOptions:
        """What a cell was run with; the usual for a session that is none of these."""
        return self._options.get(session_id, CellOptions())


async def cell_again(manager: SessionManager, args: RerunArgs, remembered: RememberedOptions) -> Cell:
    """The cell that runs a session's command again: where it began, with its limits, in the shell's state of now.

    It has the same name, unless that is taken, and is run by the same shell. What it was to follow is over.

    Args:
        manager: Whose session it is.
        args: Which, and how.
        remembered: What else is known of cells: their shell, and the variables that were given to them alone.

    Raises:
        SessionNotFoundError: There is no such session.
        MagicError: Its command is not known.
    """
    info = await find(manager, args.ref)
    session = manager.get_session(info.session_id)
    command = info.command if session is None else session.command
    if command == PRIVATE_COMMAND:
        raise MagicError(f"%rerun: {label(info)} was a cell that begins with a blank: it is not kept", magic="%rerun")
    if not command.strip():
        raise MagicError(f"%rerun: the command of {label(info)} is not known", magic="%rerun")
    before = remembered.of(info.session_id)
    options = _options(manager, info, background=args.background)
    return Cell(
        options=replace(
            options, shell=before.shell, env=before.env, secret_env=before.secret_env, notify=before.notify
        ),
        script=command,
    )


def _options(manager: SessionManager, info: SessionInfo, *, background: bool) -> CellOptions:
    policy = info.policy
    return CellOptions(
        background=background,
        name=info.name if info.name is not None and _is_free(manager, info.name) else None,
        io=info.io,
        cwd=info.cwd,
        durable=info.durable,
        timeout=policy.timeout,
        idle_timeout=policy.idle_timeout,
        nice=policy.nice or None,
        max_memory_bytes=policy.max_memory_bytes,
        max_cpu_seconds=policy.max_cpu_seconds,
        max_output_bytes=policy.max_output_bytes,
        on_full=policy.on_full,
        on_leftovers=policy.on_leftovers,
        group=policy.group,
    )


def _is_free(manager: SessionManager, name: str) -> bool:
    with contextlib.suppress(SessionNotFoundError):
        return manager.info(name).ended_at is not None
    return True
