"""Cells on real sessions: outcomes, the state from cell to cell, interrupts, background jobs."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from pathlib import Path

import anyio
import pytest

from tests.shell.notebook import Notebook, children, sleeps, until
from vibesbox_kernel.errors import DirectoryNotFoundError, NameTakenError, ShellNotFoundError, ShellStateError
from vibesbox_kernel.models import EndReason, ExitStatus, SessionStatus
from vibesbox_kernel.shell import cell_files
from vibesbox_kernel.shell.runner import CellRunner
from vibesbox_kernel.shell.settings import Settings

pytestmark = pytest.mark.anyio


async def test_the_state_of_the_shell_lives_on_from_cell_to_cell(notebook):
    """Ours: directory, variables, functions, aliases, options, exports, arrays."""
    await notebook.run("cd /tmp\nx=5; f() { echo f$x; }; export e=1; a=(1 2)")
    await notebook.run("alias ll='echo long'; set -u")
    assert await notebook.output("pwd; f; ll; sh -c 'echo $e'; echo ${a[1]}") == "/tmp\nf5\nlong\n1\n2\n"
    outcome = await notebook.run("echo $nothing")
    assert notebook.shown.written == "In[4]: line 1: nothing: unbound variable\n"
    assert outcome.exit_status == ExitStatus(code=127)


async def test_an_outcome_says_how_a_cell_ended(notebook, manager):
    outcome = await notebook.run("false")
    assert (outcome.exit_status, outcome.end_reason, notebook.committed) == (ExitStatus(code=1), EndReason.EXITED, True)
    info = manager.info(outcome.session_id)
    assert (info.pid, info.command, info.exit_code) == (outcome.pid, "false", 1)
    assert (outcome.interrupted, outcome.notices, outcome.leftovers) == (False, (), 0)


async def test_after_exit_the_next_cell_still_knows_everything(notebook):
    outcome = await notebook.run("x=5; exit 3; x=6")
    assert outcome.exit_status == ExitStatus(code=3)
    assert await notebook.output("echo $? $x") == "3 5\n"


async def test_a_syntax_error_runs_nothing(notebook, runner):
    await notebook.run("x=1")
    before = runner.generation
    outcome = await notebook.run("x=2\ntouch ran\necho 'abc")
    message = "In[2]: line 3, column 6: unexpected EOF while looking for matching `''\necho 'abc\n     ^"
    assert notebook.shown.written == f"{message}\n"
    assert (outcome.exit_status, outcome.syntax_error, notebook.committed) == (ExitStatus(code=2), message, False)
    assert runner.generation is before
    assert not Path.home().joinpath("ran").exists()


async def test_lines_are_counted_in_the_cell_and_not_in_the_script(notebook):
    written = await notebook.output("%%session --name n\n\nnosuchcommand")
    assert written == "In[1]: line 3: nosuchcommand: command not found\n"


async def test_all_output_has_been_shown_when_the_outcome_is_there(notebook):
    assert await notebook.output("seq 1 500") == "".join(f"{number}\n" for number in range(1, 501))


async def test_a_comment_is_a_success_even_after_a_failure(notebook):
    await notebook.run("false")
    assert (await notebook.run("# only a comment\n")).exit_status == ExitStatus(code=0)


async def test_after_a_failure_a_cell_of_which_nothing_is_left_is_a_success(notebook):
    await notebook.run("false")
    assert (await notebook.run("\0 # nothing")).exit_status == ExitStatus(code=0)


async def test_a_magic_in_the_midst_of_a_script_is_named(notebook):
    outcome = await notebook.run("%%session --name a\necho a\n  %kill a")
    assert outcome.notices == ("%kill in line 3 is no magic: magics stand at the head of a cell, before its script",)
    assert (await notebook.run("sleep 0 &\nprintf '%s\n' %ps\nwait %1\n%nothing || %%")).notices == ()


async def test_an_interrupted_cell_is_over_and_keeps_its_state(notebook, runner, manager):
    task = notebook.start("x=1; sleep 100; x=2")
    await until(sleeps(manager))
    with anyio.fail_after(5):
        await runner.interrupt()
        outcome = await task
    assert outcome.interrupted
    assert notebook.committed
    assert outcome.exit_status is not None
    assert outcome.exit_status.shell_code == 130
    assert await notebook.output("echo $? $x") == "130 1\n"


async def test_an_interrupt_leaves_background_jobs_alive(notebook, runner, manager, lifeline):
    task = notebook.start(f"exec 9>{lifeline.path}; echo up >&9; sleep 100 & exec 9>&-; sleep 100")
    with anyio.fail_after(5):
        await lifeline.held()
    await until(sleeps(manager, 2))
    await runner.interrupt()
    with anyio.fail_after(5):
        outcome = await task
    assert outcome.exit_status == ExitStatus(code=130)
    assert outcome.leftovers == 1
    assert manager.info(outcome.session_id).is_running


async def test_a_cell_that_ignores_the_interrupt_gets_sigterm_after_the_grace(notebook, runner, manager):
    task = notebook.start("x=1; trap '' INT; sleep 100")
    await until(sleeps(manager))
    await runner.interrupt()
    with anyio.fail_after(10):
        outcome = await task
    assert "interrupted: SIGINT to the shell (pid " in notebook.shown.written
    assert "still running 0.3 s after the interrupt: SIGTERM to the shell (pid " in notebook.shown.written
    assert "and sleep 100 (pid " in notebook.shown.written
    # The shell dies of its own SIGTERM or, if it has seen its command's first, of that status.
    assert outcome.exit_status is not None
    assert outcome.exit_status.shell_code == 128 + signal.SIGTERM
    assert notebook.committed


async def test_what_ignores_sigterm_too_is_killed_with_its_whole_tree_and_that_is_said(notebook, runner, manager):
    task = notebook.start("x=1; trap '' INT TERM; echo up; setsid -w sleep 100")
    await until(lambda: "up" in notebook.shown.written)
    await runner.interrupt()
    await runner.interrupt()
    with anyio.fail_after(10):
        outcome = await task
    steps = [line for line in notebook.shown.written.splitlines() if line.startswith("[vibesbox: ")]
    assert [step.split(":")[1].strip() for step in steps] == [
        "interrupted",
        "interrupted again",
        "still running 1 s after SIGTERM",
        "nothing of the session is left]",
    ]
    assert "SIGKILL to the shell (pid " in steps[2]
    assert "sleep 100 (pid " in steps[2]
    assert not manager.info(outcome.session_id).is_running
    assert outcome.interrupted


async def test_background_jobs_stay_with_their_cells_session(notebook, manager):
    outcome = await notebook.run("sleep 300 & x=1")
    assert (outcome.exit_status, outcome.end_reason, outcome.leftovers) == (ExitStatus(code=0), None, 1)
    info = manager.info(outcome.session_id)
    assert (info.status, info.exit_code) == (SessionStatus.RUNNING, 0)
    assert await notebook.output("echo $x") == "1\n"
    assert await manager.terminate_session(outcome.session_id, force=True)


async def test_late_output_of_a_background_job_goes_to_its_own_cell(notebook, manager, lifeline):
    await notebook.run(f"mkfifo {lifeline.path}.go; (read -r line <{lifeline.path}.go; echo late) & echo now")
    first = notebook.shown
    assert await notebook.output("echo other") == "other\n"
    await notebook.run(f"echo go >{lifeline.path}.go")
    with anyio.fail_after(5):
        await first.contains("late")
    assert first.written.partition("[vibesbox: ")[0].split() == ["now", "late"]  # it is over in a moment, which is said


async def test_the_session_ends_when_its_last_background_job_does(notebook, manager):
    outcome = await notebook.run("sleep 0.05 &")
    with anyio.fail_after(5):
        info = await manager.wait(outcome.session_id)
    assert (info.exit_code, info.end_reason) == (0, EndReason.EXITED)


async def test_a_background_cell_returns_at_once_and_never_commits(notebook, manager):
    outcome = await notebook.run("%%session --bg --name bg\nx=background; read -r line; echo got $line")
    assert (outcome.exit_status, outcome.end_reason, notebook.committed) == (None, None, False)
    shown = notebook.shown
    assert await notebook.output("echo ${x-none}") == "none\n"
    await manager.send_input("bg", "input\n")
    with anyio.fail_after(5):
        await shown.contains("got input")
        info = await manager.wait(outcome.session_id)
    assert info.exit_code == 0
    assert await notebook.output("echo ${x-none}") == "none\n"


async def test_of_two_foreground_cells_only_the_first_to_end_commits(notebook, lifeline):
    task = notebook.start(f"mkfifo {lifeline.path}.go; echo up >{lifeline.path}; read -r l <{lifeline.path}.go; x=slow")
    with anyio.fail_after(5):
        await lifeline.held()
    shown = notebook.shown
    await notebook.run("x=quick")
    await notebook.run(f"echo >{lifeline.path}.go")
    outcome = await task
    await notebook.runner.settled()
    assert "another cell has changed the shell's state" in "".join((*outcome.notices, shown.written))
    assert await notebook.output("echo $x") == "quick\n"


async def test_cells_that_only_look_take_no_state_from_a_slower_one(notebook, lifeline):
    """Ours: as from a subshell's console, while a long cell runs."""
    task = notebook.start(f"mkfifo {lifeline.path}.go; echo up >{lifeline.path}; read -r l <{lifeline.path}.go; x=slow")
    with anyio.fail_after(5):
        await lifeline.held()
    for look in ("ls; echo $x; (exit 3)", f"echo >{lifeline.path}.go"):
        await notebook.run(look)
    await task
    await notebook.runner.settled()
    assert await notebook.output("echo $x") == "slow\n"


async def test_what_runs_when_the_state_is_reset_hands_on_nothing(notebook, runner, lifeline):
    await notebook.run(":")
    task = notebook.start(f"mkfifo {lifeline.path}.go; echo up >{lifeline.path}; read -r l <{lifeline.path}.go; x=slow")
    with anyio.fail_after(5):
        await lifeline.held()
    await runner.reset()
    await notebook.run(f"echo >{lifeline.path}.go")
    await task
    await notebook.runner.settled()
    assert await notebook.output("echo $x") == "\n"


KILLED = "the cell's shell was killed (SIGKILL) before it could hand on its state"
CRASHED = "the cell's shell crashed (SIGSEGV), and what it knew can not be trusted"
ENDED = (
    "the cell's shell ended (exit {}) without handing on its state, "
    "as after exec, set -n, an EXIT trap that leaves by itself, or where a limit or a full disk is in its way"
)


@pytest.mark.parametrize(
    ("script", "status", "why"),
    [
        ("kill -9 $$", ExitStatus(signal=9), KILLED),
        ("kill -SEGV $$", ExitStatus(signal=11), CRASHED),
        ("exec true", ExitStatus(code=0), ENDED.format(0)),
        ("exec sh -c 'exit 9'", ExitStatus(code=9), ENDED.format(9)),
        ("exec /no/such/program", ExitStatus(code=127), ENDED.format(127)),
        ("set -n", ExitStatus(code=0), ENDED.format(0)),
        ("trap 'exit 6' EXIT; exit 3", ExitStatus(code=6), ENDED.format(6)),
    ],
)
async def test_a_shell_that_hands_nothing_over_rolls_back_with_a_notice(notebook, script, status, why):
    await notebook.run("x=1")
    outcome = await notebook.run(f"x=2; {script}")
    assert (outcome.exit_status, notebook.committed) == (status, False)
    assert outcome.notices == (f"{why}: the next cell starts from the state before this one",)
    assert await notebook.output("echo $x") == "1\n"


async def test_bashs_own_history_knows_the_cells_before(notebook):
    """Bash: `history` and `fc` list and expand them; a cell that begins with a blank is none of them."""
    await notebook.run("echo one\n")
    await notebook.run("for i in 1; do\n  echo 'two'\ndone")
    await notebook.run(" echo secret")
    await notebook.run("exit 3")
    listed = "    1  echo one\n    2  for i in 1; do\n  echo 'two'\ndone\n    3  exit 3\n"
    assert await notebook.output("history") == listed
    assert await notebook.output("fc -ln 1 1; history -p '!ec'") == "\t echo one\necho one\n"


async def test_a_stop_of_the_users_own_is_continued(notebook):
    outcome = await notebook.run("kill -STOP $$; echo on; x=1")
    assert (notebook.shown.written, outcome.exit_status, notebook.committed) == ("on\n", ExitStatus(code=0), True)


async def test_a_time_limit_ends_a_cell_and_keeps_its_state(notebook):
    outcome = await notebook.run("%%session --timeout 1s\nx=1; sleep 100")
    assert (outcome.end_reason, notebook.committed) == (EndReason.TIMED_OUT, True)
    assert await notebook.output("echo $x") == "1\n"


async def test_options_of_one_cell_are_not_carried_on(notebook):
    await notebook.run("k=before; cd /")
    assert await notebook.output("%%session --cwd /usr --env k=v --env q=w\npwd; echo $k $q; y=1") == "/usr\nv w\n"
    assert await notebook.output("pwd; echo $k ${q-none} $y") == "/\nbefore none 1\n"
    assert await notebook.output("%%session --cwd usr/bin --env k=v\npwd; k=changed; cd /tmp") == "/usr/bin\n"
    assert await notebook.output("pwd; echo $k") == "/tmp\nchanged\n"


async def test_a_pipe_cell_behaves_like_a_script(notebook):
    assert await notebook.output("%%session --io pipe\ncat; [[ -t 1 ]] || echo no terminal") == "no terminal\n"


async def test_another_shell_runs_with_the_environment_of_this_one(notebook):
    await notebook.run("export e=1; cd /usr")
    outcome = await notebook.run("%%session --shell python3\nimport os\nprint(os.environ['e'], os.getcwd())\nexit(4)")
    assert notebook.shown.written == "1 /usr\n"
    assert (outcome.exit_status, notebook.committed, outcome.notices) == (ExitStatus(code=4), False, ())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("--cwd /no/such", DirectoryNotFoundError),
        ("--shell /no/such", ShellNotFoundError),
        ("--name taken", NameTakenError),
    ],
)
async def test_options_that_can_not_be_met_run_nothing(notebook, manager, options, error):
    await notebook.run("%%session --bg --name taken\nsleep 100")
    with pytest.raises(error):
        await notebook.run(f"%%session {options}\necho")
    assert await notebook.output("echo fine") == "fine\n"
    assert await manager.terminate_session("taken", force=True)


async def test_a_directory_that_is_gone_is_said(notebook):
    await notebook.run("mkdir gone; cd gone; rmdir ../gone")
    outcome = await notebook.run("pwd")
    assert notebook.shown.written == f"{Path.home()}\n"
    assert outcome.notices == (f"the directory {Path.home()}/gone is gone; this cell began in {Path.home()}",)


async def test_startup_files_that_hang_are_left_out_and_that_is_said(manager):
    Path.home().joinpath(".bashrc").write_text("x=rc; sleep 100\n")
    runner = CellRunner(manager, settings=Settings(startup_timeout=0.5))
    notebook = Notebook(runner)
    outcome = await notebook.run("echo ${x-none}; alias a=echo\n")
    assert notebook.shown.written == "none\n"
    assert outcome.notices == (
        "your shell's start-up files (~/.bashrc) took longer than 0.5 s; this shell goes without them",
    )
    assert await notebook.output("a aliases work") == "aliases work\n"
    await runner.aclose()


async def test_startup_files_are_read_once(notebook):
    Path.home().joinpath(".bashrc").write_text("echo x >>~/read; alias ll='echo long'\n")
    assert await notebook.output("ll; cat ~/read") == "long\nx\n"
    assert await notebook.output("ll; cat ~/read") == "long\nx\n"


async def test_the_marker_of_a_session_is_its_own(notebook):
    first = await notebook.run("echo $VIBESBOX_SESSION")
    assert notebook.shown.written.strip() == first.session_id
    second = await notebook.run("echo $VIBESBOX_SESSION")
    assert notebook.shown.written.strip() == second.session_id


async def test_a_cell_whose_caller_gives_up_goes_on(notebook, manager, lifeline):
    task = notebook.start(f"x=1; echo up >{lifeline.path}; sleep 0.1; x=2")
    with anyio.fail_after(5):
        await lifeline.held()
    task.cancel()
    await until(lambda: bool(manager.list_sessions()))
    with anyio.fail_after(5):
        info = await manager.wait(manager.list_sessions()[0].session_id)
    assert info.exit_code == 0


_MANY_FUNCTIONS = 'for i in {1..400}; do eval "f$i() { echo $i; }"; done; '
"""So many that they are read ahead, by several bashes at a time."""


@pytest.mark.parametrize("before", ["", _MANY_FUNCTIONS])
async def test_a_cell_runs_though_the_shell_that_waited_for_it_was_killed(notebook, manager, before):
    """Ours: as by the system when memory is short."""
    await notebook.run(f"{before}x=1")
    broker = int(await notebook.output("echo $PPID; x=2"))
    with anyio.fail_after(5):
        await until(lambda: len(children(broker)) >= (4 if before else 2))
        waiting = children(broker)
        for pid in waiting:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not set(waiting) & set(children(broker)))
    assert await notebook.output("echo $x") == "2\n"
    assert notebook.committed


@pytest.mark.parametrize("before", ["", _MANY_FUNCTIONS])
async def test_a_cell_runs_though_the_broker_has_died_since_the_last(notebook, manager, before):
    await notebook.run(f"{before}x=1")
    job = await notebook.run("%%session --bg\nsleep 300")
    broker = int(await notebook.output("echo $PPID; x=2"))
    os.kill(broker, signal.SIGKILL)
    await until(lambda: manager.info(job.session_id).status is SessionStatus.LOST)
    assert await notebook.output("echo $x") == "2\n"
    assert notebook.committed


async def test_a_cell_runs_though_somebody_has_tidied_up_the_files_of_the_shell_that_waited(
    notebook, manager, tmp_path
):
    """Ours: as the system does with a user's shared memory at a logout."""
    await notebook.run("x=1")
    manager.workspace.path.rename(tmp_path / "tidied")
    assert await notebook.output("echo $x; x=2") == "1\n"
    assert await notebook.output("echo $x") == "2\n"


async def test_a_full_disk_is_said_and_the_state_is_kept(notebook, monkeypatch):
    await notebook.run("x=1")
    with monkeypatch.context() as patched:
        patched.setattr(cell_files, "write_private", _full)
        with pytest.raises(ShellStateError, match="No space left"):
            await notebook.run("x=2")
    assert await notebook.output("echo $x") == "1\n"


def _full(path, data, **_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


async def test_a_runner_that_is_closed_leaves_no_waiting_shell(manager):
    runner = CellRunner(manager)
    await runner.start()
    await runner.aclose()
    await until(lambda: not any(str(manager.workspace.path) in line for line in command_lines()))


def command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return lines


async def test_all_who_wait_for_a_start_that_fails_hear_why(manager, monkeypatch, tmp_path):
    """Ours: a door warms the shell up while the first cell asks for it too."""
    with monkeypatch.context() as without_bash:
        without_bash.setenv("PATH", str(tmp_path))
        runner = CellRunner(manager)
        starts = [runner.start() for _ in range(2)]
        results = await asyncio.gather(*starts, return_exceptions=True)
    assert [type(result) for result in results] == [ShellNotFoundError] * 2
    await runner.start()  # and the next call may have more luck
    await runner.aclose()
