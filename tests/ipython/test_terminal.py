"""The extension in a real IPython terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect  # type: ignore[import-untyped]  # comes with IPython
import pytest

from tests.ipython.terminal import COLUMNS, SECONDS, Terminal
from tests.kernel.driver import START_SECONDS, wait_gone
from tests.lifeline import BlockingLifeline


def test_a_session_shows_its_output_as_it_comes(terminal, gate):
    """Ours: live, not at the end."""
    terminal.child.sendline(f"%session echo early; read line <{gate}; echo done")
    terminal.child.expect("early\r\n")
    gate.open()
    assert terminal.result().strip() == "done"


def test_tables_are_as_wide_as_the_terminal(terminal):
    """Ours: no line wraps."""
    terminal.run(f"%session --name wide true {'long ' * 40}")
    for magic in ("%ps", "%ps -w"):
        table = terminal.run(magic)
        assert "wide" in table
        assert "…" in table
        assert max(map(len, table.splitlines())) <= COLUMNS


def test_ctrl_c_interrupts_the_session_and_the_prompt_is_back(terminal):
    """Ours: nothing else is interrupted, a background session least of all."""
    terminal.run("%session --bg --name other sleep 600")
    # The program itself says that it runs: a signal between two commands of bash is lost on the second.
    terminal.child.sendline("%session sh -c 'echo begun; exec sleep 600'")
    terminal.child.expect("begun\r\n")
    terminal.child.sendintr()
    assert "interrupted" in terminal.result()
    assert "running" in terminal.run("%ps")


def test_a_session_that_does_not_heed_ctrl_c_is_ended_by_the_next(terminal):
    """Ours: what to do is said, and what is done."""
    terminal.child.sendline("%session sh -c 'trap : INT; echo begun; while :; do sleep 0.1; done'")
    terminal.child.expect("begun\r\n")
    terminal.child.sendintr()
    terminal.child.expect("interrupt again to end it by force")
    terminal.child.sendintr()
    said = terminal.result()
    assert "interrupted again: SIGTERM" in said
    assert "KeyboardInterrupt: pid" in said.replace("\n", " ")


def test_ctrl_c_ends_the_following_and_not_the_session(terminal):
    """Ours: to stop looking is not to stop the session."""
    terminal.run("%session --bg --name job echo begun; sleep 600")
    terminal.child.sendline("%tail -f job")
    terminal.child.expect("begun\r\n")
    terminal.child.sendintr()
    assert "the session goes on" in terminal.result()
    assert "running" in terminal.run("%ps")


def test_without_widgets_a_log_is_its_last_lines_and_says_so(terminal):
    terminal.run("%session --bg --name job seq 30")
    terminal.run("%wait job")
    said = terminal.run("%tail -w -n 2 job")
    assert "there are no widgets here" in said
    assert said.split()[-2:] == ["29", "30"]


def test_where_there_are_no_widgets_a_terminal_is_followed_instead(terminal):
    """Ours: and it is said."""
    terminal.run("%session --bg --name job echo all there is")
    said = terminal.run("%fg -w job")
    assert "there are no widgets here" in said
    assert "all there is" in said


def test_output_of_a_background_session_does_not_come_between_what_is_typed(terminal):
    """Ours: %tail has it."""
    terminal.run("%session --bg --name quiet read line; echo late")
    terminal.run("%send quiet go")
    assert "late" not in terminal.run("%wait quiet")
    assert "late" in terminal.run("%tail quiet")


def test_a_session_ends_and_is_reaped_while_python_blocks_the_terminal(terminal, gate, second_gate):
    """Ours: no zombie, whatever the main thread does."""
    terminal.run(f"b = %session --bg read line <{gate}; exit 5")
    pid = int(terminal.run("print(b.pid)"))
    terminal.child.sendline(f"print('be' + 'gun'); _ = open('{second_gate}').readline()")
    terminal.child.expect("begun\r\n")
    gate.open()
    wait_gone(pid)
    deadline = time.monotonic() + SECONDS
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "it is a zombie"
        os.sched_yield()
    second_gate.open()
    terminal.result()
    assert terminal.run("print(b.exit_status)").strip() == "exit 5"


@pytest.mark.parametrize("way", ["exit", "SIGHUP", "SIGKILL"])
def test_no_session_outlives_the_terminal(terminal, blocking_lifeline: BlockingLifeline, way):
    """Ours: no orphan."""
    script = f'trap "" HUP TERM INT; exec 9>{blocking_lifeline.path}; echo x >&9; sleep 600'
    terminal.run(f"%session --bg setsid sh -c '{script}'")
    blocking_lifeline.held()
    if way == "exit":
        terminal.child.sendline("exit")
        terminal.child.expect(pexpect.EOF)
    else:
        os.kill(terminal.child.pid, signal.Signals[way])
    blocking_lifeline.released()


@pytest.mark.parametrize("way", ["exit", "SIGKILL"])
def test_a_durable_session_outlives_the_terminal_and_another_adopts_it(
    terminal, blocking_lifeline: BlockingLifeline, way
):
    """Ours: with its output, its input and its exit status."""
    script = f"exec 9>{blocking_lifeline.path}; echo x >&9; echo begun; read line; exit $line"
    terminal.run(f"%session --bg --durable --name job {script}")
    blocking_lifeline.held()
    if way == "exit":
        terminal.child.sendline("exit")
        terminal.child.expect(pexpect.EOF)
    else:
        terminal.child.kill(signal.SIGKILL)
        terminal.child.wait()
    other = Terminal()
    try:
        assert re.search("(running|waits for input), durable", other.run("%ps -a"))
        assert "is ours now" in other.run("%adopt job")
        assert other.run("%tail job").strip() == "begun"
        other.run("%send job 7")
        assert "exited (exit 7)" in other.run("%wait job")
    finally:
        other.child.close(force=True)
    blocking_lifeline.released()


def test_a_forked_childs_end_is_not_the_sessions_end(isolation):
    """Ours: only the process that loaded the extension ends its sessions."""
    script = isolation / "fork.ipy"
    script.write_text(_FORK)
    arguments = [sys.executable, "-m", "IPython", "--colors=nocolor", str(script)]
    run = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=START_SECONDS)
    assert run.stdout.splitlines()[-1].endswith("the child ended, the session is running")


# IPython empties its namespace at exit: what the child needs after that, it must have before.
_FORK = """\
%load_ext vibesbox
import os, atexit
def end(at_exit=atexit._run_exitfuncs, leave=os._exit):
    at_exit()
    leave(0)
kept = %session --bg sleep 600
child = os.fork()
if not child:
    end()
os.waitpid(child, 0)
kept.send("the link is alive\\n")
print("the child ended, the session is", kept.info.status)
"""


def test_the_terminal_rings_when_a_session_ends_that_was_to_be_told(terminal, gate):
    """iTerm2: OSC 9 is a notification; xterm: BEL rings. Neither is seen among what is typed."""
    terminal.run(f"%session --bg --notify --name job read line <{gate}")
    gate.open()
    terminal.child.expect(r"\x1b\]9;vibesbox: job: exit 0 after [^\x07]*\x07\x07")
    assert "ended since you looked: job: exit 0 after " in terminal.run("%ps")
