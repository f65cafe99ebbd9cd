"""The sessions' lives in a broker: their turns, second starts and ends, and what their owner's death does to them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.broker.parts import HandLoop, a_session, turn_until
from tests.broker.test_door import START, RawClient
from vibesbox_kernel.broker import records
from vibesbox_kernel.broker.ending import Endings
from vibesbox_kernel.broker.history import History
from vibesbox_kernel.broker.launch import Launch, LaunchFailedError
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.policy import Policy
from vibesbox_kernel.broker.queue import Queue
from vibesbox_kernel.broker.restarts import LONGEST_PAUSE_SECONDS, Restarts
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.starting import Starter
from vibesbox_kernel.broker.supervisor import Supervisor
from vibesbox_kernel.broker.tree import Trees
from vibesbox_kernel.broker.wire import PROTOCOL, pack_bytes
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.places import make_places


class Line:
    """A queue whose sessions start and end as the test says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sessions: dict[str, Session] = {}
        self.started: list[Session] = []
        self.given_up: dict[Session, str] = {}
        self.fails_to_start = False
        self.queue = Queue(self.sessions, start=self._start, give_up=self._give_up)

    def come(self, *after: str, group: str | None = None) -> Session:
        """A session that starts at once if it may, and waits otherwise."""
        session = a_session(self.directory, len(self.sessions) + 1, policy=Policy(after=after, group=group))
        self.sessions[session.session_id] = session
        if self.queue.may_start(session):
            self.queue.began(session)
            self.started.append(session)
        else:
            self.queue.add(session)
            self.queue.turn()
        return session

    def end(self, session: Session, returncode: int | None) -> None:
        session.over, session.returncode, session.end_reason = True, returncode, "exited"
        self.queue.over(session)

    def _start(self, session: Session) -> None:
        self.started.append(session)
        if self.fails_to_start:
            self.end(session, None)

    def _give_up(self, session: Session, why: str) -> None:
        self.given_up[session] = why
        self.end(session, None)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def test_however_many_follow_a_failure_all_are_given_up(line: Line):
    """Ours: the end of one gives its followers up, and each of those ends is an end of its own."""
    first = line.come()
    followers = [line.come(first.session_id) for _ in range(600)]
    chain = [line.come(followers[-1].session_id)]
    chain += [line.come(chain[-1].session_id) for _ in range(1)]
    for _ in range(600):
        chain.append(line.come(chain[-1].session_id))
    line.end(first, 1)
    assert list(line.given_up) == followers + chain
    assert all("did not succeed" in why for why in line.given_up.values())


def test_however_many_can_not_be_started_all_get_their_turn(line: Line):
    line.queue.set_limit("g", 1)
    first = line.come(group="g")
    waiting = [line.come(group="g") for _ in range(600)]
    line.fails_to_start = True
    line.end(first, 0)
    assert line.started == [first, *waiting]


def test_a_success_counts_also_when_the_broker_has_forgotten_it(line: Line):
    early, late = line.come(), line.come()
    follower = line.come(early.session_id, late.session_id)
    line.end(early, 0)
    del line.sessions[early.session_id]
    line.end(late, 0)
    assert line.started == [early, late, follower]


@pytest.mark.parametrize("kind", ["itself", "unknown", "prepared", "failed"])
def test_who_follows_what_never_succeeds_is_given_up_at_once(line: Line, kind: str):
    """Ours: nothing waits for ever; what is only prepared may come to wait for the one that follows it."""
    before = line.come()
    before.listed = kind != "prepared"
    if kind == "failed":
        line.end(before, 3)
    ids = {"itself": f"{2:08}-0000-4000-8000-000000000000", "unknown": "f" * 36}
    after = line.come(ids.get(kind, before.session_id))
    assert list(line.given_up) == [after]
    assert after not in line.started


def test_a_limit_holds_for_each_group_and_for_all(line: Line):
    line.queue.set_limit(None, 3)
    line.queue.set_limit("a", 1)
    first, waits, other, third = (line.come(group=group) for group in ("a", "a", "b", None))
    assert line.started == [first, other, third]
    late = line.come(group="b")
    line.end(other, 0)
    assert line.started[3:] == [late]  # the one before it is of a group that is full
    line.end(first, 1)
    assert line.started[4:] == [waits]
    line.queue.set_limit(None, None)
    line.queue.set_limit("a", None)
    assert line.come(group="a") in line.started


class CountedSessions(dict[str, Session]):
    """Sessions that count how many of them are looked at."""

    looks = 0

    def get(self, *arguments: Any) -> Any:
        self.looks += 1
        return super().get(*arguments)

    def values(self) -> Any:
        self.looks += len(self)
        return super().values()


def test_what_waits_is_not_compared_with_every_session(line: Line):
    """Ours: a thousand that wait cost each that comes and each that ends a few steps, not a million."""
    line.queue._sessions = sessions = CountedSessions()
    line.sessions = sessions
    line.queue.set_limit(None, 1)
    first = line.come()
    waiting = [line.come(first.session_id) for _ in range(300)]
    for session in [first, *waiting]:
        line.end(session, 0)
    assert line.started == [first, *waiting]
    assert sessions.looks <= 4 * len(waiting)


def test_the_pause_before_a_restart_grows_to_a_minute_and_no_further(tmp_path: Path):
    loop = HandLoop()
    session = a_session(tmp_path)
    for failures, pause in ((0, 1.0), (3, 8.0), (6, LONGEST_PAUSE_SECONDS), (5000, LONGEST_PAUSE_SECONDS)):
        session.failures, session.launched_at = failures, time.monotonic()
        Restarts(loop, restart=lambda _: None).schedule(session)
        assert loop.timers[-1][0] == pause


def test_a_sweep_that_fails_is_made_again(tmp_path: Path, monkeypatch):
    """Linux: without a free descriptor /proc can not be read; what is to be killed is killed later."""
    loop, trees = HandLoop(), Trees()
    endings = Endings(loop, trees)

    def refuse() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(trees, "adopt", refuse)
        endings.begin(a_session(tmp_path), reason="killed", grace=0)
        with pytest.raises(OSError, match="open files"):
            loop.fire()
    assert len(loop.delays) == 1
    loop.fire()


def test_a_soft_end_joins_the_end_of_leftovers_and_is_answered(tmp_path: Path):
    loop = HandLoop()
    endings, session = Endings(loop, Trees()), a_session(tmp_path)
    told: list[object] = []
    endings.begin(session, reason="", grace=1)
    endings.begin(session, reason="terminated", grace=1, on_done=told.append)
    ending = endings.over(session)
    assert ending is not None
    assert ending.reason == "terminated"
    ending.done({})
    assert told == [{}]


@pytest.mark.parametrize("problem", ["x" * 5000, "\U0001f600" * 5000, "ß" * 5000, '"' * 5000])
def test_an_exit_record_stays_within_its_block_whatever_the_problem(tmp_path: Path, problem: str):
    session = a_session(tmp_path)
    session.problem, session.usage = problem, [123456789.123456789] * 6
    session.returncode, session.end_reason, session.ended_at, session.duration = -64, "memory limit", 1e10 / 3, 1e7 / 3
    session.exited_cursor = 1 << 60
    History(HandLoop(), {}, on_forgotten=lambda _: None).end(session)
    assert os.stat(f"{session.directory}/exit.json").st_size == 1024
    known = records.read_exit(session.directory)
    assert known is not None
    assert problem.startswith(known["problem"])
    assert len(json.dumps(known["problem"])) >= 100


class House:
    """A supervisor on a loop of its own, in this process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "own"
        self.directory.mkdir()
        self._handler = signal.getsignal(signal.SIGCHLD)
        self.loop = Loop()
        self.events: list[str] = []
        self.returncodes: list[int | None] = []
        self.supervisor = Supervisor(
            self.loop,
            str(self.directory),
            announcements=str(directory / "ends"),
            run_tag=1 << 62,
            on_event=self._on_event,
            on_output=lambda _: None,
        )

    def start(self, command: str, *, listed: bool = True, **policy: Any) -> Session:
        env = {"PATH": os.environ["PATH"], "VIBESBOX_TEST": os.environ.get("VIBESBOX_TEST", "")}
        order = Launch(argv=["/bin/sh", "-c", command], env=env, cwd="/", feed=True)
        number = len(os.listdir(self.directory)) + 1
        return self.supervisor.start(
            f"{number:08}-0000-4000-8000-000000000000",
            order,
            owner=None,
            label="a test",
            command=command,
            name=None,
            listed=listed,
            durable=False,
            policy=Policy(**policy),
        )

    def until(self, condition: Callable[[], bool]) -> None:
        """Turn the loop until something is so."""
        turn_until(self.loop, condition)

    def close(self) -> None:
        for session in self.supervisor.running:
            self.supervisor.end(session, reason="killed", grace=0)
        self.until(lambda: not self.supervisor.running)
        self.supervisor.upkeep._sampler.close()
        self.supervisor.handovers.close()
        signal.signal(signal.SIGCHLD, self._handler)
        os.close(signal.set_wakeup_fd(-1))
        os.close(self.loop._signals_end)
        self.loop._selector.close()

    def _on_event(self, kind: str, session: Session) -> None:
        self.events.append(kind)
        self.returncodes.append(session.returncode)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(tmp_path)
    yield one
    one.close()


def test_the_end_of_the_output_is_told_once_and_not_before_a_restart(house: House, tmp_path: Path):
    """Ours: the end of the file comes before the end of the leader, and tells a reader that there is no more."""
    mark = tmp_path / "mark"
    command = f"echo run; [ -e {mark} ]; code=$?; : > {mark}; exec >&- 2>&-; read go; exit $code"
    session = house.start(command, max_restarts=2)
    for run in (1, 2):
        house.until(lambda: session.output < 0 and session.leader_alive)
        assert "drained" not in house.events
        house.supervisor.feed(session, b"go\n", eof=False, hidden=False, on_room=lambda _: None)
        house.until(lambda: session.restarts == run or session.over)  # noqa: B023 - called at once
    assert house.events == ["started", "restarting", "started", "drained", "exited", "ended"]
    assert session.drained
    assert session.spool.end == len("run\n") * 2


def test_what_is_not_to_be_started_again_tells_the_end_of_its_output_at_once(house: House):
    session = house.start("exec >&- 2>&-; read go")
    house.until(lambda: session.drained)
    assert session.leader_alive
    house.supervisor.end(session, reason="killed", grace=0)
    house.until(lambda: session.over)
    assert house.events == ["started", "drained", "exited", "ended"]


def test_a_session_that_ends_before_it_is_started_again_tells_the_end_of_its_output_too(house: House):
    session = house.start("exit 4", max_restarts=2)
    house.until(lambda: "restarting" in house.events)
    told: list[object] = []
    house.supervisor.end(session, reason="terminated", grace=1, on_done=told.append)
    assert house.events == ["started", "restarting", "drained", "ended"]
    assert (session.returncode, session.end_reason, told) == (4, "terminated", [{}])


def test_an_end_of_what_is_over_is_answered_and_told_once(house: House):
    session = house.start("exit 4")
    house.until(lambda: session.over)
    told: list[object] = []
    house.supervisor.end(session, reason="terminated", grace=1, on_done=told.append)
    assert (told, session.end_reason) == ([{}], "exited")
    assert house.events.count("ended") == 1


def test_a_restart_that_the_system_refuses_is_a_failure_like_any_other(house: House, monkeypatch):
    """Linux: without a free descriptor nothing can be started, and not every step of it says so in our words."""
    session = house.start("exit 4", max_restarts=1)
    house.until(lambda: "restarting" in house.events)

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(Starter, "launch", refuse)
    house.until(lambda: session.over)
    assert (session.returncode, session.restarts) == (127, 1)
    assert "open files" in (session.problem or "")
    assert house.events == ["started", "restarting", "drained", "exited", "ended"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_leader_whose_output_can_not_be_watched_is_killed_and_its_start_has_failed(
    house: House, blocking_lifeline, monkeypatch, restarted: bool
):
    """Linux: epoll may refuse (ENOSPC) when the leader runs already; it must not run on unknown."""
    session = house.start("exit 4", max_restarts=1) if restarted else None
    house.until(lambda: not restarted or "restarting" in house.events)
    launch, pids = Starter.launch, []

    def launch_and_refuse(starter: Starter, starting: Session) -> None:
        launch(starter, starting)
        pids.append(starting.pid)
        monkeypatch.setattr(house.loop, "watch", refuse)

    def refuse(*_: object) -> None:
        monkeypatch.undo()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Starter, "launch", launch_and_refuse)
    if session is not None:
        house.until(lambda: session.over)
        assert (session.returncode, session.pid) == (127, 0)
        assert "No space" in (session.problem or "")
    else:
        with pytest.raises(LaunchFailedError, match="No space"):
            house.start("sleep 600")
        assert house.supervisor.sessions == {}
        assert house.events == []
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_prepared_session_that_is_discarded_gives_back_what_it_stored_once(house: House):
    running = house.start("echo 0123456789")
    house.until(lambda: running.over)
    budget = house.supervisor.upkeep._budget
    assert budget.stored == 11
    prepared = house.start("echo 0123456789; read go", listed=False)
    house.until(lambda: budget.stored == 22)
    house.supervisor.discard(prepared)
    house.until(lambda: prepared.over)
    assert budget.stored == 11


def test_the_time_limit_of_what_waits_begins_with_its_start(house: House):
    house.supervisor.set_parallel(None, 1)
    first = house.start("read go")
    session = house.start("read go", timeout=0.2)
    waited = house.loop.call_later(0.4, lambda: None)
    house.until(lambda: not waited.is_set)
    assert session.queued
    house.supervisor.end(first, reason="killed", grace=0)
    house.until(lambda: session.over)
    assert session.end_reason == "timed out"


def test_a_cancelled_session_tells_an_end_and_has_no_status(house: House):
    house.supervisor.set_parallel(None, 1)
    house.start("read go")
    session = house.start("true")
    told: list[object] = []
    house.supervisor.end(session, reason="terminated", grace=1, on_done=told.append)
    assert (session.returncode, session.end_reason, session.drained, told) == (None, "cancelled", True, [{}])
    assert house.events == ["started", "queued", "drained", "ended"]


def test_what_is_being_cancelled_stays_cancelled_when_it_is_killed_too(house: House):
    """CI: the bash of a session that waited for its turn was ready, and on its way out when the user's kill came."""
    house.supervisor.set_parallel(None, 1)
    house.start("read go")
    session = house.start("read go", listed=False)
    house.supervisor.begin(
        session,
        command="true",
        name=None,
        control=b"",
        durable=False,
        policy=Policy(),
        cwd="/",
        unattended=None,
        token="",
        lets_go=False,
    )
    assert session.queued
    for reason in ("terminated", "killed"):
        house.supervisor.end(session, reason=reason, grace=0)
    house.until(lambda: session.over)
    assert (session.end_reason, session.duration) == ("cancelled", 0.0)


def test_the_stop_of_a_leader_is_forgotten_with_it(house: House):
    """Ours: nothing is settled or signalled for a leader that is reaped; its number may be another's by now."""
    session = house.start("kill -STOP $$; exit 7")
    house.until(lambda: session.stopped)
    os.kill(session.pid, signal.SIGKILL)
    house.until(lambda: session.over)
    assert not session.stopped
    house.supervisor.handovers.settle_unattended(session)
    assert (session.returncode, house.events.count("exited")) == (-9, 1)


def test_a_keeper_is_looked_at_again_after_a_look_that_failed(house: House, monkeypatch):
    """Linux: without a free descriptor /proc can not be read; a leader that only keeps may not stay for ever."""
    session = house.start("sleep 600 & kill -STOP $$; wait; read go")
    house.until(lambda: session.stopped)
    house.supervisor.handovers.settle(session, 5, keep=True)
    looks = 0

    def refuse(_: Session) -> list[int]:
        nonlocal looks
        looks += 1
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(house.supervisor._trees, "others", refuse)
        house.until(lambda: looks > 0)
    os.kill(session.leftovers[0], signal.SIGKILL)
    house.until(lambda: session.over)
    assert (session.returncode, session.end_reason) == (5, "exited")


@pytest.fixture
def broker(manager: SessionManager) -> Iterator[Callable[[], RawClient]]:
    """Makes raw clients of the manager's broker."""
    made: list[RawClient] = []

    def connect() -> RawClient:
        client = RawClient(str(make_places(manager.hub.instance).socket))
        made.append(client)
        client.ask(op="hello", protocol=PROTOCOL)
        return client

    yield connect
    for one in made:
        with contextlib.suppress(OSError):
            one.close()


def an_id(number: int) -> str:
    return f"{number:08}-0000-4000-8000-000000000000"


def order(number: int, command: str, **changes: Any) -> dict[str, Any]:
    """A request for a session with a known id."""
    argv, env = ["/bin/bash", "-c", command], {"PATH": os.environ["PATH"]}
    return {**START, "session_id": an_id(number), "argv": argv, "env": env, **changes}


@pytest.mark.anyio
async def test_a_stopped_leader_that_was_killed_keeps_its_status_when_its_owner_goes(
    manager, broker, new_lifeline, tmp_path
):
    """Ours: nobody settles it any more, and what else its owner had ends with that."""
    await manager.run("true")
    client, left, plain = broker(), new_lifeline(), new_lifeline()
    verdict = tmp_path / "verdict"
    command = f"read line <&250; setsid sh -c 'echo up >{left.path}; exec sleep 600 9>{left.path}' & kill -STOP $$"
    pid = client.ask(**order(1, command, prepared=True))["ok"]["pid"]
    unattended = {"verdict": str(verdict), "certain": ["done"], "go": str(tmp_path / "go")}
    client.ask(
        op="begin",
        session_id=an_id(1),
        control=pack_bytes(b"go\n"),
        policy={},
        durable=True,
        command=pack_bytes(b"x"),
        name="one",
        unattended=unattended,
        lets_go=False,
    )
    assert "ok" in client.ask(**order(2, f"exec 9>{plain.path}; echo up >&9; sleep 600"))
    with anyio.fail_after(20):
        await left.held()
        await plain.held()
        while client.ask(op="health") and Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "T":
            await anyio.sleep(0.01)
        verdict.write_text("0 done\n")
        client.ask(op="signal", session_id=an_id(1), signal=9)
        while manager.info("one").exit_code is None and manager.info("one").signal is None:
            await anyio.sleep(0.01)
        client.close()
        await plain.released()
        while manager.info("one").owned:
            await anyio.sleep(0.01)
        assert manager.info("one").signal == signal.SIGKILL
        await manager.adopt_session("one")
        await manager.terminate_session("one", force=True)
    assert manager.info("one").signal == signal.SIGKILL


@pytest.mark.anyio
async def test_what_has_ended_belongs_to_nobody_once_its_owner_is_gone(manager, broker):
    await manager.run("true")
    client, other = broker(), broker()
    client.ask(**order(1, "true", durable=True))
    with anyio.fail_after(20):
        while True:
            found = [info for info in manager.list_sessions() if info.session_id == an_id(1)]
            if found and not found[0].is_running:
                break
            await anyio.sleep(0.01)
        assert other.ask(op="adopt", session_id=an_id(1))["error"]["kind"] == "owned"
        client.close()
        while "error" in other.ask(op="adopt", session_id=an_id(1)):
            await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_nothing_starts_any_more_as_the_sessions_of_a_dead_program_end(manager, broker, isolation):
    """Ours: the room that one leaves at once is none for the next of the same program."""
    await manager.run("true")
    client, other, mark = broker(), broker(), isolation / "mark"
    client.ask(op="parallel", group="g", limit=1)
    client.ask(**order(1, "exit 3", policy={"group": "g", "max_restarts": 3}))
    client.ask(**order(2, f"touch {mark}; sleep 600", policy={"group": "g"}))
    with anyio.fail_after(20):
        while known(other, 1)["restart_at"] is None:
            await anyio.sleep(0.01)
        client.close()
        while not known(other, 2)["over"]:
            await anyio.sleep(0.01)
    assert (known(other, 1)["end_reason"], known(other, 1)["returncode"]) == ("shut down", 3)
    assert (known(other, 2)["end_reason"], known(other, 2)["pid"]) == ("cancelled", None)
    assert not mark.exists()


def known(client: RawClient, number: int) -> dict[str, Any]:
    """What the broker says of a session now."""
    client._messages.clear()
    client.ask(op="hello", protocol=PROTOCOL)
    told = [message["session"] for message in client._messages if "session" in message]
    return next(one for one in reversed(told) if one["session_id"] == an_id(number))
