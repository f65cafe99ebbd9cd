"""A SessionManager without processes: what the process table needs of one, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.models import (
    EndReason,
    EventKind,
    ListeningPort,
    OutputChunk,
    ProcessInfo,
    SessionEvent,
    SessionInfo,
    SessionStatus,
    Usage,
)

T = TypeVar("T")


class FakeEngine:
    """A thread with a loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fake engine", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def post(self, work: Callable[..., object], *args: object) -> None:
        self.loop.call_soon_threadsafe(work, *args)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(5)

    def close(self) -> None:
        if self.loop.is_closed():
            return
        self.call(self._end_tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    async def _end_tasks(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for one in others:
            one.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class FakeManager:
    """Sessions that are only said to run. Its methods are called on the engine, as the real ones hop there."""

    def __init__(self, engine: FakeEngine | None = None) -> None:
        self.engine = engine or FakeEngine()
        self.usage_passes = 0
        self.refusal: Exception | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.others: set[str] = set()
        self.inputs: list[tuple[str, bool, bool]] = []
        self.outputs: dict[str, bytes] = {}
        self.read_sessions: set[str] = set()
        self.listening: dict[str, tuple[ListeningPort, ...]] = {}
        self.tree: tuple[ProcessInfo, ...] = ()
        self._sessions: dict[str, SessionInfo] = {}
        self._listeners: list[asyncio.Queue[SessionEvent]] = []
        self._next_pid = 1001

    def list_sessions(self) -> list[SessionInfo]:
        return list(self._sessions.values())

    def is_ours(self, session_id: str) -> bool:
        return session_id not in self.others

    def is_of_here(self, session_id: str) -> bool:
        return True

    def output_end(self, session_id: str) -> int:
        return len(self.outputs.get(session_id, b""))

    async def newest_output_end(self, session_id: str) -> int:
        return self.output_end(session_id)

    async def read(self, session_id: str, cursor: int, *, max_bytes: int) -> OutputChunk:
        self.read_sessions.add(session_id)
        data = self.outputs.get(session_id, b"")[cursor : cursor + max_bytes]
        return OutputChunk(cursor=cursor, data=data, next_cursor=cursor + len(data))

    async def all_ports(self) -> dict[str, tuple[ListeningPort, ...]]:
        return self.listening

    async def ports(self, session_id: str) -> tuple[ListeningPort, ...]:
        return self.listening.get(session_id, ())

    async def process_tree(self, session_id: str) -> tuple[ProcessInfo, ...]:
        return self.tree

    async def usage(self, session_id: str) -> list[Usage]:
        self.info(session_id)
        return [Usage(at=1.0, cpu=0.5, rss=7, processes=1, read_bytes=0, written_bytes=0, output_bytes=9)]

    async def send_input(self, session_id: str, data: str, eof: bool = False, *, hidden: bool = False) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.inputs.append((data, eof, hidden))

    async def rename_session(self, session_id: str, name: str | None) -> SessionInfo:
        self.change(session_id, EventKind.CHANGED, name=name)
        return self.info(session_id)

    async def make_durable(self, session_id: str, durable: bool = True) -> SessionInfo:
        self.info(session_id)
        self.change(session_id, EventKind.CHANGED, durable=durable)
        return self.info(session_id)

    def info(self, ref: object) -> SessionInfo:
        for one in reversed(self._sessions.values()):
            if ref in (one.session_id, one.pid, one.name):
                return one
        raise SessionNotFoundError(ref, self._sessions)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[SessionEvent]]:
        queue: asyncio.Queue[SessionEvent] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            yield _drain(queue)
        finally:
            self._listeners.remove(queue)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    async def refresh_usage(self) -> None:
        self.usage_passes += 1
        for one in self._sessions.values():
            if one.is_running:
                usage = {"cpu": (one.cpu or 0) + 0.5, "rss": 1_000_000 + 100_000 * self.usage_passes}
                self._sessions[one.session_id] = one.model_copy(update=usage)

    async def terminate_session(self, ref: int | str, force: bool = False) -> bool:
        one = self.info(ref)
        await self.may_end.wait()
        if self.refusal is not None:
            raise self.refusal
        self.end(one.session_id, reason=EndReason.KILLED if force else EndReason.TERMINATED, signal=2)
        return True

    def start(self, command: str, **facts: Any) -> SessionInfo:
        one = SessionInfo(
            session_id=str(uuid4()),
            pid=self._next_pid,
            command=command,
            status=SessionStatus.RUNNING,
            started_at=datetime.now(UTC),
            cwd="/",
            owner="a test",
            **facts,
        )
        self._next_pid += 1
        self._tell(EventKind.STARTED, one)
        return one

    def end(
        self,
        session_id: str,
        reason: EndReason = EndReason.EXITED,
        code: int | None = None,
        signal: int | None = None,
        after: timedelta | None = None,
    ) -> None:
        one = self._sessions[session_id]
        ended_at = one.started_at + after if after else datetime.now(UTC)
        facts = {
            "status": reason.status,
            "end_reason": reason,
            "exit_code": code if signal is None else None,
            "signal": signal,
            "ended_at": ended_at,
            "duration": (ended_at - one.started_at).total_seconds(),
        }
        self._tell(EventKind.ENDED, one.model_copy(update=facts))

    def change(self, session_id: str, kind: EventKind, **facts: Any) -> None:
        self._tell(kind, self._sessions[session_id].model_copy(update=facts))

    def _tell(self, kind: EventKind, info: SessionInfo) -> None:
        self._sessions[info.session_id] = info
        event = SessionEvent(
            kind=kind,
            session_id=info.session_id,
            at=datetime.now(UTC),
            info=info,
            end_cursor=info.output_bytes,
        )
        for queue in self._listeners:
            queue.put_nowait(event)


async def _drain(queue: asyncio.Queue[SessionEvent]) -> AsyncIterator[SessionEvent]:
    while True:
        yield await queue.get()
