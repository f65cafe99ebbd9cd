"""The manager's inside: its links to brokers, the mirror that they feed, and who listens."""

from __future__ import annotations

import asyncio
import contextlib
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

from vibesbox_kernel.broker.wire import CLOSED_NAME, WORKSPACE_PREFIX, Message, SessionRecord
from vibesbox_kernel.errors import BrokerError, NameTakenError, SessionOwnedError
from vibesbox_kernel.models import EndReason, EventKind, SessionEvent
from vibesbox_kernel.sessions.catalogue import Found, command_of, durable_of
from vibesbox_kernel.sessions.displays import DisplayDoor
from vibesbox_kernel.sessions.engine import Engine
from vibesbox_kernel.sessions.link import BrokerLink
from vibesbox_kernel.sessions.links import Links
from vibesbox_kernel.sessions.mirror import Entry, Mirror
from vibesbox_kernel.sessions.places import Places, make_places, new_instance
from vibesbox_kernel.sessions.retention import remove_old
from vibesbox_kernel.sessions.subscription import Subscription
from vibesbox_kernel.sessions.workspace import Workspace

logger = logging.getLogger(__name__)

_PLAIN_KINDS = {
    "queued": EventKind.QUEUED,
    "started": EventKind.STARTED,
    "restarting": EventKind.RESTARTING,
    "changed": EventKind.CHANGED,
    "waiting": EventKind.WAITING_FOR_INPUT,
    "stopped": EventKind.STOPPED,
    "exited": EventKind.EXITED,
    "drained": EventKind.DRAINED,
}
_KILLED = (
    EndReason.TERMINATED,
    EndReason.KILLED,
    EndReason.TIMED_OUT,
    EndReason.MEMORY_LIMIT,
    EndReason.CANCELLED,
    EndReason.SHUT_DOWN,
)

MAX_ARGUMENT_BYTES = 120_000
"""Linux: one argument of a program has at most 128 KiB, its NUL included."""

LEAVE_SECONDS = 2.0


class Hub:
    """Everything in here runs on the engine's loop, but for what the mirror lets anyone read."""

    def __init__(
        self,
        max_completed: int,
        max_completed_bytes: int,
        *,
        instance: str | None,
        owner: str | None,
        engine: Engine | None,
    ) -> None:
        self.instance = instance or new_instance()
        self.mirror = Mirror(self.instance, max_completed, max_completed_bytes)
        self._given_engine = engine
        self._label = owner or self.instance
        self._commands: dict[str, str] = {}
        self._attached: set[str] = set()
        self._left_some = False  # sessions that may still need our workspace
        self.parallel: dict[str | None, int] = {}
        self._scripts: set[str] = set()
        self._subscriptions: list[Subscription] = []
        self._tidied = False
        self._reserved: set[str] = set()

    @cached_property
    def engine(self) -> Engine:
        """Made at its first use: a manager that nobody uses costs no thread."""
        engine = self._given_engine or Engine()
        engine.before_close(self._leave)
        return engine

    @cached_property
    def links(self) -> Links:
        """The links, made at their first use: their lock is of the engine's loop."""
        return Links(
            self.instance,
            places=lambda: self.places,
            label=self._label,
            on_message=self._on_message,
            on_lost=self._on_lost,
        )

    @cached_property
    def places(self) -> Places:
        """The instance's directories, made at their first use."""
        return make_places(self.instance)

    @cached_property
    def workspace(self) -> Workspace:
        """The directory that sessions and their manager share."""
        return Workspace(self.places.runtime / f"{WORKSPACE_PREFIX}{os.getpid()}-{secrets.token_hex(4)}")

    @cached_property
    def displays(self) -> DisplayDoor:
        """Where sessions ask for something to be shown."""
        return DisplayDoor(lambda: self.workspace.path, self.catch_up)

    async def catch_up(self, session_id: str) -> int:
        """Have everything stored that a session has written so far; the cursor behind it."""
        answer = await self.links.request(self.instance, "catch_up", session_id=session_id)
        return int(answer["end"]) if answer is not None else 0

    async def close_displays(self) -> None:
        """Take no displays any more."""
        if "displays" in self.__dict__:
            await self.displays.aclose()

    def give_up_workspace(self) -> None:
        """Say that we want nothing of that directory any more: if we die now, the guardian takes it away at its end."""
        if "workspace" in self.__dict__:
            with contextlib.suppress(OSError):
                self.workspace.write(CLOSED_NAME, b"")

    def leave_places(self) -> None:
        """Delete what we have made there; it is made again when it is needed.

        Sessions that outlive us may need the workspace until they end: then the guardian takes it away after them.
        """
        workspace: Workspace | None = self.__dict__.pop("workspace", None)
        if workspace is not None and not self._left_some and not self._outlived_by(self.instance):
            shutil.rmtree(workspace.path, ignore_errors=True)
        if "places" in self.__dict__:
            for directory in (self.places.runtime, self.places.state):
                with contextlib.suppress(OSError):  # a broker or another program is there, or output
                    directory.rmdir()

    def close_engine(self) -> None:
        """End the background thread, if this hub made it."""
        if self._given_engine is None and "engine" in self.__dict__:
            self.engine.close()
            del self.__dict__["engine"]
            self.__dict__.pop("links", None)

    def abandon(self) -> None:
        """Nobody holds the manager any more: give up the lease, and end the thread if we made it."""
        if "engine" not in self.__dict__:
            return
        if self._given_engine is None:
            self.engine.close_soon()
        else:
            self.engine.post(self.drop_lease)

    # The links

    async def request(self, operation: str, **fields: Any) -> dict[str, Any]:
        """Ask our own broker, starting one first if there is none."""
        return await (await self.connect()).request(operation, **fields)

    async def request_if_open(self, operation: str, **fields: Any) -> dict[str, Any] | None:
        """Ask our own broker if there is one; None when there is none, so no session of ours either."""
        return await self.links.request(self.instance, operation, **fields)

    async def connect(self) -> BrokerLink:
        """The open link to our own broker."""
        link, is_new = await self.links.open_home()
        if is_new:
            for group, limit in self.parallel.items():  # a new broker knows nothing of them
                await link.request("parallel", group=group, limit=limit)
            await self._find_again()
            self._start_tidying()
        return link

    async def _find_again(self) -> None:
        """Take up what an earlier program of this instance has left: its durable sessions are ours now."""
        for found in durable_of(self.places.state, self.instance):
            if self.mirror.by_id(found.session_id) is None and found.record["over"]:
                self.mirror.put(found.record, found.command, self.instance)
                self._forget(self.mirror.ended(self.mirror.require(found.session_id)))
        for entry in self.mirror.running():
            if entry.instance == self.instance and entry.record["client"] is None:
                with contextlib.suppress(SessionOwnedError):  # another was quicker
                    await self.links.request(self.instance, "adopt", session_id=entry.session_id)

    def _start_tidying(self) -> None:
        if not self._tidied:
            self._tidied = True
            tidying = asyncio.to_thread(remove_old, self.places.state.parent, now=time.time())
            self.engine.start(tidying, name="vibesbox-tidy")

    async def attach(self, found: Found) -> Entry:
        """Follow another program's session: its events come here too from now on.

        Raises:
            BrokerError: Its broker lives and does not answer.
        """
        if found.alive:
            if found.places is None:
                raise BrokerError(f"the broker of session {found.session_id[:8]} is just leaving")
            self._attached.add(found.session_id)
            self._commands.setdefault(found.session_id, found.command)
            await self.links.open(found.instance, found.places)
            await self.links.ask_anew(found.instance)
        entry = self.mirror.by_id(found.session_id)
        if entry is None:
            entry = self.mirror.put(found.record, found.command, found.instance)
            self._forget(self.mirror.ended(entry) if entry.over else [])
        return entry

    def is_ours(self, entry: Entry) -> bool:
        """Whether we own a session that is not over."""
        link = self.links.get(entry.instance)
        return not entry.over and link is not None and entry.record["client"] == link.number

    async def disconnect(self) -> None:
        """End the lease: the broker ends what still runs, and leaves. Returns when it has left."""
        await self.close_displays()
        await self.links.close(stays=self._outlived_by)
        for instance in {entry.instance for entry in self.mirror.running()}:
            self._on_lost(instance, True)  # nothing is said to run of which nothing can be heard any more

    def drop_lease(self) -> None:
        """Close the links at once; who reaps the guardian is whoever reaps us."""
        self.links.drop()

    def _outlived_by(self, instance: str) -> bool:
        """Whether an instance's broker has sessions that do not end with us."""
        return instance != self.instance or any(
            entry.instance == instance and entry.record["durable"] for entry in self.mirror.running()
        )

    async def _leave(self) -> None:
        await self.close_displays()
        outlived = self._outlived_by(self.instance)
        for link in self.links.end():
            if outlived:
                link.reap_later()
            else:
                await link.wait_left(LEAVE_SECONDS)

    # Sessions

    @contextmanager
    def held(self, session_id: str) -> Iterator[None]:
        """Do not forget a session meanwhile, even if it is over and many have ended since."""
        self.mirror.hold(session_id)
        try:
            yield
        finally:
            self._forget(self.mirror.release(session_id))

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
        ours = (entry for entry in self.mirror.running() if entry.instance == self.instance)
        holder = next((entry for entry in ours if entry.record["name"] == name), None)
        if holder is not None:
            raise NameTakenError(name, holder.session_id, holder.pid)
        if name in self._reserved:
            raise NameTakenError(name, "that is just being started", None)
        self._reserved.add(name)
        try:
            yield
        finally:
            self._reserved.discard(name)

    def learn(self, instance: str, record: SessionRecord) -> Entry | None:
        """Take in what an event says of one of our sessions, and wake who waits for news of it.

        Returns:
            The session, or None for another client's.
        """
        command = self._command_of(instance, record)
        if command is None:
            return None
        entry = self.mirror.put(record, command, instance)
        link = self.links.get(instance)
        if link is not None and record["client"] == link.number:
            entry.ours = True
        entry.wake()
        return entry

    def _command_of(self, instance: str, record: SessionRecord) -> str | None:
        """The whole command of a session that concerns us; None if it does not."""
        session_id = record["session_id"]
        if session_id in self._commands:
            return self._commands[session_id]
        left_here = instance == self.instance and record["durable"] and not record["over"]
        if session_id not in self._attached and not left_here:
            return None
        command = command_of(record)
        self._commands[session_id] = command
        return command

    async def wait_until(self, entry: Entry, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait, on any event loop, until a condition on a session holds; False when the time is up first.

        Raises:
            BrokerError: The engine is closed, or was closed meanwhile; or the session goes on without us.
        """
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    if entry.let_go:
                        raise BrokerError(
                            f"session {entry.known_as} goes on without us; attach to it to follow it again"
                        )
                    await self._news(entry, condition)
        except TimeoutError:
            return condition()
        return True

    async def _news(self, entry: Entry, condition: Callable[[], bool]) -> None:
        """Wait until something is heard of a session; not at all if the condition has come to hold meanwhile."""
        waiter = self.engine.promise()
        entry.waiters.add(waiter)
        try:
            if not condition():  # asked once more: from here on no news are missed
                await self.engine.kept(waiter)
        finally:
            entry.waiters.discard(waiter)

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

    def _on_message(self, instance: str, message: Message) -> None:
        kind = message["event"]
        if kind == "output":
            self._on_output(message["ends"])
        elif kind == "missed":
            logger.warning("we did not read for so long that the broker left events out; asking anew")
            self.engine.start(self.links.ask_anew(instance), name="vibesbox-resync")
        else:
            self._on_record(instance, kind, message)

    def _on_output(self, ends: dict[str, list[int]]) -> None:
        for session_id, (end, dropped) in ends.items():
            entry = self.mirror.by_id(session_id)
            if entry is not None:
                entry.put_out(end, dropped)
                entry.wake()
                self._publish(EventKind.OUTPUT, entry, time.time())

    def _on_record(self, instance: str, kind: str, message: Message) -> None:
        before = self.mirror.by_id(message["session"]["session_id"])
        was_over = before is not None and before.over
        entry = self.learn(instance, message["session"])
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
        self._forget(self.mirror.ended(entry))

    def forget(self, entry: Entry) -> None:
        """A session that is over is remembered no more: what it has left is gone."""
        self.mirror.forget(entry)
        self._unlearn(entry)

    def _forget(self, entries: list[Entry]) -> None:
        """Those that are not remembered any more; what never was ours stays for whom it belongs to."""
        for entry in entries:
            self._unlearn(entry)
            if entry.ours:
                shutil.rmtree(Path(entry.record["directory"]), ignore_errors=True)

    def _unlearn(self, entry: Entry) -> None:
        """What is still said of it concerns us no more."""
        self._commands.pop(entry.session_id, None)
        self._attached.discard(entry.session_id)

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

    def _on_lost(self, instance: str, closing: bool) -> None:
        """The link to a broker has ended: by us, or the broker is gone and the guardian ends its sessions."""
        now = time.time()
        for entry in self.mirror.running():
            if entry.instance != instance:
                continue
            if closing and (entry.record["durable"] or instance != self.instance):
                self._let_go(entry)
            else:
                self._lose(entry, now)
        if not closing and instance == self.instance:
            # If the guardian is gone as well, it takes a new one to find what the old ones left.
            self.engine.start(self._recover(), name="vibesbox-recover")

    def _let_go(self, entry: Entry) -> None:
        """It goes on, and nothing more is heard of it: it is found again where it is, on disk."""
        self._left_some |= entry.instance == self.instance
        self._unlearn(entry)
        self.mirror.let_go(entry)

    def _lose(self, entry: Entry, now: float) -> None:
        lost: SessionRecord = {**entry.record, "over": True, "drained": True, "end_reason": EndReason.LOST}
        lost["ended_at"], lost["duration"] = now, max(0.0, now - lost["started_at"])
        lost["leftovers"], lost["waits_for"], lost["progress"] = [], None, None
        lost["stopped"] = lost["announced"] = False
        lost["queued"], lost["client"] = False, None
        self.mirror.put(lost, entry.command, entry.instance)
        entry.wake()
        self._on_over(entry, now)

    async def _recover(self) -> None:
        try:
            await self.connect()
        except BrokerError as error:
            logger.warning("no new broker could be started: %s", error)


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
