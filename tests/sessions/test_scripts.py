"""``vibesbox.run`` and ``vibesbox.table`` in plain scripts: each test is a script in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.kernel.driver import wait_gone

SECONDS = 60


def script(text: str) -> str:
    """Run a script; gives what it printed."""
    # Python 3.12 warns of any fork of a program with threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", f"import vibesbox\n{textwrap.dedent(text)}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def test_a_command_is_run_to_its_end_with_one_call():
    """Ours: output, status and what was asked for by options."""
    assert (
        script("""
        result = vibesbox.run("echo $A; pwd; exit 3", env={"A": "set"}, cwd="/", timeout=60)
        print(result.output, result.exit_code, result.success, result.end_reason)
        print(vibesbox.run("cat").output == "", vibesbox.run("echo ${BASH_VERSION:+yes}", "bash").output)
        print(vibesbox.run("sleep 600", timeout=0.2).timed_out)
        """)
        == "set\n/\n 3 False exited\nTrue yes\n\nTrue\n"
    )


def test_what_fails_can_be_an_error():
    """Ours: which says what failed, how, and what it said last."""
    assert (
        script("""
        try:
            vibesbox.run("echo no such thing; exit 4", check=True)
        except vibesbox.SessionFailedError as error:
            print(error.code, error)
        print(vibesbox.run("true", check=True).success)
        try:
            vibesbox.run("true", timeuot=1)
        except TypeError as error:
            print(error)
        """)
        == "4 'echo no such thing; exit 4': exit 4\nno such thing\nTrue\n"
        "there is no option 'timeuot'; did you mean 'timeout'?\n"
    )


def test_it_can_be_called_where_an_event_loop_runs_and_from_threads_and_forks():
    """Ours: asyncio.run(), a thread, a child of multiprocessing."""
    assert (
        script("""
        import asyncio, os, sys, threading

        async def main():
            print(vibesbox.run("echo in a loop").output, end="")

        asyncio.run(main())
        thread = threading.Thread(target=lambda: print(vibesbox.run("echo in a thread").output, end=""))
        thread.start()
        thread.join()
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            print(vibesbox.run("echo in a fork").output, end="", flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        """)
        == "in a loop\nin a thread\nin a fork\n"
    )


def test_an_interrupt_ends_the_command(tmp_path: Path):
    """Python: KeyboardInterrupt, and nothing goes on."""
    pid_file = tmp_path / "pid"
    os.mkfifo(pid_file)
    text = f"import vibesbox\nvibesbox.run('echo $$ >{pid_file}; exec sleep 600')"
    with subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE) as process:
        pid = int(pid_file.read_text())
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS)
    assert b"KeyboardInterrupt" in said
    wait_gone(pid)


def test_an_interrupt_reaches_the_main_thread_whichever_thread_has_taken_it():
    """Python runs handlers in the main thread, which does not wake when another thread takes the signal."""
    said = script("""
        import signal, threading
        other = threading.Thread(target=threading.Event().wait, daemon=True)
        other.start()
        threading.Timer(0.5, lambda: signal.pthread_kill(other.ident, signal.SIGINT)).start()
        try:
            vibesbox.run("sleep 600")
        except KeyboardInterrupt:
            print("interrupted")
        """)
    assert said == "interrupted\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_no_thread_of_ours_takes_a_signal_of_the_program():
    """POSIX: a signal to a process goes to any thread that does not block it."""
    said = script("""
        import os, signal
        vibesbox.run("true")
        blocking = {}
        for task in map(int, os.listdir("/proc/self/task")):
            status = dict(line.split(":", 1) for line in open(f"/proc/self/task/{task}/status"))
            blocking[task] = bool(int(status["SigBlk"], 16) >> (signal.SIGINT - 1) & 1)
        print(blocking.pop(os.getpid()), len(blocking) > 0, all(blocking.values()))
        """)
    assert said == "False True True\n"


@pytest.mark.parametrize(
    "before", ["", "from IPython.core.interactiveshell import InteractiveShell\nInteractiveShell()\n"]
)
def test_a_table_outside_of_a_notebook_is_an_error_that_says_what_to_do(before: str):
    """Ours: NoNotebookError."""
    command = f"import vibesbox\n{before}try:\n    vibesbox.table()\nexcept RuntimeError as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, text=True, timeout=SECONDS)
    assert "needs a notebook, and this is" in done.stdout
    assert "%ps -f" in done.stdout
