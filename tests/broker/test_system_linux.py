"""The seam for Linux: facts that its callers lean on, asked of real processes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator

import pytest

from vibesbox_kernel.broker import system_linux
from vibesbox_kernel.broker.system_linux import RLIMIT_RTTIME, TAG_BASE

TAG = TAG_BASE | 12345


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until its standard input is closed."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as process:
        yield process


def test_what_is_below_us_is_left_to_us(child: subprocess.Popen[bytes]):
    """Linux: orphans fall to the subreaper, so its children and what is below them is all there is."""
    here = os.getpid()
    assert child.pid in system_linux.orphans("ANY", ())
    assert child.pid in system_linux.remains("ANY", {})
    assert system_linux.is_left(child.pid, "ANY", {})
    assert not system_linux.is_left(here, "ANY", {})
    assert not system_linux.is_left(1, "ANY", {})


def test_the_posix_session_of_a_process_is_that_of_getsid(child: subprocess.Popen[bytes]):
    """Linux: proc_pid_stat(5), session."""
    assert system_linux.posix_session(child.pid) == os.getsid(child.pid) == child.pid
    assert system_linux.posix_session(os.getpid()) == os.getsid(0)


def test_a_child_started_under_a_tag_has_it_and_we_do_not():
    """Linux: limits are inherited, and ours is put back."""
    before = resource.getrlimit(RLIMIT_RTTIME)
    if before[1] != resource.RLIM_INFINITY:
        pytest.skip("a hard limit of RLIMIT_RTTIME leaves no room for a tag")
    with system_linux.inherited_limits(TAG, 256):
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    with process:
        assert resource.getrlimit(RLIMIT_RTTIME) == before
        assert system_linux.tag_of(process.pid) == TAG


def test_a_childs_limit_of_descriptors_is_set_on_it(child: subprocess.Popen[bytes]):
    """Linux: prlimit(2)."""
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    system_linux.limit_descriptors(child.pid, 200)
    assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (200, ours[1])
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == ours


def test_a_limit_for_a_child_that_is_gone_is_no_error():
    """Ours: it may have ended at once."""
    process = subprocess.Popen(["true"])
    process.wait(10)
    system_linux.limit_descriptors(process.pid, 200)


def test_open_descriptors_are_listed():
    """Linux: /proc/self/fd."""
    read_end, write_end = os.pipe()
    try:
        assert {0, 1, 2, read_end, write_end} <= set(system_linux.open_descriptors())
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_pipe_holds_what_is_said():
    """Linux: F_GETPIPE_SZ."""
    read_end, write_end = os.pipe()
    try:
        os.set_blocking(write_end, False)
        assert os.write(write_end, bytes(1 << 20)) == system_linux.pipe_bytes(read_end)
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_signal_goes_to_who_belongs_alone(child: subprocess.Popen[bytes]):
    """Ours: checked while the pid is pinned."""
    assert not system_linux.signal_pinned(child.pid, signal.SIGKILL, belongs=lambda pid: False)
    assert system_linux.is_alive(child.pid)
    assert system_linux.signal_pinned(child.pid, signal.SIGKILL, belongs=lambda pid: True)
    assert child.wait(10) == -signal.SIGKILL
    assert not system_linux.signal_pinned(child.pid, signal.SIGKILL, belongs=lambda pid: True)


def test_a_limit_of_a_process_that_runs_can_be_read_and_set(child: subprocess.Popen[bytes]):
    """Linux: prlimit(2)."""
    _, hard = system_linux.limit_running(child.pid, resource.RLIMIT_CPU)
    system_linux.limit_running(child.pid, resource.RLIMIT_CPU, (1000, hard))
    assert system_linux.limit_running(child.pid, resource.RLIMIT_CPU) == (1000, hard)


def test_a_process_is_leaving_once_its_descriptors_close_and_not_before():
    """Linux: end of file on its sockets comes before it is a zombie; whoever hears of it must take it for dead."""
    read_end, write_end = os.pipe()
    child = subprocess.Popen(["/bin/sleep", "600"], pass_fds=[write_end])
    os.close(write_end)
    try:
        assert not system_linux.is_leaving(child.pid)
        assert not system_linux.is_leaving(os.getpid())
        child.kill()
        assert os.read(read_end, 1) == b""
        assert system_linux.is_leaving(child.pid)
    finally:
        os.close(read_end)
        child.kill()
        child.wait()
    assert system_linux.is_leaving(child.pid)
