"""``%tail``: the end of a session's output, all of it into a file, or as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.sessions.text_output import dropped_line
from vibesbox_kernel.shell.ansi import OutputFilter
from vibesbox_kernel.shell.human import format_bytes
from vibesbox_kernel.shell.references import find, label
from vibesbox_kernel.shell.tail_view import read_tail
from vibesbox_kernel.shell.verb_result import VerbResult

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

MAX_SHOWN_BYTES = 500_000
_SAVE_BYTES = 1 << 20
_FOLLOW_BYTES = 1 << 16


async def show_tail(manager: SessionManager, ref: str, *, lines: int = 10) -> VerbResult:
    """The last lines, ready to show; of very many lines as much as a page can bear.

    Raises:
        SessionNotFoundError: There is no such session.
    """
    info = await find(manager, ref)
    end = await manager.newest_output_end(info.session_id)
    view = await read_tail(manager, info.session_id, oldest=0, end=end, max_lines=lines, max_bytes=MAX_SHOWN_BYTES)
    shown = view.data.count(b"\n") + (not view.data.endswith(b"\n"))
    cut = shown < lines and view.start > info.dropped_bytes
    note = f"[vibesbox: cut to {format_bytes(len(view.data))}; %tail {ref} --save FILE writes it all]\n" if cut else ""
    text = view.text if not view.text or view.text.endswith("\n") else f"{view.text}\n"
    return VerbResult(note + text, data=view.text)


async def save_output(manager: SessionManager, ref: str, path: Path) -> VerbResult:
    """Write the whole stored output into a file, byte for byte.

    Raises:
        SessionNotFoundError: There is no such session.
        MagicError: The file can not be written.
    """
    info = await find(manager, ref)
    try:
        file = await asyncio.to_thread(path.open, "wb")
        try:
            written, dropped = await _copy(manager, info.session_id, file)
        finally:
            await asyncio.to_thread(file.close)
    except OSError as error:
        raise MagicError(f"%tail: can not write {path}: {error.strerror or error}", magic="%tail") from error
    gone = f"; {dropped:,} bytes were not stored any more" if dropped else ""
    text = f"{label(info)}: {written:,} bytes ({format_bytes(written)}) written to {path}{gone}\n"
    return VerbResult(text, data={"path": str(path), "bytes": written, "dropped": dropped})


async def follow_output(
    manager: SessionManager, ref: str, *, lines: int = 10, terminal: bool = False
) -> AsyncGenerator[str, None]:
    """The last lines and then what comes, as it comes, until the session's output ends.

    To stop looking is to stop iterating: the session goes on. Nothing is paced: that suits a terminal; a notebook's
    cell takes an ``OutputPump`` that starts at ``tail_start``.

    Args:
        manager: Whose session it is.
        ref: The session.
        lines: How many lines to begin with.
        terminal: Whether the text goes to a real terminal.

    Raises:
        SessionNotFoundError: There is no such session.
    """
    info = await find(manager, ref)
    cursor = await tail_start(manager, info.session_id, lines=lines)
    output = OutputFilter(terminal=terminal)
    while True:
        chunk = await manager.read(info.session_id, cursor, max_bytes=_FOLLOW_BYTES, wait=None)
        cursor = chunk.next_cursor
        text = output.feed(dropped_line(chunk.dropped).encode()) if chunk.dropped else ""
        text += output.feed(chunk.data, final=chunk.eof)
        if text:
            yield text
        if chunk.eof:
            return


async def tail_start(manager: SessionManager, ref: str, *, lines: int) -> int:
    """The cursor at which the last lines begin (within what a page can bear)."""
    end = await manager.newest_output_end(ref)
    view = await read_tail(manager, ref, oldest=0, end=end, max_lines=lines, max_bytes=MAX_SHOWN_BYTES)
    return view.start


async def _copy(manager: SessionManager, session_id: str, file: BinaryIO) -> tuple[int, int]:
    """Write what is stored now; returns how many bytes were written, and how many were gone."""
    cursor = written = dropped = 0
    end = await manager.newest_output_end(session_id)
    while cursor < end:
        chunk = await manager.read(session_id, cursor, max_bytes=_SAVE_BYTES)
        await asyncio.to_thread(file.write, chunk.data)
        written += len(chunk.data)
        dropped += chunk.dropped
        cursor = chunk.next_cursor
        if not chunk.data:
            break
    return written, dropped
