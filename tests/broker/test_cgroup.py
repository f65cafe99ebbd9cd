"""Sessions' cgroups, in a directory tree that looks like a delegated one."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.broker.parts import HandLoop, a_session
from vibesbox_kernel.broker import cgroup
from vibesbox_kernel.broker.budget import Budget
from vibesbox_kernel.broker.cgroup import Cgroups
from vibesbox_kernel.broker.policy import Policy
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.tree import Trees
from vibesbox_kernel.broker.upkeep import Upkeep

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


def delegated(directory: Path) -> Cgroups:
    """A cgroup that hands the control of memory down already."""
    (directory / "cgroup.subtree_control").write_text("memory\n")
    return Cgroups(str(directory))


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
def test_where_none_is_delegated_none_is_found(tmp_path: Path, ours: str, controllers: str, handed_down: str):
    """Ours: everything works without."""
    groups = {"/": controllers, "/app": controllers}
    point = a_machine(tmp_path, ours=ours, groups=groups, handed_down=handed_down)
    for group in (point, point / "app"):
        (group / "cgroup.procs").write_text("7\n")
        (group / "cgroup.type").write_text("domain\n")
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
    cgroups = delegated(tmp_path)
    directory = Path(cgroups.create("abc", max_memory_bytes=1 << 30))
    assert directory.name == "vibesbox-abc"
    assert (directory / "memory.max").read_text() == str(1 << 30)
    assert (directory / "memory.oom.group").read_text() == "1"
    cgroups.remove("abc")
    assert not directory.exists()
    cgroups.remove("never there")


def test_a_cgroup_that_is_still_busy_is_removed_later(tmp_path: Path):
    """Linux: a cgroup can be removed once its last process is gone for good."""
    cgroups = delegated(tmp_path)
    directory = Path(cgroups.create("one", max_memory_bytes=1))
    (directory / "cgroup.procs").write_text("7\n")
    cgroups.remove("one")
    assert directory.exists()
    (directory / "cgroup.procs").write_text("")
    cgroups.remove("two")
    assert not directory.exists()


def test_a_hit_is_seen_in_the_events(tmp_path: Path):
    """Linux: oom_kill counts processes that were killed for this cgroup's limit."""
    cgroups = delegated(tmp_path)
    events = Path(cgroups.create("abc", max_memory_bytes=1)) / "memory.events"
    assert not cgroups.was_hit("abc")
    events.write_text("low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\n")
    assert not cgroups.was_hit("abc")
    events.write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\n")
    assert cgroups.was_hit("abc")


def test_nothing_is_written_before_a_session_asks_for_a_limit(tmp_path: Path):
    """Ours: what a cgroup hands down changes for everybody in it, so nobody does that unasked."""
    point = a_machine(tmp_path, ours="/", groups={"/": "cpu memory"}, handed_down="")
    found = Cgroups.find(str(tmp_path))
    assert found is not None
    assert (point / "cgroup.subtree_control").read_text() == ""
    found.create("abc", max_memory_bytes=1)
    assert (point / "cgroup.subtree_control").read_text() == "+memory"


def test_the_first_session_settles_on_a_cgroup_that_can_hand_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Linux: only the attempt tells. Where none can, a session is refused a cgroup and no other is asked again."""
    written: list[str] = []
    write = cgroup._write

    def busy(path: str, text: str) -> None:
        written.append(path)
        if path in (f"{tmp_path}/own/cgroup.subtree_control", f"{tmp_path}/none/cgroup.subtree_control"):
            raise OSError(16, "busy")
        write(path, text)

    monkeypatch.setattr(cgroup, "_write", busy)
    for name in ("own", "above", "none"):
        (tmp_path / name).mkdir()
    cgroups = Cgroups(f"{tmp_path}/own", f"{tmp_path}/above")
    assert cgroups.create("abc", max_memory_bytes=1) == f"{tmp_path}/above/vibesbox-abc"
    nowhere = Cgroups(f"{tmp_path}/none")
    for _ in range(2):
        with pytest.raises(OSError, match=r"busy|hands the control"):
            nowhere.create("def", max_memory_bytes=1)
    assert written.count(f"{tmp_path}/none/cgroup.subtree_control") == 1


def limited(cgroups: Cgroups, directory: Path) -> tuple[Upkeep, Session, Path]:
    """A session with a memory limit in a cgroup of its own, and who looks after it."""
    upkeep = Upkeep(
        HandLoop(),
        Trees(),
        budget=Budget(str(directory), str(directory)),
        cgroups=cgroups,
        on_exceeded=lambda session, reason: None,
        on_changed=lambda session: None,
    )
    upkeep._sampler.close()
    session = a_session(directory, policy=Policy(max_memory_bytes=1, max_restarts=1))
    session.end_reason = "exited"
    return upkeep, session, Path(cgroups.create(session.session_id, max_memory_bytes=1))


def test_a_session_that_is_started_again_has_a_new_cgroup(tmp_path: Path):
    """Ours: the next run is limited like the first, and what the kernel killed in that says nothing of it."""
    cgroups = delegated(tmp_path)
    upkeep, session, directory = limited(cgroups, tmp_path)
    (directory / "memory.events").write_text("oom_kill 1\n")
    upkeep.pause(session)
    assert not directory.exists()
    assert Path(cgroups.create(session.session_id, max_memory_bytes=1)) == directory
    upkeep.over(session)
    assert session.end_reason == "exited"


@pytest.mark.parametrize(("kills", "reason"), [(2, "exited"), (3, "memory limit")])
def test_a_cgroup_that_is_still_busy_at_a_restart_is_taken_again(tmp_path: Path, kills: int, reason: str):
    """Linux: the last process of the first run may not be gone for good; its count of kills stays."""
    cgroups = delegated(tmp_path)
    upkeep, session, directory = limited(cgroups, tmp_path)
    (directory / "memory.events").write_text("oom_kill 1\noom_group_kill 1\n")
    (directory / "cgroup.procs").write_text("7\n")
    upkeep.pause(session)
    assert Path(cgroups.create(session.session_id, max_memory_bytes=5)) == directory
    assert (directory / "memory.max").read_text() == "5"
    (directory / "cgroup.procs").write_text("")
    cgroups.remove("another")
    assert directory.exists()
    (directory / "memory.events").write_text(f"oom_kill {kills - 1}\noom_group_kill 1\n")
    upkeep.over(session)
    assert session.end_reason == reason
    assert not directory.exists()


def test_a_cgroup_that_can_not_be_limited_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Ours: without the limit it would be of no use."""

    def refused(path: str, text: str) -> None:
        raise PermissionError(13, "refused")

    monkeypatch.setattr(cgroup, "_write", refused)
    cgroups = delegated(tmp_path)
    with pytest.raises(PermissionError):
        cgroups.create("abc", max_memory_bytes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["cgroup.subtree_control"]


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
