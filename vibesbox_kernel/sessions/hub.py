"""The manager's inside: one link to one broker, the mirror that it feeds, and who listens."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from vibesbox_kernel.broker.wire import PROTOCOL, WORKSPACE_PREFIX, Message, SessionRecord
from vibesbox_kernel.errors import BrokerError, NameTakenError
from vibesbox_kernel.models import EndReason, EventKind, SessionEvent
from vibesbox_kernel.sessions.engine import Engine
from vibesbox_kernel.sessions.link import BrokerLink
from vibesbox_kernel.sessions.mirror import Entry, Mirror
from vibesbox_kernel.sessions.places import Places, make_places, new_instance
from vibesbox_kernel.sessions.retention import remove_old
from vibesbox_kernel.sessions.subscription import Subscription
from vibesbox_kernel.sessions.workspace import Workspace

logger = logging.getLogger(__name__)

_PLAIN_KINDS = {
    "started": EventKind.STARTED,
    "stopped": EventKind.STOPPED,
    "exited": EventKind.EXITED,
    "drained": EventKind.DRAINED,
}
_KILLED = (EndReason.TERMINATED, EndReason.KILLED, EndReason.TIMED_OUT, EndReason.SHUT_DOWN)

MAX_ARGUMENT_BYTES = 120_000
"""Linux: one argument of a program has at most 128 KiB, its NUL included."""

LEAVE_SECONDS = 2.0


class Hub:
    """Everything in here runs on the engine's loop, but for what the mirror lets anyone read."""

    def __init__(self, max_completed: int, *, instance: str | None, engine: Engine | None) -> None:
        self.instance = instance or new_instance()
        self.mirror = Mirror(max_completed)
        self._given_engine = engine
        self._link: BrokerLink | None = None
        self._opening = asyncio.Lock()
        self._commands: dict[str, str] = {}
        self._scripts: set[str] = set()
        self._subscriptions: list[Subscription] = []
        self._tidied = False
        self._reserved: set[str] = set()

    @cached_property
    def engine(self) -> Engine:
        """Made at its first use: a manager that nobody uses costs no thread."""
        engine = self._given_engine or Engine()
        self._opening = asyncio.Lock()  # of this engine's loop
        engine.before_close(self._leave)
        return engine

    @cached_property
    def places(self) -> Places:
        """The instance's directories, made at their first use."""
        return make_places(self.instance)

    @cached_property
    def workspace(self) -> Workspace:
        """The directory that sessions and their manager share."""
        return Workspace(self.places.runtime / f"{WORKSPACE_PREFIX}{os.getpid()}-{secrets.token_hex(4)}")

    def remove_workspace(self) -> None:
        """Delete that directory; another is made when it is needed again."""
        workspace = self.__dict__.pop("workspace", None)
        if workspace is not None:
            shutil.rmtree(workspace.path, ignore_errors=True)

    def close_engine(self) -> None:
        """End the background thread, if this hub made it."""
        if self._given_engine is None and "engine" in self.__dict__:
            self.engine.close()
            del self.__dict__["engine"]

    def abandon(self) -> None:
        """Nobody holds the manager any more: give up the lease, and end the thread if we made it."""
        if "engine" not in self.__dict__:
            return
        if self._given_engine is None:
            self.engine.close_soon()
        else:
            self.engine.post(self.drop_lease)

    # The link

    async def request(self, operation: str, **fields: Any) -> dict[str, Any]:
        """Ask the broker, starting one first if there is none."""
        return await (await self.connect()).request(operation, **fields)

    async def request_if_open(self, operation: str, **fields: Any) -> dict[str, Any] | None:
        """Ask the broker if there is one; None when there is none, so no session either."""
        if self._link is None or not self._link.is_open:
            return None
        return await self._link.request(operation, **fields)

    async def connect(self) -> BrokerLink:
        """The open link."""
        async with self._opening:
            if self._link is None or not self._link.is_open:
                self._link = await BrokerLink.open(self.places, self._on_message, self._on_lost)
                if not self._link.is_open:
                    raise BrokerError("the broker ended as soon as it was there")
                self._start_tidying()
            return self._link

    def _start_tidying(self) -> None:
        if not self._tidied:
            self._tidied = True
            tidying = asyncio.to_thread(remove_old, self.places.state.parent, now=time.time())
            self.engine.start(tidying, name="vibesbox-tidy")

    async def disconnect(self) -> None:
        """End the lease: the broker ends what still runs, and leaves. Returns when it has left."""
        async with self._opening:
            link, self._link = self._link, None
            if link is not None:
                await link.aclose()

    def drop_lease(self) -> None:
        """Close the link at once; who reaps the guardian is whoever reaps us."""
        link, self._link = self._link, None
        if link is not None:
            link.abort()
            self._on_lost()

    async def _leave(self) -> None:
        link = self._link
        self.drop_lease()
        if link is not None:
            await link.wait_left(LEAVE_SECONDS)

    # Sessions

    def new_session(self, command: str) -> str:
        """An id for a session that is about to be started, of which we keep the whole command."""
        session_id = str(uuid.uuid4())
        self._commands[session_id] = command
        return session_id

    def rename_command(self, session_id: str, command: str) -> None:
        """A prepared session has got its command."""
        self._commands[session_id] = command

    def forget_command(self, session_id: str) -> None:
        """The session was never listed, or is not remembered any more."""
        if self.mirror.by_id(session_id) is None:
            self._commands.pop(session_id, None)
        self._remove_script(session_id)

    def write_script(self, session_id: str, command: str) -> str:
        """Put a command that is too long for an argument into a file; returns its path."""
        self._scripts.add(session_id)
        return str(self.workspace.write(_script_name(session_id), command.encode("utf-8", "surrogateescape")))

    def _remove_script(self, session_id: str) -> None:
        if session_id in self._scripts:
            self._scripts.discard(session_id)
            self.workspace.remove(_script_name(session_id))

    @contextmanager
    def name_reserved(self, name: str | None) -> Iterator[None]:
        """Hold a name that no running session has, while one is being started under it.

        Raises:
            NameTakenError: One has it, or is just being started under it.
        """
        if name is None:
            yield
            return
        holder = next((entry for entry in self.mirror.running() if entry.record["name"] == name), None)
        if holder is not None:
            raise NameTakenError(name, holder.session_id, holder.pid)
        if name in self._reserved:
            raise NameTakenError(name, "that is just being started", None)
        self._reserved.add(name)
        try:
            yield
        finally:
            self._reserved.discard(name)

    def learn(self, record: SessionRecord) -> Entry | None:
        """Take in what an event says of one of our sessions, and wake who waits for news of it.

        Returns:
            The session, or None for another client's.
        """
        command = self._commands.get(record["session_id"])
        if command is None:
            return None
        entry = self.mirror.put(record, command)
        for waiter in entry.waiters:
            if not waiter.done():
                waiter.set_result(None)
        entry.waiters.clear()
        return entry

    async def wait_news(self, entry: Entry, timeout: float | None) -> bool:
        """Wait until something is heard of a session; False when the time is up first."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry.waiters.append(news)
        try:
            async with asyncio.timeout(timeout):
                await news
        except TimeoutError:
            return False
        finally:
            if news in entry.waiters:
                entry.waiters.remove(news)
        return True

    async def wait_until(self, entry: Entry, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until a condition on a session holds; False when the time is up first."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not condition():
            left = None if deadline is None else deadline - time.monotonic()
            if (left is not None and left <= 0) or not await self.wait_news(entry, left):
                return condition()
        return True

    # Events

    def subscribe(self) -> Subscription:
        """Hear of everything from now on."""
        subscription = Subscription(self._unsubscribe)
        self._subscriptions.append(subscription)
        return subscription

    def close_subscriptions(self) -> None:
        """Let every subscriber's iteration end."""
        for subscription in tuple(self._subscriptions):
            subscription.close()
        self._subscriptions.clear()

    def _unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def _on_message(self, message: Message) -> None:
        kind = message["event"]
        if kind == "output":
            self._on_output(message["ends"])
        elif kind == "missed":
            logger.warning("we did not read for so long that the broker left events out; asking anew")
            self.engine.start(self._ask_anew(), name="vibesbox-resync")
        else:
            self._on_record(kind, message)

    def _on_output(self, ends: dict[str, list[int]]) -> None:
        for session_id, (end, dropped) in ends.items():
            entry = self.mirror.by_id(session_id)
            if entry is not None:
                self.learn({**entry.record, "end_cursor": end, "dropped_bytes": dropped})
                self._publish(EventKind.OUTPUT, entry, time.time())

    def _on_record(self, kind: str, message: Message) -> None:
        before = self.mirror.by_id(message["session"]["session_id"])
        was_over = before is not None and before.over
        entry = self.learn(message["session"])
        if entry is None:
            return
        if entry.over and not was_over:
            self._on_over(entry, message["at"])
        elif kind in _PLAIN_KINDS:
            self._publish(_PLAIN_KINDS[kind], entry, message["at"])

    def _on_over(self, entry: Entry, at: float) -> None:
        self._remove_script(entry.session_id)
        reason = EndReason(entry.record["end_reason"] or EndReason.LOST)
        kind = EventKind.KILLED if reason in _KILLED else EventKind.ENDED
        self._publish(EventKind.LOST if reason is EndReason.LOST else kind, entry, at)
        for forgotten in self.mirror.ended(entry):
            self._commands.pop(forgotten.session_id, None)
            shutil.rmtree(Path(forgotten.record["directory"]), ignore_errors=True)

    def _publish(self, kind: EventKind, entry: Entry, at: float) -> None:
        if not self._subscriptions:
            return
        event = SessionEvent(
            kind=kind,
            session_id=entry.session_id,
            at=datetime.fromtimestamp(at, UTC),
            info=entry.info(),
            end_cursor=entry.record["end_cursor"],
        )
        for subscription in tuple(self._subscriptions):
            subscription.publish(event)

    def _on_lost(self) -> None:
        """The broker is gone: the guardian ends its sessions, and nobody knows their status."""
        now = time.time()
        for entry in self.mirror.running():
            lost: SessionRecord = {**entry.record, "over": True, "drained": True, "end_reason": EndReason.LOST}
            lost["ended_at"], lost["leftovers"], lost["stopped"] = now, [], False
            self.learn(lost)
            self._on_over(entry, now)

    async def _ask_anew(self) -> None:
        try:
            await self.request_if_open("hello", protocol=PROTOCOL)
        except BrokerError as error:
            logger.warning("the broker could not be asked: %s", error)


def _script_name(session_id: str) -> str:
    return f"{session_id}.script"


class HasHub(Protocol):
    """Whatever works through a hub."""

    @property
    def hub(self) -> Hub:
        """Its hub."""


S = TypeVar("S", bound=HasHub)
P = ParamSpec("P")
T = TypeVar("T")


def on_engine(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Run a coroutine method on the engine's loop, whichever loop awaits it."""

    @wraps(method)
    async def bridged(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.hub.engine.run(method(self, *args, **kwargs))

    return bridged
