"""The words for a session's end that somebody wants to be told of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.shell.fake_manager import BEGIN, FakeManager
from vibesbox_kernel.models import EndReason, SessionInfo
from vibesbox_kernel.shell.endings_told import ending_words


def ended(reason: EndReason, **facts: Any) -> SessionInfo:
    over = {"ended_at": BEGIN + timedelta(hours=2, minutes=7), "duration": 7620.0}
    return FakeManager().add("make", status=reason.status, end_reason=reason, **{**over, "pid": 42, **facts}).info


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (ended(EndReason.EXITED, name="train", exit_code=0), "train: exit 0 after 2h 07m"),
        (ended(EndReason.EXITED, name=None, exit_code=3), "pid 42: exit 3 after 2h 07m"),
        (ended(EndReason.SIGNALLED, name="a\x1b]b", signal=11), "a?]b: signalled (SIGSEGV) after 2h 07m"),
        (ended(EndReason.KILLED, name="train", signal=9), "train: killed (SIGKILL) after 2h 07m"),
        (ended(EndReason.LOST, name="train"), "train: lost after 2h 07m"),
        (
            ended(EndReason.CANCELLED, name="late", pid=None, problem="prepare has failed"),
            "late: cancelled before it could start: prepare has failed",
        ),
    ],
)
def test_an_end_is_told_in_a_few_words(info: SessionInfo, words: str) -> None:
    assert ending_words(info) == words
