"""Cells of zsh and fish: each of the two carries a state of its own from cell to cell."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest

from tests.shell.notebook import Notebook, sleeps, until
from vibesbox_kernel.models import EndReason, ExitStatus
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.runner import CellRunner
from vibesbox_kernel.shell.settings import Settings

pytestmark = pytest.mark.anyio


def _shell(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed"))


zsh_and_fish = pytest.mark.parametrize("shell", [_shell("zsh"), _shell("fish")])
zsh_only = pytest.mark.parametrize("shell", [_shell("zsh")])


class Cells:
    """Cells of one shell."""

    def __init__(self, notebook: Notebook, shell: str) -> None:
        self.notebook = notebook
        self._head = f"%%session --shell {shell}"

    async def run(self, text: str, *, options: str = "") -> str:
        await self.notebook.run(f"{self._head} {options}\n{text}")
        return self.notebook.shown.written


@pytest.fixture
def cells(notebook: Notebook, shell: str) -> Cells:
    return Cells(notebook, shell)


@zsh_and_fish
async def test_the_first_cell_starts_from_the_environment_of_the_bash_cells(cells: Cells) -> None:
    await cells.notebook.run("export e='a  b'; n=private; cd /usr; umask 027")
    assert await cells.run('pwd; printf \'%s\\n\' "$e" "$n"; sh -c umask') == "/usr\na  b\n\n0027\n"


_CARRIED_BY_ZSH = [
    ("x='a  b'", 'print -r -- "$x"', "a  b\n"),
    ("x=$'a\\nb\\e\\'\\\\'", 'print -rn -- "$x" | od -An -c', "   a  \\n   b 033   '   \\\n"),
    ("a=(1 '' 'b c')", "print -r -- ${#a} $a[3]", "3 b c\n"),
    ("typeset -A m; m=(k 'v 1' 'k 2' v2)", 'print -r -- $m[k] "$m[k 2]"', "v 1 v2\n"),
    ("integer i=3; float f=2.5; readonly r=4", "i=i+1; print $i $((f * 2)) $r", "4 5. 4\n"),
    ("export e=1", "sh -c 'echo $e'", "1\n"),
    ("f() { print -r -- f $1; }", "f x", "f x\n"),
    ("TRAPINT() { print got it; }", "kill -INT $$; print on", "got it\non\n"),
    ("alias ll='echo long'; alias -g G='| tr a-z A-Z'", "ll G", "LONG\n"),
    ("setopt extendedglob; touch aa ab", "print -r -- a^b", "aa\n"),
    ("setopt nounset", "print ${nothing-unset}", "unset\n"),
    ("cd /usr; cd bin", "pwd; print $OLDPWD", "/usr/bin\n/usr\n"),
    ("umask 027", "umask", "027\n"),
    ("path=(/x $path)", "print $path[1]", "/x\n"),
    ("hash -d u=/usr", "cd ~u; pwd", "/usr\n"),
    ("trap 'echo usr1' USR1", "kill -USR1 $$", "usr1\n"),
    ("PATH=/y:$PATH; LANG=C", "sh -c 'echo ${PATH%%:*} $LANG'", "/y C\n"),
    ("set -e; x=1; false; x=2", "print $x", "1\n"),
    ("autoload -Uz zmv", "whence -w zmv", "zmv: function\n"),
]


@zsh_only
@pytest.mark.parametrize(("before", "after", "output"), _CARRIED_BY_ZSH)
async def test_zsh_carries_its_state(cells: Cells, before: str, after: str, output: str) -> None:
    await cells.run(before)
    assert await cells.run(after) == output


_CARRIED_BY_FISH = [
    ("set -g x 'a  b'", 'printf "%s\\n" "$x"', "a  b\n"),
    ("set -g x a\\nb\\e\\'\\\\", "printf '%s' $x | od -An -c", "   a  \\n   b 033   '   \\\n"),
    ("set -g a 1 '' 'b c'", "count $a; echo $a[3]", "3\nb c\n"),
    ("set x 1", "echo $x", "1\n"),
    ("set -gx e 1", "sh -c 'echo $e'", "1\n"),
    ("function f; echo f $argv; end", "f x", "f x\n"),
    ("function ls; echo mine; end", "ls", "mine\n"),
    ("alias ll 'echo long'", "ll", "long\n"),
    ("cd /usr/bin", "pwd", "/usr/bin\n"),
    ("umask 027", "umask", "0027\n"),
    ("set -gx PATH /y $PATH", "sh -c 'echo ${PATH%%:*}'", "/y\n"),
    ("set -g nothing", "set -q nothing; and count $nothing", "0\n"),
]


@pytest.mark.parametrize("shell", [_shell("fish")])
@pytest.mark.parametrize(("before", "after", "output"), _CARRIED_BY_FISH)
async def test_fish_carries_its_state(cells: Cells, before: str, after: str, output: str) -> None:
    await cells.run(before)
    assert await cells.run(after) == output


@zsh_and_fish
async def test_the_states_of_two_shells_are_apart(cells: Cells) -> None:
    await cells.notebook.run("x=bash; export y=bash")
    await cells.run("export x=other; cd /usr")
    assert await cells.notebook.output("echo $x $y; pwd") == f"bash bash\n{Path.home()}\n"
    await cells.notebook.run("export y=changed")
    assert await cells.run("echo $x $y; pwd") == "other bash\n/usr\n"


@zsh_and_fish
async def test_after_exit_the_next_cell_still_knows_everything(cells: Cells) -> None:
    outcome = await cells.notebook.run(f"{cells._head}\nexport x=5; exit 3")
    assert (outcome.exit_status, outcome.end_reason) == (ExitStatus(code=3), EndReason.EXITED)
    assert await cells.run("echo $x") == "5\n"


@zsh_and_fish
async def test_a_shell_that_is_killed_rolls_back_with_a_notice(cells: Cells, shell: str) -> None:
    await cells.run("export x=1")
    pid = "$$" if shell == "zsh" else "$fish_pid"
    outcome = await cells.notebook.run(f"{cells._head}\nexport x=2; kill -9 {pid}")
    assert outcome.exit_status == ExitStatus(signal=9)
    assert "before it could hand on its state" in outcome.notices[0]
    assert await cells.run("echo $x") == "1\n"


@zsh_and_fish
async def test_messages_name_the_cell_and_its_line(cells: Cells, shell: str) -> None:
    written = await cells.run("echo\nnosuchcommand")
    assert ("In[1]:3: command not found" if shell == "zsh" else "In[1] (line 3)") in written


@zsh_and_fish
async def test_a_cell_with_a_syntax_error_runs_nothing_and_changes_nothing(cells: Cells) -> None:
    await cells.run("cd /usr; export x=1")
    outcome = await cells.notebook.run(f"{cells._head}\ntouch ran; export x=2\nif true")
    assert "In[2]" in cells.notebook.shown.written
    assert (outcome.exit_status, outcome.notices) == (ExitStatus(code=2), ())
    assert outcome.syntax_error is not None
    assert not Path.home().joinpath("ran").exists()
    assert await cells.run('pwd; echo "$x"') == "/usr\n1\n"


@zsh_and_fish
async def test_options_of_one_cell_are_not_carried_on(cells: Cells) -> None:
    await cells.run("export k=before")
    options = "--cwd /usr --env \"k=a'b\" --env q='w w' --nice 5"
    assert await cells.run('pwd; echo $k; echo "$q"; nice', options=options) == "/usr\na'b\nw w\n5\n"
    assert await cells.run('pwd; echo "$k$q"') == f"{Path.home()}\nbefore\n"


@zsh_and_fish
async def test_a_background_job_outlives_its_cell(cells: Cells, manager: SessionManager) -> None:
    outcome = await cells.notebook.run(f"{cells._head}\nsleep 300 &\nexport x=1")
    assert (outcome.exit_status, outcome.end_reason, outcome.leftovers) == (ExitStatus(code=0), None, 1)
    assert await cells.run("echo $x") == "1\n"
    assert manager.info(outcome.session_id).is_running
    assert await manager.terminate_session(outcome.session_id, force=True)


@zsh_and_fish
async def test_an_interrupted_cell_is_over_and_keeps_its_state(
    cells: Cells, runner: CellRunner, manager: SessionManager
) -> None:
    task = cells.notebook.start(f"{cells._head}\nexport x=1; sleep 100; export x=2")
    await until(sleeps(manager))
    await runner.interrupt()
    with anyio.fail_after(5):
        outcome = await task
    assert outcome.interrupted
    assert await cells.run("echo $x") == "1\n"


@zsh_and_fish
async def test_a_background_cell_never_commits(cells: Cells, manager: SessionManager) -> None:
    outcome = await cells.notebook.run(f"{cells._head} --bg\nexport x=1")
    with anyio.fail_after(5):
        await manager.wait(outcome.session_id)
    assert await cells.run('echo "none$x"') == "none\n"


@zsh_and_fish
async def test_the_start_up_files_of_scripts_are_read_by_the_first_cell_alone(cells: Cells, shell: str) -> None:
    file = Path.home() / (".zshenv" if shell == "zsh" else ".config/fish/config.fish")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("echo read\nexport x=start\n")
    assert await cells.run("echo $x") == "read\nstart\n"
    assert await cells.run("echo $x") == "start\n"


@zsh_and_fish
async def test_the_marker_of_a_session_is_its_own_in_each_cell(cells: Cells) -> None:
    for _ in range(2):
        outcome = await cells.notebook.run(f"{cells._head}\necho $VIBESBOX_SESSION; command -v vibesbox-show")
        marker, tool = cells.notebook.shown.written.splitlines()
        assert marker == outcome.session_id
        assert tool.endswith("/vibesbox-show")


@zsh_and_fish
async def test_a_reset_of_the_state_is_one_of_these_shells_too(cells: Cells, runner: CellRunner) -> None:
    await cells.run("export x=1")
    await runner.reset()
    assert await cells.run('echo "none$x"') == "none\n"


@zsh_and_fish
async def test_a_notebook_may_be_of_this_shell(manager: SessionManager, shell: str) -> None:
    runner = CellRunner(manager, settings=Settings(default_shell=shell), cwd="/usr")
    notebook = Notebook(runner)
    await notebook.run("function f; echo f; end" if shell == "fish" else "f() { echo f; }")
    assert await notebook.output("f; pwd") == "f\n/usr\n"
    assert await notebook.output("%%session --shell bash\necho $BASH_VERSINFO") != "\n"
    assert await notebook.output("#!/bin/echo of\n") != ""
    await runner.aclose()
