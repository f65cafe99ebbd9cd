"""How ends are told in Jupyter's words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from vibesbox_kernel.errors import MagicError, SessionNotFoundError
from vibesbox_kernel.frontends.replies import Failure, facts_of, failure_of_error, failure_of_outcome
from vibesbox_kernel.models import EndReason, ExitStatus


def outcome(**facts: Any) -> Any:
    usual = {"exit_status": None, "end_reason": None, "interrupted": False, "syntax_error": None, "not_started": None}
    return cast("Any", SimpleNamespace(**(usual | facts)))


CODE_0, CODE_1, CODE_130 = (ExitStatus(code=code) for code in (0, 1, 130))
SIGKILL, SIGSEGV = (ExitStatus(signal=number) for number in (9, 11))


@pytest.mark.parametrize(
    "facts",
    [
        {"exit_status": CODE_0, "end_reason": EndReason.EXITED},
        {"exit_status": CODE_0},  # the leader is over, its jobs are not
        {},  # a background session, which has only begun
    ],
)
def test_success_is_no_failure(facts: dict[str, Any]) -> None:
    assert failure_of_outcome(outcome(**facts)) is None


@pytest.mark.parametrize(
    ("facts", "name", "value"),
    [
        ({"exit_status": CODE_1, "end_reason": EndReason.EXITED}, "ExitStatus", "exit status 1"),
        ({"exit_status": CODE_130, "end_reason": EndReason.EXITED}, "ExitStatus", "exit status 130 (SIGINT)"),
        ({"exit_status": SIGSEGV, "end_reason": EndReason.SIGNALLED}, "Signalled", "ended by SIGSEGV"),
        (
            {
                "exit_status": ExitStatus(code=2),
                "end_reason": EndReason.EXITED,
                "syntax_error": "In[1]: line 1, column 2: no\nx )\n ^",
            },
            "SyntaxError",
            "In[1]: line 1, column 2: no; nothing of this cell was run",
        ),
        ({"exit_status": CODE_130, "interrupted": True}, "Interrupted", "interrupted (exit 130)"),
        ({"exit_status": SIGKILL, "end_reason": EndReason.KILLED}, "Killed", "the session was killed (SIGKILL)"),
        ({"exit_status": SIGKILL, "end_reason": EndReason.TERMINATED}, "Killed", "the session was killed (SIGKILL)"),
        (
            {"exit_status": SIGKILL, "end_reason": EndReason.TIMED_OUT},
            "TimedOut",
            "the session's time limit ended it (SIGKILL)",
        ),
    ],
)
def test_a_failure_has_a_name_and_one_line(facts: dict[str, Any], name: str, value: str) -> None:
    assert failure_of_outcome(outcome(**facts)) == Failure(name, value)


def test_a_cell_that_was_never_started_says_why_and_has_no_status() -> None:
    never = {"end_reason": EndReason.CANCELLED, "not_started": "build did not succeed"}
    assert failure_of_outcome(outcome(**never)) == Failure("NotStarted", "not started: build did not succeed")
    interrupted = failure_of_outcome(outcome(**never, interrupted=True))
    assert interrupted == Failure("Interrupted", "interrupted before it was started")


def test_a_lost_session_is_a_failure_without_an_invented_status() -> None:
    failure = failure_of_outcome(outcome(end_reason=EndReason.LOST))
    assert failure is not None
    assert failure.name == "Lost"
    assert (
        facts_of(outcome(end_reason=EndReason.LOST, pid=7, session_id="s", duration=1.0, cpu=None, peak_rss=None))[
            "exit_code"
        ]
        is None
    )


def test_our_errors_keep_their_names_and_others_are_called_bugs() -> None:
    assert failure_of_error(MagicError("no such magic")) == Failure("MagicError", "no such magic")
    assert failure_of_error(SessionNotFoundError("x")).name == "SessionNotFoundError"
    assert "a bug in Vibesbox" in failure_of_error(ZeroDivisionError("division by zero")).value


def test_the_traceback_is_the_message_and_nothing_of_python() -> None:
    content = Failure("MagicError", "first\nsecond").content()
    assert [line.replace("\x1b[31m", "").replace("\x1b[39m", "") for line in content["traceback"]] == [
        "MagicError: first",
        "second",
    ]
