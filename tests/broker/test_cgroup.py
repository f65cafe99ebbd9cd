"""Sessions' cgroups, in a directory tree that looks like a delegated one."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from vibesbox_kernel.broker import cgroup
from vibesbox_kernel.broker.cgroup import Cgroups

POINT = "sys/fs/cgroup"


def a_machine(root: Path, *, ours: str, top: str = "/", groups: dict[str, str], handed_down: str = "memory") -> Path:
    """A root with our place in /proc and cgroups with their controllers; returns where they are mounted."""
    proc = root / "proc/self"
    proc.mkdir(parents=True)
    (proc / "cgroup").write_text(f"4:memory:/old\n0::{ours}\n")
    (proc / "mountinfo").write_text(
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        f"41 31 0:38 {top} /{POINT} rw,nosuid shared:9 - cgroup2 none rw\n"
    )
    for name, controllers in groups.items():
        group = root / POINT / name.strip("/")
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").touch()
        (group / "cgroup.controllers").write_text(controllers)
        (group / "cgroup.subtree_control").write_text(handed_down)
    return root / POINT


@pytest.fixture(autouse=True)
def rmdir(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cgroup's files do not stand in the way of its removal; its processes do."""

    def remove(path: str) -> None:
        members = Path(path, "cgroup.procs")
        if members.exists() and members.read_text():
            raise OSError(16, "busy")
        shutil.rmtree(path)

    monkeypatch.setattr(cgroup, "_remove", remove)


def test_our_own_delegated_cgroup_is_found(tmp_path: Path):
    """Linux: the line of the second version in /proc/self/cgroup, below the mount of its hierarchy."""
    point = a_machine(tmp_path, ours="/user/app", groups={"/user": "cpu", "/user/app": "cpu memory pids"})
    found = Cgroups.find(str(tmp_path))
    assert found is not None
    assert found.directory == f"{point}/user/app"


def test_the_cgroup_above_is_taken_where_ours_can_not_hand_down(tmp_path: Path):
    """Linux: a cgroup with processes of its own hands nothing down; its parent may be the user's too."""
    point = a_machine(tmp_path, ours="/user/app", groups={"/user": "cpu memory", "/user/app": "cpu"})
    found = Cgroups.find(str(tmp_path))
    assert found is not None
    assert found.directory == f"{point}/user"


def test_a_mounted_part_of_the_hierarchy_is_understood(tmp_path: Path):
    """Linux: in a container the mount shows a part only, and the path is of the whole."""
    point = a_machine(tmp_path, ours="/docker/abc/app", top="/docker/abc", groups={"/": "", "/app": "memory"})
    found = Cgroups.find(str(tmp_path))
    assert found is not None
    assert found.directory == f"{point}/app"


@pytest.mark.parametrize(
    ("ours", "controllers", "handed_down"),
    [("/app", "cpu pids", "memory"), ("/../elsewhere", "memory", "memory"), ("/app", "memory", "cpu")],
    ids=["no memory controller", "outside of the namespace", "nothing handed down"],
)
def test_where_none_is_delegated_none_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: str, controllers: str, handed_down: str
):
    """Ours: everything works without."""
    groups = {"/": controllers, "/app": controllers}
    a_machine(tmp_path, ours=ours, groups=groups, handed_down=handed_down)

    def busy(path: str, text: str) -> None:
        raise OSError(16, "busy")

    monkeypatch.setattr(cgroup, "_write", busy)
    assert Cgroups.find(str(tmp_path)) is None


def test_a_machine_without_cgroups_has_none(tmp_path: Path):
    """Ours: a missing file is no error."""
    assert Cgroups.find(str(tmp_path)) is None


def test_a_cgroup_that_we_may_not_write_to_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Linux: delegation is permission to write, which a test as root has everywhere."""
    a_machine(tmp_path, ours="/app", groups={"/": "memory", "/app": "memory"})
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert Cgroups.find(str(tmp_path)) is None


def test_a_session_has_a_cgroup_with_its_limit_until_it_is_over(tmp_path: Path):
    """Ours: memory.max, all or nothing when the kernel kills, and no trace after."""
    cgroups = Cgroups(str(tmp_path))
    directory = Path(cgroups.create("abc", max_memory_bytes=1 << 30))
    assert directory.name == "vibesbox-abc"
    assert (directory / "memory.max").read_text() == str(1 << 30)
    assert (directory / "memory.oom.group").read_text() == "1"
    cgroups.remove("abc")
    assert not directory.exists()
    cgroups.remove("never there")


def test_a_cgroup_that_is_still_busy_is_removed_later(tmp_path: Path):
    """Linux: a cgroup can be removed once its last process is gone for good."""
    cgroups = Cgroups(str(tmp_path))
    directory = Path(cgroups.create("one", max_memory_bytes=1))
    (directory / "cgroup.procs").write_text("7\n")
    cgroups.remove("one")
    assert directory.exists()
    (directory / "cgroup.procs").write_text("")
    cgroups.remove("two")
    assert not directory.exists()


def test_a_hit_is_seen_in_the_events(tmp_path: Path):
    """Linux: oom_kill counts processes that were killed for this cgroup's limit."""
    cgroups = Cgroups(str(tmp_path))
    events = Path(cgroups.create("abc", max_memory_bytes=1)) / "memory.events"
    assert not cgroups.was_hit("abc")
    events.write_text("low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\n")
    assert not cgroups.was_hit("abc")
    events.write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\n")
    assert cgroups.was_hit("abc")


def test_a_cgroup_that_can_not_be_limited_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Ours: without the limit it would be of no use."""

    def refused(path: str, text: str) -> None:
        raise PermissionError(13, "refused")

    monkeypatch.setattr(cgroup, "_write", refused)
    with pytest.raises(PermissionError):
        Cgroups(str(tmp_path)).create("abc", max_memory_bytes=1)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_broker_left_is_removed_but_nothing_new_and_nothing_else(tmp_path: Path):
    """Ours: only what bears our name, is empty, and is no other broker's that is about to fill it."""
    point = a_machine(tmp_path, ours="/", groups={"/": "memory"})
    for name in ("vibesbox-old", "vibesbox-new", "vibesbox-busy", "other"):
        (point / name).mkdir()
    (point / "vibesbox-busy/cgroup.procs").write_text("7\n")
    future = os.stat(point / "vibesbox-new").st_ctime + 3600
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: future)
        (point / "other/file").touch()
        Cgroups.find(str(tmp_path))
    assert sorted(one.name for one in point.iterdir() if one.is_dir()) == ["other", "vibesbox-busy"]
    (point / "vibesbox-new").mkdir()
    Cgroups.find(str(tmp_path))
    assert (point / "vibesbox-new").exists()
