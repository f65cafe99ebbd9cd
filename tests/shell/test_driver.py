"""The bash texts, seen from outside: how a cell begins, what its messages look like, how it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.shell.bench import Bench, session_members


@pytest.mark.parametrize(
    ("before", "script", "output"),
    [
        ("alias begin='{'", "begin echo yes; }", "yes\n"),
        ("shopt -s extglob", "echo !(*)", "!(*)\n"),
        (":", "shopt -s extglob\necho !(*)", "!(*)\n"),
        (":", "alias begin='{'\nbegin echo yes; }", "yes\n"),
        ("echo 'shopt -s extglob' >lib", ". ./lib\necho !(lib)", "!(lib)\n"),
        (
            ":",
            "cat <<X\na",
            "In[2]: line 2: warning: here-document at line 1 delimited by end-of-file (wanted `X')\na\n",
        ),
        (":", "#!/bin/bash\n# comment\necho yes", "yes\n"),
        (":", "cat <<'X' | tr a b\naa\nX\necho end", "bb\nend\n"),
    ],
)
def test_a_cell_that_bash_would_run_is_not_refused(bench: Bench, before: str, script: str, output: str) -> None:
    bench.run(before)
    assert bench.run(script).text == output


def test_messages_name_the_cell_and_its_line(bench: Bench) -> None:
    ran = bench.run("cd /usr\n\nnosuchcommand\necho $LINENO ${BASH_SOURCE[0]} $0")
    assert ran.text == "In[1]: line 3: nosuchcommand: command not found\n4 In[1] bash\n"


def test_a_message_from_a_function_of_an_earlier_cell_has_a_short_name(bench: Bench) -> None:
    bench.run("f() {\n  nosuchcommand\n}")
    assert bench.run("f").text == "f(): line 2: nosuchcommand: command not found\n"


def test_a_message_of_set_x_shows_nothing_of_the_driver(bench: Bench) -> None:
    bench.run("set -x")
    ran = bench.run("echo a\nf() { echo b; }; f\nfalse")
    assert ran.text == "++ echo a\na\n++ f\n++ echo b\nb\n++ false\n"


def test_a_debug_trap_sees_only_the_cells_commands(bench: Bench) -> None:
    bench.run("trap 'echo \"<$BASH_COMMAND>\"' DEBUG")
    assert bench.run("true\nx=1").text == "<true>\n<x=1>\n"


def test_the_terminal_is_the_cells_own(isolation: Path) -> None:
    bench = Bench(isolation / "bench", io="pty")
    try:
        ran = bench.run("tty | cut -c1-9; : </dev/tty && echo open; ps -o pid=,pgid=,sid= $$ | tr -s ' '; echo $$")
        first, second, ids, pid = ran.text.splitlines()
        assert (first, second) == ("/dev/pts/", "open")
        assert ids.split() == [pid] * 3
    finally:
        bench.close()


@pytest.mark.parametrize(
    ("script", "returncode"),
    [
        ("true", 0),
        ("false", 1),
        ("(exit 200)", 200),
        ("exit 3", 3),
        ("return 4", 4),
        ("f() { exit 5; }; f", 5),
        ("set -e; false; echo not reached", 1),
        ("set -u; echo $nothing", 127),
        ("nosuchcommand", 127),
        ("trap 'exit 6' EXIT; exit 3", 6),
        ("trap 'exit 6' EXIT", 6),
        ("trap 'true' EXIT; false", 1),
        ("kill -TERM $$; sleep 5", -signal.SIGTERM),
        ("kill -TERM $$", -signal.SIGTERM),
        ("false; kill -HUP $$", -signal.SIGHUP),
        ("kill -INT $$; sleep 5", -signal.SIGINT),
        ("kill -KILL $$", -signal.SIGKILL),
        ("kill -SEGV $$", -signal.SIGSEGV),
        ("exec true", 0),
        ("exec sh -c 'exit 9'", 9),
        ("exec /no/such/program", 127),
    ],
)
def test_the_exit_status_is_the_true_one(bench: Bench, script: str, returncode: int) -> None:
    assert bench.run(script).returncode == returncode


@pytest.mark.parametrize(
    ("script", "committed"),
    [
        ("x=2", True),
        ("x=2; exit 3", True),
        ("x=2; return 3", True),
        ("x=2; set -e; false", True),
        ("x=2; set -u; : $nothing", True),
        ("x=2; eval 'if'", True),
        ("x=2; kill -TERM $$", True),
        ("x=2; trap 'echo bye' EXIT", True),
        ("x=2; kill -KILL $$", False),
        ("x=2; kill -SEGV $$", False),
        ("x=2; kill -ABRT $$", False),
        ("x=2; exec true", False),
        ("x=2; set -n", False),
    ],
)
def test_which_ends_commit_and_which_roll_back(bench: Bench, script: str, committed: bool) -> None:
    bench.run("x=1")
    assert bench.run(script).committed is committed
    assert bench.run("set +eu; echo $x").text == ("2\n" if committed else "1\n")


@pytest.mark.parametrize(
    "script",
    [
        "x=2; echo up; sleep 60",
        "x=2; echo up; while :; do :; done",
        "x=2; echo up; while :; do sleep 60; done",
        "x=2; echo up; sleep 60 | cat",
        "x=2; echo up; y=$(sleep 60)",
        "x=2; f() { local z; echo up; sleep 60; }; f",
        "x=2; sleep 60 & echo up; wait $!; kill $!",
        "set -e; x=2; echo up; sleep 60",
        "x=2; (echo up; sleep 60)",
    ],
)
def test_an_interrupted_cell_keeps_its_state(bench: Bench, script: str) -> None:
    """Ours: however it is busy, it is interrupted and says so by its status, and x is the cell's."""
    ran = bench.run(script, interrupt_at=b"up")
    assert ran.returncode in (-signal.SIGINT, 130) or ran.others
    assert bench.run("set +e; echo $x").text == "2\n"


def test_a_handler_of_the_cell_decides_what_an_interrupt_does(bench: Bench) -> None:
    ran = bench.run("trap 'echo caught; exit 9' INT; echo up; while :; do sleep 60; done", interrupt_at=b"up")
    assert (ran.text, ran.returncode) == ("up\ncaught\n", 9)


@pytest.mark.parametrize("io", ["pty", "pipe"])
@pytest.mark.parametrize(
    "script",
    [
        "sleep 60 & echo $!",
        "( sleep 60 & echo $BASHPID >/dev/null )",
        "sleep 60 & disown",
        "sleep 60 & exit 3",
        "sh -c 'sleep 60 & sleep 0.01' & wait",
    ],
)
def test_a_background_job_outlives_its_cell_with_a_keeper(isolation: Path, io: str, script: str) -> None:
    """POSIX: the end of a session's leader would hang up its terminal, and its jobs with it."""
    bench = Bench(isolation / "bench", io=io)
    try:
        ran = bench.run(script)
        assert ran.others == 1
        leader = bench.kept[-1]
        jobs = session_members(leader)
        bench.run("echo another cell, which sees that nothing has ended")
        assert session_members(leader) == jobs
        for pid in jobs:
            os.kill(pid, signal.SIGKILL)
        bench.wait_until(lambda: not session_members(leader))
        assert os.waitpid(leader, os.WNOHANG) == (0, 0), "the keeper never ends by itself"
    finally:
        bench.close()


def test_the_keeper_collects_its_dead_jobs(isolation: Path) -> None:
    """Ours: no zombie stays among what a cell has left running."""
    bench = Bench(isolation / "bench", io="pty")
    try:
        bench.run("sleep 0.05 & sleep 60 & echo")
        leader = bench.kept[-1]
        bench.wait_until(lambda: len(children(leader)) == 1)
    finally:
        bench.close()


def test_a_stop_of_the_users_own_is_not_taken_for_the_end(bench: Bench) -> None:
    ran = bench.run("x=2; kill -STOP $$; x=3; echo on")
    assert (ran.text, ran.returncode) == ("on\n", 0)
    assert bench.run("echo $x").text == "3\n"


@pytest.mark.parametrize("script", ["exit 3", "false", "x=1"])
def test_the_output_of_an_exit_trap_is_seen_and_its_status_is_the_cells(bench: Bench, script: str) -> None:
    ran = bench.run(f"trap 'echo bye $?; y=9' EXIT\n{script.replace('exit', 'return')}")
    assert ran.text == f"bye {ran.returncode}\n"
    assert bench.run("echo $y").text == "9\n"


def test_the_history_file_is_never_written(bench: Bench) -> None:
    history = Path.home() / ".bash_history"
    history.write_text("mine\n")
    bench.run("HISTFILE=~/.bash_history; set -o history; history -s injected; exit 0")
    bench.run("HISTFILE=~/.bash_history; set -o history; history -s injected; kill $$")
    assert history.read_text() == "mine\n"


def test_the_startup_files_are_read_once_as_an_interactive_shell_reads_them(isolation: Path) -> None:
    Path.home().joinpath(".bashrc").write_text(
        '[[ $- == *i* ]] || return\nalias ll="echo long"\nexport PAGER=less FROM_RC=1\nf() { echo f; }\n'
        "set -o vi\nPROMPT_COMMAND='echo prompt'\ntrap 'echo preexec' DEBUG\necho noise\n"
    )
    bench = Bench(isolation / "bench")
    try:
        ran = bench.run("ll; f; sh -c 'echo $FROM_RC $PAGER'; echo $-; shopt -o vi | cut -f2; echo ${HISTFILE-none}")
        assert ran.text == "long\nf\n1 cat\nhBc\noff\nnone\n"
    finally:
        bench.close()


def test_startup_files_that_exit_still_give_a_state(isolation: Path) -> None:
    Path.home().joinpath(".bashrc").write_text("x=rc\nexit 3\n")
    bench = Bench(isolation / "bench")
    try:
        assert bench.run("echo $x").text == "rc\n"
    finally:
        bench.close()


def test_a_spare_ends_when_its_manager_is_gone(bench: Bench) -> None:
    waiting = bench.prepare()
    os.close(waiting.control)
    pid, status = os.waitpid(waiting.pid, 0)
    assert (pid, os.waitstatus_to_exitcode(status)) == (waiting.pid, 0)


def test_a_spare_whose_files_are_gone_leaves_nothing_where_it_stands(bench: Bench, isolation: Path) -> None:
    waiting = bench.prepare(gone=True)
    pid, status = os.waitpid(waiting.pid, 0)
    os.close(waiting.control)
    assert (pid, os.waitstatus_to_exitcode(status)) == (waiting.pid, 0)
    assert not (isolation / "restore.log").exists()


def test_the_files_of_a_cell_are_private_whatever_the_umask(bench: Bench) -> None:
    """Ours: what may hold a secret nobody else can read, and the directory keeps others from all of it."""
    bench.run("umask 0; secret=1; f() { local inner=secret; exit 0; }")
    waiting = bench.prepare()
    directory = waiting.directory.path
    bench.go(waiting, "f")
    assert directory.stat().st_mode & 0o777 == 0o700
    assert "locals" in {path.name for path in directory.iterdir()}
    assert {path.name for path in directory.iterdir() if path.stat().st_mode & 0o077} <= {
        "disabled",
        "exit-trap",
        "restore.log",
        "syntax.log",
    }
    assert bench.run("umask").text == "0000\n"


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
