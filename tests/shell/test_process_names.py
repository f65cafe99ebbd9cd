"""What processes are called in a message."""

from __future__ import annotations

import pytest

from vibesbox_kernel.models import InterruptReport, ProcessInfo
from vibesbox_kernel.shell.process_names import interrupt_in_words, named

SHELL = '/usr/bin/bash --noprofile --norc -c { builtin . "$1/prepare.sh" builtin'


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("sleep 100", "sleep 100"),
        ("/opt/venv/bin/python3 train.py --key secret", "python3 train.py"),
        ("mysql -psecret", "mysql"),
        ("env TOKEN=secret server", "env"),
        ("curl https://me:secret@host/", "curl"),
        (SHELL, "a subshell"),
        ("", "a process"),
    ],
)
def test_a_process_is_named_without_what_may_be_secret(command: str, name: str) -> None:
    """Ours: the message is saved with the notebook, and the shell has put in the values of variables."""
    assert named([ProcessInfo(pid=7, command=command)], leader=1) == f"{name} (pid 7)"


def test_several_are_named_and_very_many_are_counted() -> None:
    some = [ProcessInfo(pid=pid, command=f"sleep {pid}") for pid in range(1, 10)]
    assert named(some[:2], leader=None) == "sleep 1 (pid 1) and sleep 2 (pid 2)"
    assert named(some[:3], leader=None) == "sleep 1 (pid 1), sleep 2 (pid 2) and sleep 3 (pid 3)"
    assert named(some, leader=None).endswith("sleep 6 (pid 6) and 3 more")
    assert named(some[:1], leader=None, count=30) == "sleep 1 (pid 1) and 29 more"


def test_an_interrupt_says_whom_it_has_reached_and_whom_not() -> None:
    shell, program, job = (ProcessInfo(pid=pid, command=command) for pid, command in enumerate((SHELL, "a", "b"), 1))
    report = InterruptReport(reached=(shell, program), reached_count=2, jobs=(job,))
    words = interrupt_in_words(report, leader=1)
    assert words == "interrupted: SIGINT to the shell (pid 1) and a (pid 2); left running in the background: b (pid 3)"
    assert "nobody" in interrupt_in_words(InterruptReport(), leader=1)
