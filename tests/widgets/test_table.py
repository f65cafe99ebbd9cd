"""The process table without a browser: what it sends, when, and from which thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from tests.widgets.conftest import RecordingComm
from tests.widgets.fake_manager import FakeManager
from vibesbox_kernel.errors import SurvivorsError
from vibesbox_kernel.models import EventKind, SessionInfo
from vibesbox_kernel.shell.table_text import session_row
from vibesbox_kernel.widgets.table import SessionTable

pytestmark = pytest.mark.usefixtures("recorded")


@pytest.fixture
def on_engine(manager: FakeManager) -> Callable[..., Any]:
    """Calls a function on the engine, as the manager's own events would."""

    def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def work() -> Any:
            return function(*args, **kwargs)

        return manager.engine.call(work())

    return call


@pytest.fixture
def table(manager: FakeManager) -> Iterator[SessionTable]:
    made = SessionTable(cast("Any", manager), describe=session_row)
    yield made
    made.close()


def comm_of(table: SessionTable) -> RecordingComm:
    return cast("RecordingComm", table.comm)


def say(table: SessionTable, content: object) -> None:
    """What a browser sends arrives on a thread of Jupyter's."""
    message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
    thread = threading.Thread(target=table._handle_msg, args=[message], name="a thread of Jupyter's")
    thread.start()
    thread.join()


def rows_of(sent: RecordingComm) -> list[dict[str, Any]]:
    """The rows as the browser has them now."""
    known = [update["rows"] for update in sent.updates if "rows" in update]
    return cast("list[dict[str, Any]]", known[-1]) if known else []


def test_a_session_appears_and_ends_by_itself(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "make", name="build")
    sent.wait(lambda comm: [row["word"] for row in rows_of(comm)] == ["running"])
    on_engine(manager.end, one.session_id, code=2)
    sent.wait(lambda comm: [row["exit"] for row in rows_of(comm)] == ["2"])
    assert sent.updates[-1]["caption"] == "Processes: 0 running, 1 ended"


def test_every_trait_is_set_on_the_engine(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    on_engine(manager.start, "make")
    say(table, {"op": "hello"})
    sent.wait(lambda comm: bool(rows_of(comm) and comm.custom))
    assert {thread for kind, _, thread in sent.sent if kind == "comm_msg"} == {"fake engine"}


def test_a_hundred_changes_at_once_are_few_messages(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    def many() -> None:
        for number in range(100):
            manager.start(f"job {number}")

    on_engine(many)
    sent = comm_of(table)
    sent.wait(lambda comm: len(rows_of(comm)) == 100)
    assert len(sent.updates) <= 3


def test_a_change_nobody_could_see_sends_nothing(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "make", rss=1_000_000)
    sent.wait(lambda comm: len(rows_of(comm)) == 1)
    before = len(sent.updates)
    on_engine(manager.change, one.session_id, EventKind.STOPPED, rss=1_000_001)
    say(table, {"op": "hello"})  # answered after the change was drawn or together with it
    sent.wait(lambda comm: bool(comm.custom))
    on_engine(manager.start, "another")
    sent.wait(lambda comm: len(rows_of(comm)) == 2)
    assert len(sent.updates) == before + 1


def test_usage_is_measured_only_while_a_view_is_there_and_something_runs(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "make")
    sent.wait(lambda comm: len(rows_of(comm)) == 1)
    assert manager.usage_passes == 0
    say(table, {"op": "hello"})
    sent.wait(lambda comm: rows_of(comm)[0]["cpu"] == "1.0 s")  # the second tick, without any event
    on_engine(manager.end, one.session_id, code=0)
    sent.wait(lambda comm: rows_of(comm)[0]["word"] == "exited")
    assert not on_engine(table._is_ticking)


def test_a_view_that_fell_silent_long_ago_is_not_measured_for(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibesbox_kernel.widgets.live.VIEW_LEASE_SECONDS", -1.0)
    on_engine(manager.start, "make")
    say(table, {"op": "alive"})
    comm_of(table).wait(lambda comm: len(rows_of(comm)) == 1)
    assert not on_engine(table._is_ticking)


def test_hello_is_answered_with_the_clock_of_the_kernel(table: SessionTable) -> None:
    say(table, {"op": "hello"})
    sent = comm_of(table)
    sent.wait(lambda comm: bool(comm.custom))
    assert sent.custom[0]["op"] == "hello"
    assert sent.custom[0]["now"] > 1.7e9


def test_kill_says_ending_while_it_works_and_then_the_row_says_killed(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "sleep 600")
    manager.may_end.clear()
    say(table, {"op": "kill", "id": one.session_id})
    sent.wait(lambda comm: [row["ending"] for row in rows_of(comm)] == [True])
    on_engine(manager.may_end.set)
    sent.wait(lambda comm: [(row["word"], row["ending"]) for row in rows_of(comm)] == [("killed", False)])


def test_an_error_of_kill_shows_in_the_row(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "sleep 600")
    manager.refusal = SurvivorsError("sleep", {4242: "uninterruptible"})
    say(table, {"op": "kill", "id": one.session_id})
    sent.wait(lambda comm: any(row["error"] for row in rows_of(comm)))
    (row,) = rows_of(sent)
    assert row["error"] == "session sleep: processes outlived SIGKILL: 4242 (uninterruptible)"
    assert (row["tries"], row["ending"]) == (1, False)


@pytest.mark.parametrize("nonsense", [None, "kill", {"op": "kill"}, {"op": "kill", "id": "gone"}, {"op": "fly"}])
def test_a_message_that_means_nothing_does_no_harm(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any], nonsense: object
) -> None:
    say(table, nonsense)
    on_engine(manager.start, "make")
    comm_of(table).wait(lambda comm: len(rows_of(comm)) == 1)


def test_a_closed_table_follows_nothing(manager: FakeManager, on_engine: Callable[..., Any]) -> None:
    table = SessionTable(cast("Any", manager), describe=session_row)
    sent = comm_of(table)
    on_engine(manager.start, "make")
    sent.wait(lambda comm: len(rows_of(comm)) == 1)
    table.close()
    table.close()

    sent.wait(lambda comm: comm.sent[-1][0] == "comm_close")

    async def others_over() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    manager.engine.call(others_over())
    assert manager.listeners == 0


def test_a_table_whose_engine_is_gone_can_still_be_closed(manager: FakeManager) -> None:
    table = SessionTable(cast("Any", manager), describe=session_row)
    sent = comm_of(table)
    manager.engine.close()
    table.close()
    assert sent.sent[-1][0] == "comm_close"


def test_a_table_that_can_not_follow_any_more_says_so(
    manager: FakeManager, on_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise OSError("no /proc here")

    monkeypatch.setattr(manager, "refresh_usage", fail)
    table = SessionTable(cast("Any", manager), describe=session_row)
    on_engine(manager.start, "make")
    say(table, {"op": "hello"})
    comm_of(table).wait(lambda comm: "no /proc here" in str(comm.updates[-1:]))
    table.close()
