"""An interrupt of what we may not signal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.broker.parts import HandLoop, a_session
from vibesbox_kernel.broker import interrupting
from vibesbox_kernel.broker.foreground import foreground
from vibesbox_kernel.broker.interrupting import Interrupted, Interrupting
from vibesbox_kernel.broker.launch import interrupt_key
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.standing import newest_pid
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
