"""A SessionManager without processes and a clock without time, for the floor above."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from vibesbox_kernel.errors import SessionEndedError, SessionNotFoundError, SessionOwnedError, SessionTimeoutError
from vibesbox_kernel.models import EndReason, ListeningPort, OutputChunk, ProcessInfo, SessionInfo, SessionStatus

BEGIN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class VirtualClock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        return self._now

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        over = asyncio.Event()
        self._due.append((self._now + seconds, over))
        waits = [asyncio.ensure_future(one.wait()) for one in (event, over)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, waking whoever is due in the right order."""
        until = self._now + seconds
        await settle()
        while due := [one for one in self._due if one[0] <= until]:
            first = min(due, key=lambda one: one[0])
            self._due.remove(first)
            self._now = max(self._now, first[0])
            first[1].set()
            await settle()
        self._now = until


async def settle() -> None:
    """Let every task run as far as it gets."""
    for _ in range(30):
        await asyncio.sleep(0)


@dataclass
class FakeSession:
    """One session: what is known of it, and its output."""

    info: SessionInfo
    output: bytearray = field(default_factory=bytearray)
    errors: list[tuple[int, int]] = field(default_factory=list)
    oldest: int = 0
    eof: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)


class FakeManager:
    """As much of a SessionManager as the shell floor uses; counts what is read from it."""

    def __init__(self) -> None:
        self.all: dict[str, FakeSession] = {}
        self.elsewhere: dict[str, FakeSession] = {}
        self.attached: set[str] = set()
        self.limits: dict[str | None, int] = {}
        self.processes_of: dict[str, tuple[ProcessInfo, ...]] = {}
        self.bytes_read = 0
        self.calls: list[tuple[str, str, Any]] = []
        self.on_terminate: Callable[[FakeSession], None] = self._kill

    def add_elsewhere(self, command: str = "make", **facts: Any) -> FakeSession:
        """A session of another program's."""
        session = self.add(command, **{"instance": "kernel-3f2a-77", "owner": "Python notebook", **facts})
        self.elsewhere[session.info.session_id] = self.all.pop(session.info.session_id)
        return session

    def add(self, command: str = "make", *, pid: int = 100, **facts: Any) -> FakeSession:
        values: dict[str, Any] = {
            "session_id": str(uuid4()),
            "pid": pid,
            "command": command,
            "status": SessionStatus.RUNNING,
            "started_at": BEGIN,
            "cwd": "/tmp",
            "owner": "test",
        }
        session = FakeSession(SessionInfo(**{**values, **facts}))
        self.all[session.info.session_id] = session
        return session

    def write(self, session: FakeSession, data: bytes, *, eof: bool = False) -> None:
        session.output += data
        session.eof = session.eof or eof
        session.info = session.info.model_copy(update={"output_bytes": len(session.output)})
        session.news.set()

    def end(self, session: FakeSession, reason: EndReason = EndReason.EXITED, **facts: Any) -> None:
        update = {"end_reason": reason, "status": reason.status, "ended_at": BEGIN + timedelta(seconds=7), **facts}
        session.info = session.info.model_copy(update=update)
        session.eof = True
        session.news.set()

    # What the shell floor calls

    def info(self, ref: int | str) -> SessionInfo:
        found = self._find(ref, elsewhere=True)
        return found.info if found.info.session_id in self.attached else self._find(ref).info

    def list_sessions(self, everywhere: bool = False) -> list[SessionInfo]:
        elsewhere = self.elsewhere.values() if everywhere else ()
        return [session.info for session in (*self.all.values(), *elsewhere)]

    def is_ours(self, ref: int | str) -> bool:
        return any(ref in (session.info.session_id, session.info.name) for session in self.all.values())

    def is_of_here(self, ref: int | str) -> bool:
        return self.is_ours(ref)

    async def attach_session(self, ref: int | str) -> SessionInfo:
        found = self._find(ref, elsewhere=True)
        self.attached.add(found.info.session_id)
        return found.info

    async def adopt_session(self, ref: int | str) -> SessionInfo:
        session = self._find(ref, elsewhere=True)
        self._check_owner(session)
        session.info = session.info.model_copy(update={"owned": True})
        self.elsewhere.pop(session.info.session_id, None)
        self.all[session.info.session_id] = session
        return session.info

    async def make_durable(self, ref: int | str, durable: bool = True) -> SessionInfo:
        return self._change(ref, durable=durable)

    async def rename_session(self, ref: int | str, name: str | None) -> SessionInfo:
        return self._change(ref, name=name)

    async def set_parallel(self, group: str | None, limit: int | None) -> None:
        self.calls.append(("parallel", str(group), limit))
        self.limits.pop(group, None)
        if limit is not None:
            self.limits[group] = limit

    def parallel_limits(self) -> dict[str | None, int]:
        return dict(self.limits)

    def output_end(self, ref: int | str) -> int:
        return len(self._find(ref).output)

    async def newest_output_end(self, ref: int | str) -> int:
        return self.output_end(ref)

    async def refresh_usage(self) -> None:
        pass

    async def ports(self, ref: int | str) -> tuple[ListeningPort, ...]:
        return ()

    async def processes(self, ref: int | str, *, awaited: bool = False) -> tuple[ProcessInfo, ...]:
        return self.processes_of.get(self._find(ref).info.session_id, ())

    async def read(self, ref: int | str, cursor: int, *, max_bytes: int = 65536, wait: float | None = 0) -> OutputChunk:
        session = self._find(ref)
        while wait is None and len(session.output) <= cursor and not session.eof:
            session.news.clear()
            await session.news.wait()
        start = max(cursor, session.oldest)
        data = bytes(session.output[start : start + max_bytes])
        self.bytes_read += len(data)
        return OutputChunk(
            cursor=cursor,
            data=data,
            next_cursor=start + len(data) if data else cursor,
            dropped=start - cursor if data else 0,
            eof=session.eof and not data,
            errors=tuple(
                (max(begin - start, 0), min(end - start, len(data)))
                for begin, end in session.errors
                if begin < start + len(data) and end > start
            ),
        )

    async def terminate_session(self, ref: int | str, force: bool = False) -> bool:
        session = self._find(ref, elsewhere=True)
        self._check_owner(session)
        self.calls.append(("terminate", session.info.session_id, force))
        if session.info.ended_at is not None:
            return False
        await asyncio.sleep(0)
        self.on_terminate(session)
        return True

    async def send_signal(self, ref: int | str, sig: int) -> None:
        session = self._find(ref)
        if not session.info.is_running:
            raise SessionEndedError(ref, "is over")
        self.calls.append(("signal", session.info.session_id, sig))

    async def send_input(self, ref: int | str, data: bytes | str, eof: bool = False, *, hidden: bool = False) -> None:
        self.calls.append(("hidden input" if hidden else "input", self._find(ref).info.session_id, (data, eof)))

    async def wait(self, ref: int | str, timeout: float | None = None) -> SessionInfo:
        session = self._find(ref)
        if session.info.ended_at is None:
            raise SessionTimeoutError(ref, timeout or 0)
        return session.info

    def _check_owner(self, session: FakeSession) -> None:
        info = session.info
        if info.session_id in self.elsewhere and info.owned:
            raise SessionOwnedError(info.name or info.pid, info.owner)

    def _change(self, ref: int | str, **facts: Any) -> SessionInfo:
        session = self._find(ref, elsewhere=True)
        self._check_owner(session)
        if session.info.ended_at is not None:
            raise SessionEndedError(ref, "is over")
        session.info = session.info.model_copy(update=facts)
        return session.info

    def _find(self, ref: int | str, *, elsewhere: bool = False) -> FakeSession:
        known = [*self.all.values(), *self.elsewhere.values()] if elsewhere else list(self.all.values())
        for session in known:
            if str(ref) in (session.info.session_id, session.info.name, str(session.info.pid)):
                return session
        raise SessionNotFoundError(ref, [str(one.info.pid) for one in self.all.values()])

    def _kill(self, session: FakeSession) -> None:
        self.end(session, EndReason.KILLED, signal=9)
