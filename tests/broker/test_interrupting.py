"""An interrupt of what we may not signal."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.parts import HandLoop, a_session
from vibesbox_kernel.broker import interrupting
from vibesbox_kernel.broker.foreground import foreground
from vibesbox_kernel.broker.interrupting import Interrupted, Interrupting
from vibesbox_kernel.broker.launch import interrupt_key
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.standing import is_before_its_program, newest_pid, standing
from vibesbox_kernel.broker.system import children
from vibesbox_kernel.broker.tree import Trees

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is known of how a process stands")


@pytest.mark.parametrize(("io", "allowed", "presses"), [("pty", True, 0), ("pty", False, 1), ("pipe", False, 0)])
def test_ctrl_c_is_pressed_where_a_signal_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, io: str, allowed: bool, presses: int
):
    """POSIX: only who has a process's user id may signal it, but its terminal may (sudo)."""
    monkeypatch.setattr(interrupting, "may_be_signalled", lambda pid: allowed)
    pressed: list[Session] = []
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as leader:
        session = a_session(tmp_path, pid=leader.pid)
        session.io = io
        trees = Trees()
        trees.add(session)
        done: list[Interrupted] = []
        Interrupting(HandLoop(), trees, press=pressed.append).begin(session, done.append)
        leader.kill()
    assert [one.reached_count for one in done] == [1]
    assert len(pressed) == presses


def test_what_a_waiting_shell_forks_between_the_look_and_the_signal_is_meant_too(tmp_path: Path):
    """CI: the broker was not given the processor in between; the shell would wait for what it has forked meanwhile."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with subprocess.Popen(["bash", "-c", f"read -r word <{gate}; sleep 600; :"], start_new_session=True) as leader:
        try:
            with gate.open("w") as writer:  # by now it reads
                wanted = foreground(leader.pid)
                before = newest_pid()
                wanted.busy.clear()  # it waits, or will in a moment
                writer.write("go\n")
            deadline = time.monotonic() + 20
            while not children(leader.pid) and time.monotonic() < deadline:
                time.sleep(0.001)
            assert wanted.newcomers(before) == []
            assert wanted.newcomers(newest_pid()) == children(leader.pid) != []
        finally:
            os.killpg(leader.pid, signal.SIGKILL)


def test_a_shell_that_goes_on_while_it_is_looked_at_is_seen_to_have_stirred(tmp_path: Path):
    """CI: it was seen asleep, and then without the child that it had slept for: its next one was nobody's."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with subprocess.Popen(["bash", "-c", f"read -r word <{gate}; sleep 600; :"], start_new_session=True) as leader:
        try:
            with gate.open("w") as writer:
                until(lambda: standing(leader.pid).is_asleep)
                wanted = foreground(leader.pid)
                assert not wanted.has_stirred
                writer.write("go\n")
            until(lambda: bool(children(leader.pid)) and standing(leader.pid).is_asleep)
            assert wanted.has_stirred
            assert not foreground(leader.pid).has_stirred
        finally:
            os.killpg(leader.pid, signal.SIGKILL)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


LATE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = os.fork()
if not child:
    signal.signal(signal.SIGINT, lambda *_: None)  # as a shell's handler, which the exec takes away
    print(os.getpid(), flush=True)
    open(sys.argv[1]).read()
    os.execvp("sleep", ["sleep", "600"])
sys.exit(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def test_what_is_long_on_its_way_to_its_exec_is_asked_when_it_is_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """CI: a child that was not given the processor lost both the signal and its repetition."""
    monkeypatch.setattr(interrupting, "LATE_SECONDS", 60.0)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = [sys.executable, "-c", LATE, str(gate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as leader:
        try:
            assert leader.stdout is not None
            child = int(leader.stdout.readline())
            session = a_session(tmp_path, pid=leader.pid)
            trees, loop = Trees(), HandLoop()
            trees.add(session)
            Interrupting(loop, trees, press=lambda _: None).begin(session, lambda _: None)
            loop.fire()
            loop.fire()
            assert loop.delays  # it is still before its exec
            gate.write_bytes(b"go")
            deadline = time.monotonic() + 20
            while is_before_its_program(child) and time.monotonic() < deadline:
                time.sleep(0.001)
            loop.fire()
            assert loop.delays == []
            assert leader.wait(20) == signal.SIGINT
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader.pid, signal.SIGKILL)


def test_the_key_is_the_terminals_own():
    """POSIX: VINTR."""
    master, terminal = pty.openpty()
    try:
        assert interrupt_key(master) == b"\x03"
        settings = termios.tcgetattr(terminal)
        settings[6][termios.VINTR] = b"\x19"
        termios.tcsetattr(terminal, termios.TCSANOW, settings)
        assert interrupt_key(master) == b"\x19"
    finally:
        os.close(master)
        os.close(terminal)
