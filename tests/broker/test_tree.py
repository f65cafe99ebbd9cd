"""Whose the broker's children are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker.parts import a_session
from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.tree import Trees

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans are not our children")


def test_who_asks_for_a_child_that_was_reaped_meanwhile_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Ours: a later orphan may have its pid, and is looked at then like any other."""
    trees = Trees()
    session = a_session(tmp_path)
    trees.add(session)
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert trees.owner(gone.pid) is None
    monkeypatch.setattr(system, "orphans", lambda marker, leaders: [gone.pid])
    monkeypatch.setattr(system, "tag_of", lambda pid: session.tag)
    trees.adopt()
    assert trees.roots(session) == [gone.pid]


def test_a_new_child_of_ours_is_looked_at_when_somebody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Ours: an orphan is its session's from the first moment on."""
    trees = Trees()
    session = a_session(tmp_path)
    trees.add(session)
    monkeypatch.setattr(system, "tag_of", lambda pid: session.tag)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert trees.owner(child.pid) is session
        assert trees.roots(session) == [child.pid]
