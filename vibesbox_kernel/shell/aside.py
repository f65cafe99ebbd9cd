"""Short questions to bash that are no session of the user's: nobody sees them in a listing.

A prepared session that never begins runs the question; its answer comes over a FIFO. So the broker
spawns, reaps and, if it takes too long, kills it as it does everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

ANSWER_LIMIT_BYTES = 1 << 20
# The status comes last, behind a NUL, which no text of bash's holds.
_WRAPPER = 'exec >"$1" 2>&1 </dev/null; shift; "$@"; printf "\\0%d" "$?"'


@dataclass(frozen=True)
class Answer:
    """What a question gave: how it ended and what it wrote, both streams in one."""

    code: int
    text: str


async def ask(
    manager: SessionManager,
    argv: Sequence[str],
    *,
    bash: str,
    cwd: str,
    env: Mapping[str, str] | None = None,
    at_most: float,
) -> Answer | None:
    """Run a program to its end and take what it wrote; None when it took too long.

    Args:
        manager: Whose broker runs it.
        argv: The program and its arguments.
        bash: Path of the bash that carries it out.
        cwd: Where it runs.
        env: Its environment; the default is ours.
        at_most: Seconds after which it is killed.
    """
    return await manager.engine.run(_ask(manager, argv, bash, cwd, dict(os.environ if env is None else env), at_most))


async def _ask(
    manager: SessionManager, argv: Sequence[str], bash: str, cwd: str, env: dict[str, str], at_most: float
) -> Answer | None:
    fifo = manager.workspace.path / f"aside-{uuid4().hex[:12]}"
    os.mkfifo(fifo, 0o600)
    # Open for reading before anybody writes: a writer's open would wait for us otherwise.
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    session_id: str | None = None
    try:
        async with asyncio.timeout(at_most):
            words = [bash, "--noprofile", "--norc", "-c", _WRAPPER, "bash", str(fifo), *argv]
            prepared = await manager.prepare_session(words, env=env, cwd=cwd, io="pipe")
            session_id = prepared.session_id
            return _answer(await _read_to_end(descriptor))
    except TimeoutError:
        return None
    finally:
        os.close(descriptor)
        fifo.unlink(missing_ok=True)
        if session_id is not None:
            await manager.discard_session(session_id)


async def _read_to_end(descriptor: int) -> bytes:
    """Read a FIFO until its last writer is gone, or until it is too much."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    data = bytearray()

    def read() -> None:
        with contextlib.suppress(BlockingIOError):
            piece = os.read(descriptor, 65536)
            data.extend(piece)
            if (not piece or len(data) > ANSWER_LIMIT_BYTES) and not over.done():
                over.set_result(None)

    loop.add_reader(descriptor, read)
    try:
        await over
    finally:
        loop.remove_reader(descriptor)
    return bytes(data)


def _answer(data: bytes) -> Answer | None:
    text, _, status = data.rpartition(b"\0")
    return Answer(int(status), text.decode("utf-8", "replace")) if status.isdigit() else None
