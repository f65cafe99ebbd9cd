"""Leaders with a priority, a limit of CPU seconds or a cgroup: in force before their first instruction."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from vibesbox_kernel.broker.forked import limit_held
from vibesbox_kernel.broker.launch import Launch, Launched, LaunchFailedError, launch

TAG = (1 << 62) + 7
SHELL = "/bin/bash"  # other shells know no descriptor above 9


def order(script: str, **options: Any) -> Launch:
    return Launch(argv=[SHELL, "-c", script], env={"PATH": os.environ["PATH"]}, cwd="/", **options)


def output_of(launched: Launched) -> tuple[str, int]:
    """All that a leader says until it ends, and its exit code."""
    os.set_blocking(launched.output, True)
    said = b""
    with contextlib.suppress(OSError):  # EIO: a terminal that no process has open any more
        while data := os.read(launched.output, 4096):
            said += data
    status = os.waitpid(launched.pid, 0)[1]
    for descriptor in {launched.output, launched.input, launched.control} - {-1}:
        os.close(descriptor)
    return said.decode(), os.waitstatus_to_exitcode(status)


def run(script: str, **options: Any) -> str:
    return output_of(launch(order(script, **options), tag=TAG))[0]


def test_priority_and_cpu_limit_are_in_force_at_once_and_the_broker_keeps_its_own():
    """POSIX: nice and RLIMIT_CPU go through exec; who has lowered his own can not raise it again."""
    ours = os.getpriority(os.PRIO_PROCESS, 0), resource.getrlimit(resource.RLIMIT_CPU), os.getcwd()
    said = run("ulimit -S -t; ulimit -H -t; nice", nice=5, cpu_seconds=30).split()
    assert said == ["30", "35", str(min(19, ours[0] + 5))]
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours[0]
    assert resource.getrlimit(resource.RLIMIT_CPU) == ours[1]


def test_a_process_beyond_its_cpu_seconds_gets_sigxcpu():
    """POSIX: RLIMIT_CPU counts the CPU seconds of each process."""
    launched = launch(order("while :; do :; done", cpu_seconds=1), tag=TAG)
    assert output_of(launched) == ("", -signal.SIGXCPU)


SELF_PORTRAIT = (
    "import os, signal, resource, sys\n"
    "fds = [n for n in sorted(map(int, os.listdir('/proc/self/fd'))) if os.path.exists(f'/proc/self/fd/{n}')]\n"
    "st = dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)\n"
    "print(fds, [os.readlink(f'/proc/self/fd/{n}').split(':')[0].rstrip('0123456789') for n in fds],\n"
    " os.getsid(0) == os.getpid() == os.getpgid(0), st['SigBlk'], st['Umask'], os.isatty(0),\n"
    " os.tcgetpgrp(0) == os.getpid() if os.isatty(0) else None,\n"
    " resource.getrlimit(15)[0], resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.getcwd(), sorted(os.environ))\n"
)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "options",
    [{}, {"feed": True}, {"control": True}, {"io": "pty", "control": True}],
    ids=["pipe", "fed", "held", "pty"],
)
def test_a_forked_leader_looks_like_a_spawned_one(options: dict[str, Any], tmp_path: Path):
    """Ours: the two ways differ in nothing else: descriptors, session, terminal, mask, umask, tag, directory."""
    portrait = tmp_path / "portrait.py"
    portrait.write_text(SELF_PORTRAIT)
    own = {signal.SIGUSR1: signal.SIG_IGN, signal.SIGINT: signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    try:
        said = []
        for extra in ({}, {"cpu_seconds": 1000}):
            argv = [sys.executable, "-I", "-S", str(portrait)]
            every: dict[str, Any] = {**options, **extra}
            one = Launch(argv=argv, env={"A": "1"}, cwd=str(tmp_path), umask=0o27, **every)
            said.append(output_of(launch(one, tag=TAG)))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert said[0] == said[1]
    assert said[0][1] == 0, said[0][0]
    assert "True" in said[0][0]


def test_signals_are_at_their_defaults_in_a_forked_leader():
    """POSIX: what is ignored stays ignored through exec; Python itself ignores SIGPIPE."""
    assert run("kill -PIPE $$; echo survived", nice=1) == ""


@pytest.mark.parametrize("limits", [{}, {"nice": 1}], ids=["spawned", "forked"])
@pytest.mark.parametrize(
    ("program", "kind", "number"),
    [("/nowhere/sh", "shell", errno.ENOENT), ("/etc/passwd", "shell", errno.EACCES), ("/", "shell", errno.EACCES)],
)
def test_a_program_that_can_not_be_run_is_named_whichever_way_it_is_started(
    limits: dict[str, Any], program: str, kind: str, number: int
):
    """Ours: the error is as precise; nothing is left of the child."""
    with pytest.raises(LaunchFailedError) as caught:
        launch(Launch(argv=[program], env={}, cwd="/", **limits), tag=TAG)
    assert (caught.value.kind, caught.value.path, caught.value.number) == (kind, program, number)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_file_that_is_no_program_is_named(tmp_path: Path):
    """POSIX: exec without a shebang fails with ENOEXEC."""
    script = tmp_path / "script"
    script.write_text("echo hello\n")
    script.chmod(0o755)
    with pytest.raises(LaunchFailedError) as caught:
        launch(Launch(argv=[str(script)], env={}, cwd="/", nice=1), tag=TAG)
    assert (caught.value.kind, caught.value.number) == ("shell", errno.ENOEXEC)


def test_a_leader_enters_its_cgroup_before_its_program_runs(tmp_path: Path):
    """Linux: writing a pid to cgroup.procs moves the process; here the file is a plain one."""
    (tmp_path / "cgroup.procs").touch()
    launched = launch(order(f"cat {tmp_path}/cgroup.procs", cgroup=str(tmp_path)), tag=TAG)
    assert output_of(launched)[0] == str(launched.pid)


def test_a_cgroup_that_can_not_be_entered_is_named():
    """Ours: who asked for it may start without."""
    with pytest.raises(LaunchFailedError) as caught:
        launch(order("true", cgroup="/nowhere"), tag=TAG)
    assert (caught.value.kind, caught.value.path, caught.value.number) == ("system", "/nowhere", errno.ENOENT)


def test_the_control_descriptors_number_may_be_taken_when_a_leader_is_forked():
    """Ours: the pipe that tells of a failure moves away from the child's descriptor 250."""
    spare = [os.dup(0) for _ in range(300)]
    try:
        for free in (249, 250, 251):  # so that the next descriptors, the pipe's among them, are around it
            for descriptor in [one for one in spare if one >= free - 6]:
                os.close(descriptor)
                spare.remove(descriptor)
            launched = launch(order("read line <&250; echo got $line", control=True, nice=1), tag=TAG)
            os.write(launched.control, b"word\n")
            assert output_of(launched)[0] == "got word\n"
    finally:
        for descriptor in spare:
            os.close(descriptor)


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit(2) is Linux's")
def test_a_held_leader_is_limited_before_it_goes_on():
    """Linux: prlimit and setpriority reach a process that waits."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    launched = launch(order("read line <&250; ulimit -t; nice", control=True), tag=TAG)
    limit_held(launched.pid, nice=3, cpu_seconds=20)
    os.write(launched.control, b"\n")
    assert output_of(launched)[0].split() == ["20", str(min(19, ours + 3))]
