"""Test 29: the hardest again inside a box such as a hub gives its users: uid 1000, no capability, no new ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_BOX = [
    "bwrap",
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--uid",
    "1000",
    "--gid",
    "1000",
    "--cap-drop",
    "ALL",
]
_PLACES = ["--dev-bind", "/", "/", "--proc", "/proc", "--tmpfs", "/dev/shm", "--die-with-parent"]
TESTS = {
    3: "test_owners.py::test_nothing_outlives_whoever_dies",
    6: "test_trees.py::test_no_way_of_leaving_a_session_is_far_enough",
    10: "test_trees.py::test_what_stands_still_is_seen_and_killed",
    23: "test_durable.py::test_output_and_status_outlive_an_owner_killed_at_any_moment",
}


@pytest.fixture(scope="module", autouse=True)
def _box():
    works = [*_BOX, *_PLACES, "true"]
    if shutil.which("bwrap") is None or subprocess.run(works, capture_output=True, check=False).returncode != 0:
        pytest.skip("there is no bubblewrap here, or it may not make a user namespace")


@pytest.mark.skipif("RELIABILITY_BOX" in os.environ, reason="this is the box")
@pytest.mark.parametrize("number", TESTS)
def test_it_passes_in_the_box_as_it_does_outside(number, figure):
    """Ours: nothing of the promises needs a privilege."""
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not soak"]
    inside = [*_BOX, *_PLACES, "--setenv", "RELIABILITY_BOX", "1", "--chdir", str(_ROOT)]
    found = subprocess.run(
        [*inside, *pytest_, f"tests/reliability/{TESTS[number]}"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-5000:] + found.stderr[-2000:]
    assert "passed" in found.stdout
    assert "skipped" not in found.stdout
    figure(29, f"test {number} inside the box: failures", 0, "", target="0", scale="uid 1000, no capabilities")
