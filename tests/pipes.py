"""Pipes whose reading end a test holds."""

from __future__ import annotations

import os

import anyio


async def end_of(reader: int) -> bool:
    """Wait for the end of a pipe."""
    os.set_blocking(reader, True)
    with anyio.fail_after(5):
        data = await anyio.to_thread.run_sync(os.read, reader, 1, abandon_on_cancel=True)
    os.close(reader)
    return data == b""
