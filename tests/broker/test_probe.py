"""The probes that the doctor stands on: run for real as the broker would be, and what their figures mean."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vibesbox_kernel.broker import wire
from vibesbox_kernel.broker.cgroup import Cgroups
from vibesbox_kernel.broker.probes import directories, limits, programs
from vibesbox_kernel.broker.probes.finding import Finding, Probe, Promise, size
from vibesbox_kernel.broker.probes.mounts import control_groups, file_system, parse_mounts

BOOTSTRAP = Path(wire.__file__).with_name("bootstrap.py")
ALWAYS = {"start", "tree", "daemons", "mark", "signals", "terminal", "descriptors", "memory", "bash", "python"}
PLACES = {"runtime", "peer", "output", "space"}


def probe(*places: Path, **options: Any) -> dict[str, dict[str, str]]:
    """Run the probes in a process of their own; their findings by id."""
    given = [str(place) for place in places] or ["", ""]
    words = [sys.executable, "-I", "-S", "-X", "utf8", str(BOOTSTRAP), "--probe", *given]
    options = {"env": {"PATH": os.defpath}, **options}
    ran = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True, **options)
    assert ran.stderr == ""
    return {finding["id"]: finding for finding in json.loads(ran.stdout)}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    runtime, state = tmp_path / "r", tmp_path / "s"
    runtime.mkdir(mode=0o700)
    state.mkdir(mode=0o700)
    return runtime, state


def test_every_probe_runs_isolated_and_leaves_nothing_in_the_directories(places):
    """Ours: no process either; that is what every test is watched for."""
    found = probe(*places)
    assert found.keys() >= ALWAYS | PLACES
    assert {one["ok"] for one in found.values()} <= {"yes", "weaker", "no"}
    assert not [one for one in found.values() if "could not be found out" in one["found"]]
    assert [*places[0].iterdir(), *places[1].iterdir()] == []


def test_without_directories_the_rest_is_probed_all_the_same():
    assert probe().keys() >= ALWAYS
    assert not probe().keys() & PLACES


def test_a_promise_that_holds_needs_no_explanation_and_any_other_has_one(places):
    for finding in probe(*places).values():
        assert bool(finding["means"]) == (finding["ok"] != "yes"), finding


def test_the_daemon_of_the_probe_is_adopted_marked_and_ended(places):
    """Linux: prctl(2) PR_SET_CHILD_SUBREAPER, getrlimit(2), pidfd_open(2); all hold wherever these tests run."""
    found = probe(*places)
    assert [found[name]["ok"] for name in ("start", "tree", "daemons", "mark", "signals", "peer")] == ["yes"] * 6


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="its system calls are not known by number")
def test_a_child_that_waits_for_input_is_seen_to(places):
    """Linux: proc_pid_syscall(5) of our own descendants, unless Yama forbids even that."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    forbidden = scope.exists() and int(scope.read_text()) > 1
    assert probe(*places)["input"]["ok"] == ("weaker" if forbidden else "yes")


def test_a_capped_limit_weakens_the_mark_and_nothing_else(places):
    """Linux: under a hard limit the soft one can not be raised to the tag."""

    def cap() -> None:
        resource.setrlimit(15, (1 << 40, 1 << 40))

    found = probe(*places, preexec_fn=cap)
    assert found["mark"]["ok"] == "weaker"
    assert "capped" in found["mark"]["found"]
    assert "ulimit -H -R" in found["mark"]["advice"]
    assert found["daemons"]["ok"] == found["signals"]["ok"] == "yes"


def test_few_descriptors_are_told_as_few_sessions(places):
    def cap() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    found = probe(*places, preexec_fn=cap)["descriptors"]
    assert found["ok"] == "weaker"
    assert "about 32 sessions" in found["found"]


def test_without_bash_cells_can_not_run(places, tmp_path):
    found = probe(*places, env={"PATH": str(tmp_path)})["bash"]
    assert found["ok"] == "no"
    assert "Install bash" in found["advice"]


def test_a_directory_that_is_open_to_others_is_not_private(places):
    places[0].chmod(0o755)
    assert probe(*places)["runtime"]["ok"] == "no"


def test_a_directory_that_is_gone_is_said_for_its_promises_alone(places):
    places[1].rmdir()
    found = probe(*places)
    assert found["output"]["ok"] == "no"
    assert found["space"]["ok"] == "weaker"
    assert found["runtime"]["ok"] == "yes"


def test_a_path_too_long_for_a_socket_says_that_no_session_can_start(tmp_path):
    """POSIX: the path of a unix socket is bounded."""
    long = tmp_path / ("x" * 120)
    long.mkdir(mode=0o700)
    assert probe(long, long)["peer"]["ok"] in ("no", "weaker")


def test_a_probe_that_fails_half_way_says_so_of_what_it_has_not_told():
    told, untold = Promise("told", "Told"), Promise("untold", "Untold")

    def look():
        yield told.yes("seen")
        raise RuntimeError("the ground opened")

    found = list(Probe((told, untold), look).run())
    assert [(one.id, one.ok) for one in found] == [("told", "yes"), ("untold", "weaker")]
    assert "the ground opened" in found[1].found


@pytest.mark.parametrize(
    ("finding", "ok", "said"),
    [
        (limits.descriptors(1 << 30), "yes", "as good as no limit"),
        (limits.descriptors(4096), "yes", "about 2,016 sessions"),
        (limits.descriptors(256), "weaker", "about 96 sessions"),
        (limits.descriptors(10), "weaker", "about 0 sessions"),
        (limits.processes({}), "yes", "no limit"),
        (limits.processes({"ulimit -u": 4000, "pids.max": 100}), "weaker", "at most 100"),
        (directories.output("/x", "tmpfs"), "weaker", "in memory"),
        (directories.output("/x", "nfs4"), "weaker", "on a network"),
        (directories.output("/x", "ext4"), "yes", "/x (ext4)"),
        (directories.output("/x", ""), "yes", "/x"),
        (directories.space(1 << 30), "weaker", "1.1 GB free"),
        (directories.space(1 << 40), "yes", "1.1 TB free"),
        (programs.bash("/bin/bash", "4.3.48(1)-release"), "weaker", "older than 4.4"),
        (programs.bash("/bin/bash", "5.2.15(1)-release"), "yes", "5.2.15 in /bin/bash"),
        (programs.bash("/bin/bash", "10.0.1(1)-release"), "yes", "10.0.1"),
        (programs.bash("/bin/bash", ""), "no", "does not say"),
        (limits.memory(None), "weaker", "no control group is delegated"),
        (limits.memory(Cgroups("/no/such/group")), "weaker", "no such file or directory"),
    ],
)
def test_what_a_figure_means(finding: Finding, ok: str, said: str):
    assert (finding.ok, said in finding.found) == (ok, True)


MOUNTS = parse_mounts(
    """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /dev/shm rw,nosuid - tmpfs tmpfs rw,size=65536k
24 22 0:6 / /home/my\\040disk rw - nfs4 server:/x rw,vers=4.2
25 22 0:7 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
26 22 0:8 /lxc/a /sys/fs/pids rw - cgroup cgroup rw,pids
27 22 0:9 / /dev/shm rw - ramfs none rw
not a mount
"""
)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/x", "ext4"), ("/home/my disk/a", "nfs4"), ("/home/my diskette", "ext4"), ("/dev/shm/a", "ramfs")],
)
def test_the_file_system_of_a_path_is_the_mount_that_lies_nearest_and_on_top(path: str, kind: str):
    """Linux: proc(5), mountinfo; a blank in a path is written as its octal number."""
    assert file_system(path, MOUNTS) == kind
    assert file_system(path, []) == ""


def test_a_delegated_group_keeps_memory_limits_and_nothing_is_left_in_it(tmp_path, monkeypatch):
    """Ours: the group that the probe makes has a limit, and goes again."""
    made: list[str] = []
    groups = Cgroups(str(tmp_path))
    monkeypatch.setattr(groups, "create", lambda name, max_memory_bytes: made.append(name))
    monkeypatch.setattr(groups, "remove", made.remove)
    assert limits.memory(groups).ok == "yes"
    assert made == []


@pytest.mark.parametrize(
    ("controller", "memberships", "wanted"),
    [
        ("", "0::/user/1", ["/sys/fs/cgroup/user/1", "/sys/fs/cgroup/user", "/sys/fs/cgroup"]),
        ("", "0::/", ["/sys/fs/cgroup"]),
        ("", "0::/../outside\n", []),
        ("", "", []),
        ("pids", "8:cpu,pids:/lxc/a/b\n0::/", ["/sys/fs/pids/b", "/sys/fs/pids"]),
        ("pids", "8:pids:/elsewhere", []),
        ("pids", "0::/", []),
    ],
)
def test_our_control_group_and_those_above_it(controller: str, memberships: str, wanted: list[str]):
    """Linux: cgroups(7), version 1 and 2."""
    assert control_groups(controller, MOUNTS, memberships) == wanted


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (64 << 20, "67 MB")])
def test_sizes_are_in_three_digits(count: int, said: str):
    assert size(count) == said
