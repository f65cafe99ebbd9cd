"""What we say ourselves in the output of a cell: lines that can be told from the session's own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.models import EndReason, SessionInfo
from vibesbox_kernel.shell.human import format_duration
from vibesbox_kernel.shell.references import label, with_names
from vibesbox_kernel.shell.table_text import how_it_ended

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.running import Running
    from vibesbox_kernel.shell.sink import OutputSink


def say(sink: OutputSink, text: str) -> None:
    """Say something in a line of its own."""
    sink.line(f"[vibesbox: {text}]")


async def say_how_it_ended(manager: SessionManager, running: Running) -> None:
    """Wait until a session that goes on without its cell is over and shown, and say in that cell how it ended.

    One that was never started has said so itself.
    """
    with contextlib.suppress(SessionNotFoundError):  # over, and forgotten already
        await manager.wait(running.session_id)
    await asyncio.wait([running.showing])
    info = running.session.info
    if info.end_reason is not EndReason.CANCELLED:
        say(running.view.sink, closing_words(with_names(manager, info), jobs=running.has_left_jobs))


def closing_words(info: SessionInfo, *, jobs: bool) -> str:
    """How a session ended that nobody waited for: ``build (pid 5): exited (exit 0) after 3 min``.

    Args:
        info: The session, which is over.
        jobs: Its cell had come to an end before, and only what that had left running went on.
    """
    took = format_duration(info.duration or 0.0)
    if jobs and info.end_reason is EndReason.EXITED:
        return f"{label(info)}: all that it had left in the background has ended, {took} after its start"
    return f"{label(info)}: {how_it_ended(info)} after {took}"
