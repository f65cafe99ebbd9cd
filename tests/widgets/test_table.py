"""The process table without a browser: what it sends, when, and from which thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import uuid4

import pytest

from tests.widgets.conftest import RecordingComm
from tests.widgets.fake_manager import FakeManager
from tests.widgets.replay import replay
from vibesbox_kernel.errors import SurvivorsError
from vibesbox_kernel.models import EventKind, InputKind, ListeningPort, ProcessInfo, SessionInfo
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
    return replay(sent.custom)


def messages(sent: RecordingComm, op: str) -> list[dict[str, Any]]:
    """What the browser was sent of one kind."""
    return [one for one in sent.custom if one["op"] == op]


def ask(table: SessionTable, action: str, session_id: str = "", **more: object) -> str:
    """What a click sends; returns the call."""
    call = f"test-{uuid4().hex[:6]}"
    say(table, {"op": "do", "call": call, "action": action, "id": session_id, **more})
    return call


def answer(sent: RecordingComm, call: str) -> dict[str, Any]:
    """Wait until a call is done; returns what was said of it."""
    sent.wait(lambda comm: any(one.get("call") == call for one in messages(comm, "done")))
    (done,) = [one for one in messages(sent, "done") if one["call"] == call]
    return {key: value for key, value in done.items() if key not in ("op", "call")}


def test_a_session_appears_and_ends_by_itself(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "make", name="build")
    sent.wait(lambda comm: [row["word"] for row in rows_of(comm)] == ["running"])
    on_engine(manager.end, one.session_id, code=2)
    sent.wait(lambda comm: [row["exit"] for row in rows_of(comm)] == ["2"])
    sent.wait(lambda comm: bool(comm.updates) and comm.updates[-1].get("caption") == "Processes: 0 running, 1 ended")


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
    assert len(messages(sent, "rows")) <= 3


def test_a_change_nobody_could_see_sends_nothing_and_others_only_what_has_changed(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "make", rss=1_000_000)
    sent.wait(lambda comm: len(rows_of(comm)) == 1)
    before = len(messages(sent, "rows"))
    on_engine(manager.change, one.session_id, EventKind.STOPPED, rss=1_000_001)
    on_engine(manager.change, one.session_id, EventKind.CHANGED, name="build")
    sent.wait(lambda comm: rows_of(comm)[0]["name"] == "build")
    assert [message["put"] for message in messages(sent, "rows")[before:]] == [{one.session_id: {"name": "build"}}]


def test_a_page_that_begins_to_look_gets_all_rows(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    on_engine(manager.start, "make")
    sent.wait(lambda comm: len(rows_of(comm)) == 1)
    say(table, {"op": "hello"})
    sent.wait(lambda comm: any(one["full"] for one in messages(comm, "rows")))
    (full,) = [one for one in messages(sent, "rows") if one["full"]]
    assert [row["command"] for row in full["put"].values()] == ["make"]
    numbers = [one["number"] for one in messages(sent, "rows")]
    assert numbers == list(range(1, len(numbers) + 1))


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
    on_engine(lambda: None)
    assert not on_engine(lambda: table._has_view and table._runs_any)


def test_a_view_that_fell_silent_long_ago_is_not_measured_for(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibesbox_kernel.widgets.live.VIEW_LEASE_SECONDS", -1.0)
    on_engine(manager.start, "make")
    say(table, {"op": "alive"})
    comm_of(table).wait(lambda comm: len(rows_of(comm)) == 1)
    on_engine(lambda: None)
    assert not on_engine(lambda: table._has_view and table._runs_any)


def test_hello_is_answered_with_the_clock_of_the_kernel(table: SessionTable) -> None:
    say(table, {"op": "hello"})
    sent = comm_of(table)
    sent.wait(lambda comm: bool(messages(comm, "hello")))
    assert messages(sent, "hello")[0]["now"] > 1.7e9


def test_a_click_is_taken_at_once_says_what_goes_on_and_then_the_row_says_killed(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "sleep 600")
    manager.may_end.clear()
    call = ask(table, "terminate", one.session_id)
    sent.wait(lambda comm: {"op": "took", "call": call} in comm.custom)
    sent.wait(lambda comm: [row["busy"] for row in rows_of(comm)] == ["terminate"])
    on_engine(manager.may_end.set)
    assert answer(sent, call) == {"text": ""}
    sent.wait(lambda comm: [(row["word"], row["busy"]) for row in rows_of(comm)] == [("killed", "")])


def test_an_error_of_an_action_shows_in_the_row_until_the_next(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "sleep 600")
    manager.refusal = SurvivorsError("sleep", {4242: "uninterruptible"})
    error = "session sleep: processes outlived SIGKILL: 4242 (uninterruptible)"
    assert answer(sent, ask(table, "kill", one.session_id)) == {"error": error}
    sent.wait(lambda comm: [row["error"] for row in rows_of(comm)] == [error])
    answer(sent, ask(table, "rename", one.session_id, name="web"))
    sent.wait(lambda comm: [(row["name"], row["error"]) for row in rows_of(comm)] == [("web", "")])


def test_an_action_that_there_is_not_is_an_error_that_names_those_there_are(table: SessionTable) -> None:
    error = answer(comm_of(table), ask(table, "fly", "x"))["error"]
    assert error.startswith("there is no action 'fly' here; there is: interrupt, terminate, kill")


def test_an_action_on_a_session_that_is_forgotten_is_an_error(table: SessionTable) -> None:
    assert "not found" in answer(comm_of(table), ask(table, "durable", "gone", durable=True))["error"]


def test_several_are_ended_together_and_each_that_can_not_be_says_so(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    ids = [on_engine(manager.start, f"job {number}").session_id for number in range(3)]
    assert answer(sent, ask(table, "terminate_all", ids=ids[:2])) == {"text": "ended 2 sessions"}
    manager.refusal = SurvivorsError("job", {7: "uninterruptible"})
    said = answer(sent, ask(table, "terminate_all", ids=ids))["error"]
    assert said == "3 of 3 sessions could not be ended; their rows say why"
    sent.wait(lambda comm: ["uninterruptible" in row["error"] for row in rows_of(comm)] == [True] * 3)


def test_input_is_sent_with_enter_or_without_and_a_secret_is_hidden_and_said_nowhere(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "sudo true")
    assert answer(sent, ask(table, "input", one.session_id, text="yes", enter=True)) == {"text": "sent"}
    answer(sent, ask(table, "input", one.session_id, text="", eof=True))
    on_engine(
        manager.change,
        one.session_id,
        EventKind.WAITING_FOR_INPUT,
        waiting_for_input=True,
        input_kind=InputKind.PASSWORD,
    )
    assert answer(sent, ask(table, "input", one.session_id, text="hunter2", enter=True)) == {"text": "sent"}
    manager.refusal = RuntimeError("broken")
    assert answer(sent, ask(table, "input", one.session_id, text="hunter2")) == {"error": "RuntimeError: broken"}
    assert manager.inputs == [("yes\n", False, False), ("", True, False), ("hunter2\n", False, True)]
    assert "hunter2" not in caplog.text
    assert "hunter2" not in str(sent.sent)


def test_the_whole_command_is_there_to_be_copied(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    one: SessionInfo = on_engine(manager.start, "x" * 5000)
    assert answer(comm_of(table), ask(table, "command", one.session_id)) == {"text": "x" * 5000}


def test_a_log_is_saved_in_pieces_of_which_few_are_on_the_way(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibesbox_kernel.widgets.download.PIECE_BYTES", 10)
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "seq 20")
    manager.outputs[one.session_id] = bytes(range(65))
    call = ask(table, "save", one.session_id)
    sent.wait(lambda comm: len(messages(comm, "piece")) == 4)
    for _ in range(3):
        before = len(messages(sent, "piece"))
        say(table, {"op": "got", "call": call})
        sent.wait(lambda comm: len(messages(comm, "piece")) == before + 1)  # noqa: B023  it is called here and now
    assert answer(sent, call) == {"text": "saved 65 B"}
    assert [one["last"] for one in messages(sent, "piece")] == [False] * 6 + [True]
    assert b"".join(data for _, data in sent.with_bytes) == bytes(range(65))


def test_an_empty_log_is_saved_as_one_piece_of_nothing(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    one: SessionInfo = on_engine(manager.start, "true")
    sent = comm_of(table)
    assert answer(sent, ask(table, "save", one.session_id)) == {"text": "saved 0 B"}
    assert [piece["last"] for piece in messages(sent, "piece")] == [True]


def test_a_log_whose_page_is_gone_or_that_is_cancelled_is_given_up(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibesbox_kernel.widgets.download.PIECE_BYTES", 1)
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "seq 20")
    manager.outputs[one.session_id] = bytes(100)
    call = ask(table, "save", one.session_id)
    sent.wait(lambda comm: len(messages(comm, "piece")) == 4)
    say(table, {"op": "cancel", "call": call})
    assert answer(sent, call) == {"error": "saving the log was cancelled"}
    monkeypatch.setattr("vibesbox_kernel.widgets.download.SILENCE_SECONDS", 0.0)
    assert "does not take the log any more" in answer(sent, ask(table, "save", one.session_id))["error"]


def test_the_last_line_is_read_of_those_rows_alone_that_can_be_seen(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    seen, other = (on_engine(manager.start, command) for command in ("seen", "other"))
    for one in (seen, other):
        manager.outputs[one.session_id] = b"first\n\x1b[31mlast\x1b[0m\n\n"
    say(table, {"op": "view", "view": "v", "ids": [seen.session_id]})
    sent.wait(lambda comm: [row["line"] for row in rows_of(comm)] == ["last", ""])
    manager.outputs[seen.session_id] += b"more"
    on_engine(manager.change, seen.session_id, EventKind.OUTPUT)
    sent.wait(lambda comm: [row["line"] for row in rows_of(comm)] == ["more", ""])
    assert manager.read_sessions == {seen.session_id}


def test_ports_and_load_come_while_somebody_looks(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    one: SessionInfo = on_engine(manager.start, "python3 -m http.server")
    manager.listening[one.session_id] = (ListeningPort(port=8000, address="0.0.0.0", pid=1001),)
    say(table, {"op": "hello"})
    sent = comm_of(table)
    sent.wait(lambda comm: bool(rows_of(comm)) and rows_of(comm)[0]["ports"] == [8000])
    sent.wait(lambda comm: rows_of(comm)[0]["load"] > 0)


def test_details_have_facts_processes_and_figures_and_stop_when_they_are_shut(
    table: SessionTable, manager: FakeManager, on_engine: Callable[..., Any]
) -> None:
    sent = comm_of(table)
    one: SessionInfo = on_engine(manager.start, "make", name="build")
    manager.tree = (ProcessInfo(pid=10, command="bash"), ProcessInfo(pid=11, command="cc", parent=10))
    say(table, {"op": "hello"})
    say(table, {"op": "open", "view": "v", "id": one.session_id})
    sent.wait(lambda comm: bool(messages(comm, "detail")))
    detail = messages(sent, "detail")[0]
    assert ("name", "build") in [tuple(fact) for fact in detail["facts"]]
    assert detail["processes"] == [(0, 10, "bash"), (1, 11, "cc")]
    assert detail["plot"]["at"] == [1.0]
    say(table, {"op": "shut", "view": "v", "id": one.session_id})
    assert not on_engine(lambda: table._details.are_open)


def test_a_table_of_one_session_shows_no_other(manager: FakeManager, on_engine: Callable[..., Any]) -> None:
    one: SessionInfo = on_engine(manager.start, "make")
    on_engine(manager.start, "other")
    table = SessionTable(cast("Any", manager), describe=session_row, only=one.session_id)
    say(table, {"op": "hello"})
    comm_of(table).wait(lambda comm: [row["command"] for row in rows_of(comm)] == ["make"])
    table.close()


def test_another_view_is_opened_by_whoever_made_the_table(manager: FakeManager, on_engine: Callable[..., Any]) -> None:
    opened: list[tuple[str, str]] = []
    one: SessionInfo = on_engine(manager.start, "make")

    async def open_view(kind: str, session_id: str) -> None:
        opened.append((kind, session_id))

    table = SessionTable(cast("Any", manager), describe=session_row, open_view=open_view)
    assert {"log", "terminal"} <= set(table.actions)
    assert answer(comm_of(table), ask(table, "log", one.session_id)) == {"text": "it is below"}
    assert opened == [("log", one.session_id)]
    table.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        "kill",
        {"op": "do"},
        {"op": "do", "action": "kill", "id": "gone"},
        {"op": "fly"},
        {"op": "view", "ids": 7},
        {"op": "view", "view": "v", "ids": [7, None, "gone"]},
        {"op": "open", "id": "gone"},
        {"op": "got", "call": "none"},
        {"op": "do", "action": "terminate_all", "ids": "all"},
    ],
)
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
