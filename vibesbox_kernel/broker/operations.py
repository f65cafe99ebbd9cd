"""What a client may ask for, operation by operation."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from vibesbox_kernel.broker import request as read
from vibesbox_kernel.broker import terminal_state
from vibesbox_kernel.broker.client import Client
from vibesbox_kernel.broker.ending import Survivors
from vibesbox_kernel.broker.holding import Holdings
from vibesbox_kernel.broker.interrupting import MAX_DESCRIBED, Interrupted
from vibesbox_kernel.broker.launch import Launch, resize
from vibesbox_kernel.broker.policy import GRACE_SECONDS
from vibesbox_kernel.broker.request import RefusedError
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.standing import described
from vibesbox_kernel.broker.supervisor import Supervisor
from vibesbox_kernel.broker.wire import MAX_HELD_DESCRIPTORS, PROTOCOL, Message

MAX_CONTROL_BYTES = 4096
"""What an empty pipe takes at once, so that the write can not block."""

Result = dict[str, Any]


class Operations:
    """Carries out requests on the sessions.

    Args:
        clients: Those that are connected.
        tell: Tells them all that something about a session has changed.
        door: The path of the broker's socket, for sessions.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        clients: Collection[Client],
        *,
        tell: Callable[[str, Session], None],
        door: str,
        umask: int,
        descriptor_limit: int,
    ) -> None:
        self._supervisor = supervisor
        self._clients = clients
        self._tell = tell
        self._guardian = os.getppid()
        self._holdings = Holdings()
        self._door = door
        self._umask = umask
        self._descriptor_limit = descriptor_limit
        self._known: dict[str, Callable[[Client, Message], Result | None]] = {
            "hello": self._hello,
            "start": self._start,
            "tell": self._tell_leader,
            "begin": self._begin,
            "discard": self._discard,
            "settle": self._settle,
            "resume": self._resume,
            "hold": self._hold,
            "release": self._release,
            "feed": self._feed,
            "attend": self._attend,
            "look_at_input": self._look_at_input,
            "signal": self._signal,
            "interrupt": self._interrupt,
            "processes": self._processes,
            "resize": self._resize,
            "terminal": self._terminal,
            "end": self._end,
            "adopt": self._adopt,
            "durable": self._durable,
            "rename": self._rename,
            "discard_output": self._discard_output,
            "catch_up": self._catch_up,
            "parallel": self._parallel,
            "report": self._report,
            "usage": self._usage,
            "history": self._history,
            "health": self._health,
        }

    def carry_out(self, client: Client, request: Message) -> Result | None:
        """Do what is asked; None when the answer comes later.

        Raises:
            RefusedError: It can not be done; nothing was.
            LaunchFailedError: A leader could not be started; nothing of it is left.
        """
        name = request.get("op")
        if not isinstance(name, str) or name not in self._known:
            raise RefusedError("request", f"no such operation: {name!r}")
        return self._known[name](client, request)

    def client_gone(self, client: Client) -> None:
        """What is held for a client that is gone is held for nobody."""
        self._holdings.release_all(client)

    def _hello(self, client: Client, request: Message) -> Result:
        """Introduce a client; also asked by one that has missed events, to hear how everything stands."""
        if request.get("protocol") != PROTOCOL:
            raise RefusedError("protocol", f"this broker speaks protocol {PROTOCOL}")
        client.label = read.text_or_none(request, "label") or client.label
        client.follows = read.optional_flag(request, "follows")
        client.greeted = True
        for session in self._supervisor.sessions.values():
            if session.listed:
                client.tell("known", session, keep=True)
        return {"protocol": PROTOCOL, "pid": os.getpid(), "client": client.number}

    def _start(self, client: Client, request: Message) -> Result:
        session_id = read.session_id(request)
        prepared = read.flag(request, "prepared")
        policy = read.policy(request)
        order = read.launch_order(
            request, prepared=prepared, door=self._door, umask=self._umask, limit=self._descriptor_limit
        )
        if session_id in self._supervisor.sessions:
            raise RefusedError("request", f"session {session_id} exists")
        session = self._supervisor.start(
            session_id,
            self._with_descriptors(order, client, request),
            owner=client,
            label=client.label,
            command=read.command(request),
            name=self._free_name(request),
            listed=not prepared,
            durable=read.flag(request, "durable"),
            policy=policy,
        )
        return {"pid": session.pid or None}

    def _tell_leader(self, client: Client, request: Message) -> Result:
        session = self._prepared(client, request)
        try:
            self._supervisor.tell_leader(session, self._control(session, request))
        except BrokenPipeError:
            raise RefusedError("state", "has ended before it could begin") from None
        return {}

    def _begin(self, client: Client, request: Message) -> Result:
        session = self._prepared(client, request)
        control = self._control(session, request)
        policy, command, name = read.policy(request), read.command(request), self._free_name(request)
        self._release_before(client, request)
        try:
            self._supervisor.begin(
                session,
                command=command,
                name=name,
                control=control,
                durable=read.flag(request, "durable"),
                policy=policy,
                cwd=read.text_or_none(request, "cwd") or session.cwd,
                unattended=read.unattended(request),
                token=read.text_or_none(request, "token") or "",
                lets_go=read.flag(request, "lets_go"),
            )
        except (BrokenPipeError, ProcessLookupError):
            raise RefusedError("state", "has ended before it could begin") from None
        return {"pid": session.pid}

    def _discard(self, client: Client, request: Message) -> Result:
        session = self._supervisor.sessions.get(read.session_id(request))
        if session is not None and session.listed:
            raise RefusedError("state", "has begun; end it instead")
        if session is not None and session.owner is client:
            self._supervisor.discard(session)
        return {}

    def _settle(self, client: Client, request: Message) -> Result:
        session = self._own(client, request)
        code = read.integer(request, "code", 0, 255)
        keep = read.flag(request, "keep")
        if not session.can_hand_over:
            raise RefusedError("state", "has handed over already, or its leader is gone")
        self._supervisor.handovers.settle(session, code, keep=keep)
        return {}

    def _resume(self, client: Client, request: Message) -> Result:
        self._supervisor.handovers.resume(self._running(client, request))
        return {}

    def _hold(self, client: Client, request: Message) -> Result:
        """Take descriptors of a leader that has stopped itself, for one that is started later."""
        session = self._own(client, request)
        numbers = set(read.integers(request, "numbers", 3, read.MAX_DESCRIPTOR, at_most=MAX_HELD_DESCRIPTORS))
        if not (session.stopped and session.leader_alive):
            raise RefusedError("state", "has not stopped itself")
        held, lost = self._holdings.take(session, numbers, client)
        return {"held": held, "lost": lost}

    def _release_before(self, client: Client, request: Message) -> None:
        """A leader that was given what is held shall be the only one to have it, from its first command on."""
        if request.get("release_of") is not None:
            session_id = read.session_id(request, "release_of")
            if self._holdings.of(session_id, client) is not None:
                self._holdings.release(session_id)

    def _release(self, client: Client, request: Message) -> Result:
        session_id = read.session_id(request)
        if self._holdings.of(session_id, client) is not None:
            self._holdings.release(session_id)
        return {}

    def _with_descriptors(self, order: Launch, client: Client, request: Message) -> Launch:
        if request.get("descriptors_of") is None:
            return order
        held = self._holdings.of(read.session_id(request, "descriptors_of"), client)
        if held is None:
            raise RefusedError("state", "has left no descriptors with us")
        return replace(order, inherited=held)

    def _feed(self, client: Client, request: Message) -> None:
        """Answered when the session has read so much that it may be given more."""
        session = self._running(client, request)
        data, eof, hidden = read.packed(request, "data"), read.flag(request, "eof"), read.flag(request, "hidden")
        if session.input < 0 or session.close_input_after:
            raise RefusedError("ended", "takes no input, or its input has ended")

        def on_room(readable: bool) -> None:
            if readable:
                client.answer(request, {})
            else:
                client.refuse(request, "ended", "has stopped reading its input")

        self._supervisor.feed(session, data, eof=eof, hidden=hidden, on_room=on_room)

    def _look_at_input(self, client: Client, request: Message) -> None:
        """Answered when that is seen, and what was seen is told."""
        session = self._running(client, request)
        self._supervisor.look_at_input(session, on_seen=lambda: client.answer(request, {}))

    def _attend(self, client: Client, request: Message) -> Result:
        self._supervisor.attend(self._running(client, request), attended=read.flag(request, "attended"))
        return {}

    def _signal(self, client: Client, request: Message) -> Result:
        session = self._running(client, request)
        number = read.integer(request, "signal", 1, 64)
        if number not in signal.valid_signals():
            raise RefusedError("request", f"signal must be a signal of this system, not {number}")
        self._supervisor.signal(session, number, whole_tree=read.optional_flag(request, "whole_tree"))
        return {}

    def _interrupt(self, client: Client, request: Message) -> None:
        """Answered when all that it is for have got it: some tenths of a second later, if that takes a second look."""

        def done(what: Interrupted) -> None:
            client.answer(request, {"reached": what.reached, "reached_count": what.reached_count, "jobs": what.jobs})

        self._supervisor.interrupt(self._running(client, request), done)

    def _processes(self, client: Client, request: Message) -> Result:
        awaited = read.optional_flag(request, "awaited")
        pids = self._supervisor.processes(self._session(request), awaited=awaited)
        return {"processes": described(pids, MAX_DESCRIBED), "count": len(pids)}

    def _resize(self, client: Client, request: Message) -> Result:
        session = self._running(client, request)
        rows = read.integer(request, "rows", 1, read.MAX_TERMINAL_SIDE)
        columns = read.integer(request, "columns", 1, read.MAX_TERMINAL_SIDE)
        if not session.is_pty or not session.outlets:
            raise RefusedError("ended", "has no terminal")
        for outlet in session.outlets:
            resize(outlet.descriptor, rows, columns)
        return {}

    def _terminal(self, client: Client, request: Message) -> Result:
        session = self._session(request)
        if not session.is_pty or not session.outlets:
            raise RefusedError("ended", "has no terminal")
        master = session.outlets[0].descriptor
        rows, columns = terminal_state.size(master)
        return {"rows": rows, "columns": columns, "begins_lines": terminal_state.begins_lines(master)}

    def _end(self, client: Client, request: Message) -> None:
        """End sessions at the same time; answered when the last is gone, or with what survived."""
        force = read.flag(request, "force")
        found = [self._supervisor.sessions.get(one) for one in read.session_ids(request)]
        wanted = [session for session in found if session is not None and not session.over]
        for session in wanted:
            self._check_owner(client, session)
        ended = [session.session_id for session in wanted]
        survivors: dict[str, dict[str, str]] = {}
        remaining = set(ended)

        def done_with(session: Session) -> Callable[[Survivors], None]:
            def done(left: Survivors) -> None:
                remaining.discard(session.session_id)
                if left:
                    survivors[session.session_id] = {str(pid): why for pid, why in left.items()}
                if not remaining:
                    client.answer(request, {"ended": ended, "survivors": survivors})

            return done

        if not wanted:
            client.answer(request, {"ended": [], "survivors": {}})
        # What waits first: the end of another would let it start.
        for session in sorted(wanted, key=lambda one: not one.queued):
            self._supervisor.end(
                session,
                reason="killed" if force else "terminated",
                grace=0.0 if force else GRACE_SECONDS,
                on_done=done_with(session),
            )

    def _adopt(self, client: Client, request: Message) -> Result:
        """Take over a session that nobody owns."""
        session = self._own(client, request)
        if session.owner is not client:
            session.owner, session.label = client, client.label
            self._note_change(session)
        return {}

    def _durable(self, client: Client, request: Message) -> Result:
        session = self._own(client, request)
        if session.over:
            raise RefusedError("ended", "is over")
        session.durable = read.flag(request, "durable")
        if session.owner is None:  # what is neither durable nor owned would never end
            session.owner, session.label = client, client.label
        self._note_change(session)
        return {}

    def _rename(self, client: Client, request: Message) -> Result:
        session = self._own(client, request)
        session.name = self._free_name(request)
        self._note_change(session)
        return {}

    def _discard_output(self, client: Client, request: Message) -> Result:
        session = self._own(client, request)
        self._supervisor.discard_output(session, read.integer(request, "up_to", 0, read.MAX_WHOLE))
        return {}

    def _catch_up(self, client: Client, request: Message) -> Result:
        """Store what the session has written so far, though the loop has not come to it yet; where its output ends."""
        session = self._running(client, request)
        self._supervisor.catch_up(session)
        return {"end": session.spool.end}

    def _parallel(self, client: Client, request: Message) -> Result:
        group = read.text_or_none(request, "group")
        self._supervisor.set_parallel(group, read.optional_integer(request, "limit", 1, read.MAX_WHOLE))
        return {}

    def _report(self, client: Client, request: Message) -> Result:
        """How far a session has come. Which one, that says the process that asks, and none can speak for another."""
        report = read.report(request)
        session = self._supervisor.session_of(client.pid)
        if session is None or not session.listed:
            raise RefusedError("unknown", f"process {client.pid} is of no running session")
        self._supervisor.progress.take(session, [report])
        return {}

    def _usage(self, client: Client, request: Message) -> Result:
        return {"usage": self._supervisor.usage()}

    def _history(self, client: Client, request: Message) -> Result:
        self._supervisor.upkeep.look()
        return {"points": self._supervisor.upkeep.history(self._session(request))}

    def _health(self, client: Client, request: Message) -> Result:
        return {
            "guardian": os.getppid() == self._guardian,
            "sessions": len(self._supervisor.running),
            "clients": len(self._clients),
            "sampling_interval": self._supervisor.upkeep.interval,
        }

    def _note_change(self, session: Session) -> None:
        try:
            self._supervisor.history.note(session)
        finally:
            self._tell("changed", session)

    def _free_name(self, request: Message) -> str | None:
        """The name that a session is to have; clients check it too, but only the broker sees them all."""
        name = read.text_or_none(request, "name")
        mine = request.get("session_id")
        for session in self._supervisor.running if name is not None else ():
            if session.listed and session.name == name and session.session_id != mine:
                raise RefusedError("name", name or "", holder=session.session_id, pid=session.pid)
        return name

    def _session(self, request: Message) -> Session:
        session = self._supervisor.sessions.get(read.session_id(request))
        if session is None:
            raise RefusedError("unknown", "is not known to the broker")
        return session

    def _own(self, client: Client, request: Message) -> Session:
        session = self._session(request)
        self._check_owner(client, session)
        return session

    def _prepared(self, client: Client, request: Message) -> Session:
        session = self._own(client, request)
        if session.listed or session.over or session.control < 0:
            raise RefusedError("state", "is not a prepared session any more")
        return session

    @staticmethod
    def _control(session: Session, request: Message) -> bytes:
        """What a leader is to be told: no more than it may leave unread."""
        control = read.packed(request, "control")
        if session.told_bytes + len(control) > MAX_CONTROL_BYTES:
            raise RefusedError("request", f"control must be at most {MAX_CONTROL_BYTES} bytes in all")
        return control

    def _running(self, client: Client, request: Message) -> Session:
        session = self._own(client, request)
        if session.over:
            raise RefusedError("ended", "is over")
        if session.queued:
            raise RefusedError("ended", "has not started yet: it waits for its turn")
        return session

    @staticmethod
    def _check_owner(client: Client, session: Session) -> None:
        """What nobody owns any of the user's programs may act on; what somebody owns only that one."""
        if session.owner is not None and session.owner is not client:
            raise RefusedError(
                "owned", f"{session.owner.label} (pid {session.owner.pid})", session_id=session.session_id
            )
