"""The first state: one interactive bash reads the user's start-up files, once, and says what it knows then."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import ShellStateError
from vibesbox_kernel.shell.cell_files import CellDirectory, Driver
from vibesbox_kernel.shell.environment import first_environment
from vibesbox_kernel.shell.settings import Values
from vibesbox_kernel.shell.state import ShellState

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

logger = logging.getLogger(__name__)


async def first_state(
    manager: SessionManager, driver: Driver, *, cwd: str, settings: Values
) -> tuple[ShellState, tuple[str, ...]]:
    """Read the start-up files; go without them if they fail or take too long.

    Runs on the manager's engine.

    Args:
        manager: Runs the bash, as a session that is never listed.
        driver: The bash texts.
        cwd: Where the shell begins.
        settings: Whether start-up files are read, how long they may take, and which options are on from the start.

    Returns:
        The state, and what the user should be told.

    Raises:
        ShellStateError: Not even a bash without start-up files works here.
    """
    state, notices = await _read_or_go_without(manager, driver, cwd, settings)
    wanted = {b"errexit": settings.errexit, b"pipefail": settings.pipefail}
    return replace(state, options=state.options.union(name for name, on in wanted.items() if on)), notices


async def _read_or_go_without(
    manager: SessionManager, driver: Driver, cwd: str, settings: Values
) -> tuple[ShellState, tuple[str, ...]]:
    timeout, notices = settings.startup_timeout, tuple[str, ...]()
    try:
        if settings.rc_files:
            return await _read(manager, driver, cwd=cwd, timeout=timeout, rc_files=True), ()
    except (ShellStateError, TimeoutError) as error:
        why = f"took longer than {timeout:g} s" if isinstance(error, TimeoutError) else f"failed ({error})"
        notices = (f"your shell's start-up files (~/.bashrc) {why}; this shell goes without them",)
        logger.warning("%s", notices[0])
    try:
        return await _read(manager, driver, cwd=cwd, timeout=timeout, rc_files=False), notices
    except TimeoutError as error:
        raise ShellStateError(f"{driver.bash} does not answer within {timeout:g} s") from error


async def _read(manager: SessionManager, driver: Driver, *, cwd: str, timeout: float, rc_files: bool) -> ShellState:
    directory = driver.new_directory()
    ready = directory.open_ready()
    try:
        prepared = await manager.prepare_session(
            driver.startup_argv(rc_files=rc_files),
            env=first_environment(os.environ) | driver.startup_environment(directory, rc_files=rc_files),
            cwd=cwd,
            io="pty",
        )
        try:
            async with asyncio.timeout(timeout):
                await _readable(ready)
        finally:
            await manager.discard_session(prepared.session_id)
        return _state(directory, cwd)
    finally:
        os.close(ready)
        directory.remove()


def _state(directory: CellDirectory, cwd: str) -> ShellState:
    nothing = ShellState(directory=os.fsencode(cwd))
    return ShellState.from_dump(directory.read_dump(), nothing).for_cells()


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
