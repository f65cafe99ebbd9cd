"""What the process table says of sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vibesbox_kernel.models import EndReason, SessionInfo, SessionStatus
from vibesbox_kernel.shell.table_text import session_row
from vibesbox_kernel.widgets.rows import Extras, Row, RowBook, select

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def running(number: int, **facts: object) -> SessionInfo:
    return SessionInfo.model_validate(
        {
            "session_id": f"id-{number}",
            "pid": 1000 + number,
            "command": "make",
            "status": SessionStatus.RUNNING,
            "started_at": NOON + timedelta(seconds=number),
            "cwd": "/",
            "owner": "a test",
            **facts,
        }
    )


def ended(number: int, reason: EndReason = EndReason.EXITED, after: float = 1, **facts: object) -> SessionInfo:
    return running(
        number,
        status=reason.status,
        end_reason=reason,
        ended_at=NOON + timedelta(seconds=number + after),
        **({"exit_code": 0} | facts),
    )


def rows_of(*sessions: SessionInfo, **extras: Any) -> list[Row]:
    return RowBook(session_row).rows(sessions, lambda _: Extras(**extras), NOON + timedelta(seconds=60))


def ids(sessions: tuple[SessionInfo, ...]) -> list[str]:
    return [one.session_id for one in sessions]


def test_every_running_session_and_the_last_ended_ones_are_shown_in_the_order_in_which_they_began() -> None:
    sessions = [running(1), ended(2), ended(3, after=100), ended(4), running(5)]
    selection = select(sessions, running_limit=10, ended_limit=2)
    assert ids(selection.shown) == ["id-1", "id-3", "id-4", "id-5"]
    assert selection.notice == "1 ended session is not shown here; %ps -a lists them."


def test_too_many_running_sessions_are_cut_from_the_oldest_and_counted() -> None:
    selection = select([running(n) for n in range(5)], running_limit=3, ended_limit=0)
    assert ids(selection.shown) == ["id-2", "id-3", "id-4"]
    assert selection.notice.startswith("2 running sessions are not shown")


def test_nothing_hidden_needs_no_notice() -> None:
    assert select([running(1), ended(2)], running_limit=1, ended_limit=1).notice == ""
    assert select([], running_limit=1, ended_limit=0).shown == ()


@pytest.mark.parametrize(
    ("info", "state", "word", "exit_text"),
    [
        (running(1), "running", "running", ""),
        (running(1, exit_code=0), "running", "running", "0"),
        (running(1, waiting_for_input=True), "waiting", "waits for input", ""),
        (running(1, restart_at=NOON + timedelta(seconds=64)), "waiting", "restarts in 4 s", ""),
        (running(1, durable=True), "running", "running, durable", ""),
        (running(1, status=SessionStatus.QUEUED, pid=None), "queued", "queued", ""),
        (running(1, status=SessionStatus.QUEUED, durable=True), "queued", "queued, durable", ""),
        (ended(1), "succeeded", "exited", "0"),
        (ended(1, exit_code=3), "failed", "exited", "3"),
        (ended(1, EndReason.SIGNALLED, exit_code=None, signal=11), "failed", "signalled", "SIGSEGV"),
        (ended(1, EndReason.TERMINATED, exit_code=None, signal=2), "ended", "killed", "SIGINT"),
        (ended(1, EndReason.KILLED, exit_code=None, signal=9), "ended", "killed", "SIGKILL"),
        (ended(1, EndReason.TIMED_OUT, exit_code=None, signal=9), "failed", "timed out", "SIGKILL"),
        (ended(1, EndReason.MEMORY_LIMIT, exit_code=None, signal=9), "failed", "memory limit", "SIGKILL"),
        (ended(1, EndReason.CANCELLED, exit_code=None, signal=9), "ended", "cancelled", ""),
        (ended(1, EndReason.LOST, exit_code=None), "ended", "lost", ""),
    ],
)
def test_a_state_has_a_colour_and_a_word(info: SessionInfo, state: str, word: str, exit_text: str) -> None:
    (row,) = rows_of(info)
    assert (row["state"], row["word"], row["exit"]) == (state, word, exit_text)


def test_usage_is_worded_and_an_ended_session_holds_no_memory() -> None:
    live, over = rows_of(running(1, cpu=61.0, rss=1_500_000), ended(2, cpu=0.25, rss=7))
    assert (live["cpu"], live["memory"], live["elapsed"]) == ("1m 01s", "1.5 MB", None)
    assert (over["cpu"], over["memory"], over["elapsed"]) == ("0.2 s", "", "1.0 s")


def test_a_queued_session_has_no_time_yet_and_can_be_ended() -> None:
    (row,) = rows_of(running(1, status=SessionStatus.QUEUED, pid=None))
    assert (row["pid"], row["elapsed"], row["alive"], row["refusal"]) == ("", "", True, "")


def test_what_a_living_program_owns_can_not_be_ended_by_another_and_says_so() -> None:
    theirs, nobodys, over = running(1, owner="Python notebook"), running(2, owned=False), ended(3)
    rows = rows_of(theirs, nobodys, over, ours=False)
    assert [row["refusal"] for row in rows] == ["It belongs to Python notebook, which is alive.", "", ""]
    assert [row["alive"] for row in rows] == [True, True, False]


def test_what_is_known_beside_the_description_is_in_the_row_as_long_as_it_can_be_true() -> None:
    extras: dict[str, Any] = {
        "load": 98,
        "ports": (8000,),
        "foreground": True,
        "line": "compiling",
        "error": "it is left",
    }
    live, over = rows_of(running(1), ended(2), **extras)
    assert (live["load"], live["ports"], live["foreground"], live["error"]) == (98, [8000], True, "it is left")
    assert (over["load"], over["ports"], over["foreground"], over["line"]) == (0, [], False, "compiling")


def test_a_session_of_which_nothing_was_heard_is_not_worded_again() -> None:
    worded = []

    def describe(info: SessionInfo, now: datetime) -> Any:
        worded.append(info.session_id)
        return session_row(info, now)

    book, first, second = RowBook(describe), running(1), running(2)
    before = book.rows([first, second], lambda _: Extras(), NOON)
    again = book.rows([first, second.model_copy(update={"name": "web"})], lambda _: Extras(), NOON)
    assert worded == ["id-1", "id-2", "id-2"]
    assert again[0] is before[0]
    assert (again[1]["name"], again[1]["began"]) == ("web", before[1]["began"])


def test_a_very_long_command_is_cut() -> None:
    (row,) = rows_of(running(1, command="x" * 5000))
    assert len(row["title"]) == 1000
    assert row["title"].endswith("…")


def test_a_row_has_how_far_its_session_has_come() -> None:
    half = {"fraction": 0.50123, "text": "epoch 3", "state": "paused"}
    told, untold = rows_of(running(1, progress=half), running(2))
    assert (told["progress"], told["fraction"], told["progress_state"]) == ("50 % paused: epoch 3", 0.5, "paused")
    assert (untold["progress"], untold["fraction"], untold["progress_state"]) == ("", None, "")
