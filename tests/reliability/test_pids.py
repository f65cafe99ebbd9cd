"""Test 25: a pid that is used again belongs to somebody else: he is never signalled, and histories are not mixed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_UNSHARE = [
    "unshare",
    *([] if os.getuid() == 0 else ["--map-root-user"]),
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
]
_PROBE = "echo 300 >/proc/sys/kernel/ns_last_pid && sh -c 'echo $$'"


def _can_choose_pids() -> bool:
    if shutil.which("unshare") is None:
        return False
    found = subprocess.run([*_UNSHARE, "sh", "-c", _PROBE], capture_output=True, text=True, check=False)
    return found.stdout.strip() == "301"


@pytest.fixture(scope="module")
def inside() -> dict[str, bool]:
    """What came out in a pid namespace of our own, where the next pid can be chosen; see ``reused_pids``."""
    if not _can_choose_pids():
        pytest.skip("the next pid can not be chosen here: no pid namespace of our own, or no ns_last_pid in it")
    command = [*_UNSHARE, sys.executable, "-m", "tests.reliability.reused_pids"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, timeout=100, check=False)
    assert found.returncode == 0, found.stderr
    facts: dict[str, bool] = json.loads(found.stdout)
    return facts


@pytest.mark.parametrize(
    "fact",
    [
        "the pid was used again",
        "the stranger outlived every verb",
        "the stranger's session outlived the end of the older",
        "each history is its own",
        "the pid means the newer",
        "an orphan's pid in a stranger's hands is spared",
    ],
)
def test_a_reused_pid_is_a_stranger(inside, fact):
    assert inside[fact]


def test_strangers_signalled(inside, figure):
    """Ours: only what descends from a leader, or carries its tag, is signalled."""
    verbs = ("the stranger outlived every verb", "an orphan's pid in a stranger's hands is spared")
    figure(
        25, "strangers with a reused pid that were signalled", sum(not inside[verb] for verb in verbs), "", target="0"
    )
