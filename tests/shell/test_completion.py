"""What fits at the cursor, with real bash and the shell's newest state."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import psutil
import pytest

from tests.lifeline import Lifeline
from tests.shell.helped import SECONDS, HelpedShell, helped_shell

pytestmark = pytest.mark.anyio

PACKAGE = Path("/usr/share/bash-completion/bash_completion")
needs_package = pytest.mark.skipif(not PACKAGE.exists(), reason="the package bash-completion is not installed")
needs_git = pytest.mark.skipif(
    not Path("/usr/share/bash-completion/completions/git").exists(), reason="git's completion is not installed"
)


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[HelpedShell]:
    for name in ("my file", "plain", 'we"ird', "it's", ".hidden", "a$b"):
        (tmp_path / name).touch()
    (tmp_path / "my dir" / "inner dir").mkdir(parents=True)
    async with helped_shell(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("code", "matches"),
    [
        ("cat pl", ["cat plain"]),
        ("cat my", ["cat my\\ dir/", "cat my\\ file"]),
        ("cat my\\ f", ["cat my\\ file"]),
        ("cat my\\", ["cat my\\ dir/", "cat my\\ file"]),
        ('cat "my f', ['cat "my file"']),
        ("cat 'my f", ["cat 'my file'"]),
        ('cat "my d', ['cat "my dir/']),
        ('cat "my dir/in', ['cat "my dir/inner dir/']),
        ("cat my\\ dir/in", ["cat my\\ dir/inner\\ dir/"]),
        ("cat we", ['cat we\\"ird']),
        ('cat "we', ['cat "we\\"ird"']),
        ("cat 'it", ["cat 'it'\\''s'"]),
        ("cat a", ["cat a\\$b"]),
        ('cat my" f', ['cat my" file"']),
        ("cat .hi", ["cat .hidden"]),
        ("cat $PWD/pl", ["cat $PWD/plain"]),
        ('cat "$PWD/my f', ['cat "$PWD/my file"']),
        ("cat ${PWD}/pl", ["cat ${PWD}/plain"]),
        ("cat ./pl", ["cat ./plain"]),
        ("echo x >pl", ["echo x >plain"]),
        ("x=pl", ["x=plain"]),
        ("x=(pl", ["x=(plain"]),
        ("cat <(cat pl", ["cat <(cat plain"]),
        ("for x in pl", ["for x in plain"]),
        ("[[ -f pl", ["[[ -f plain"]),
        ("dd if=pl", ["dd if=plain"]),
        ("no-such-command pl", ["no-such-command plain"]),
        ("cd my", ["cd my\\ dir/"]),
        ('cd "my', ['cd "my dir/']),
        ("echo $(date) pl", ["echo $(date) plain"]),
        ("cat $(touch evil)/pl", []),
        ("# cat pl", []),
        ("cat <<X\npl", []),
    ],
)
async def test_names_of_files_are_written_as_the_user_would_have_to(
    shell: HelpedShell, code: str, matches: list[str]
) -> None:
    """Bash: readline's own rules for quotes."""
    assert await shell.matches(code) == matches
    assert not Path("evil").exists()


async def test_hidden_files_are_for_those_who_begin_with_a_dot(shell: HelpedShell) -> None:
    """Ours."""
    assert "cat .hidden" not in await shell.matches("cat ")


async def test_a_quote_that_the_editor_has_closed_is_not_closed_again(shell: HelpedShell) -> None:
    """Ours: JupyterLab closes quotes and braces while they are typed."""
    assert await shell.matches('cat "my f', '"') == ['cat "my file']
    await shell.run("lonely=1")
    assert await shell.matches("echo ${lone", "}") == ["echo ${lonely"]


async def test_the_home_directory_stays_a_tilde(shell: HelpedShell) -> None:
    """Bash: readline's own rule."""
    Path.home().joinpath("at home").touch()
    assert await shell.matches("cat ~/at") == ["cat ~/at\\ home"]


async def test_everything_that_a_cell_has_made_is_known(shell: HelpedShell) -> None:
    """Ours: the state of now, functions, aliases, variables and the directory."""
    await shell.run("vb_function() { :; }; alias vb_alias=:; vb_variable=1; vb_array=(1)")
    assert await shell.kinds("vb_") == {"vb_function": "function", "vb_alias": "alias"}
    assert await shell.kinds("echo $vb_") == {"vb_variable": "variable", "vb_array": "variable"}
    assert await shell.kinds("echo ${vb_v") == {"vb_variable}": "variable"}
    await shell.run("unset -f vb_function; unset vb_variable; vb_other=1; cd 'my dir'")
    assert await shell.kinds("vb_") == {"vb_alias": "alias"}
    assert await shell.kinds("echo $vb_") == {"vb_array": "variable", "vb_other": "variable"}
    assert await shell.matches("ls in") == ["ls inner\\ dir/"]


async def test_nothing_of_ours_is_shown(shell: HelpedShell) -> None:
    """Ours."""
    assert await shell.matches("__vb") == []
    assert await shell.matches("echo $__vb") == []


async def test_commands_have_their_kinds(shell: HelpedShell) -> None:
    """Jupyter: _jupyter_types_experimental."""
    kinds = await shell.kinds("ech")
    assert kinds["echo"] == "builtin"
    assert (await shell.kinds("whil"))["while"] == "keyword"
    assert (await shell.kinds("mkdi"))["mkdir"] == "command"
    assert (await shell.kinds("cat pl"))["plain"] == "file"
    assert (await shell.kinds("cat my"))["my\\ dir/"] == "directory"


@pytest.mark.parametrize(
    "code",
    ["mkdi", "true; mkdi", "true | mkdi", "true && mkdi", "x=1 mkdi", "if mkdi", "echo $(mkdi", "! mkdi", "sudo mkdi"],
)
async def test_commands_are_known_wherever_one_may_stand(shell: HelpedShell, code: str) -> None:
    """Bash: its grammar."""
    assert f"{code}r" in await shell.matches(code)


async def test_users_are_known(shell: HelpedShell) -> None:
    """Bash: tilde expansion."""
    assert await shell.matches("ls ~roo") == ["ls ~root/"]


async def test_the_users_own_completions_are_known(shell: HelpedShell) -> None:
    """Bash: complete(1), with words, a function, an alias for the command."""
    await shell.run("complete -W 'alpha beta' vb_words; vb_complete() { COMPREPLY=(one two); }")
    await shell.run("complete -F vb_complete vb_command; alias vbw=vb_words")
    assert await shell.matches("vb_words al") == ["vb_words alpha"]
    assert await shell.matches("vb_command ") == ["vb_command one", "vb_command two"]
    assert await shell.matches("vbw be") == ["vbw beta"]
    assert await shell.matches("sudo -n; sudo vb_words al") == ["sudo -n; sudo vb_words alpha"]


@needs_package
@needs_git
async def test_subcommands_branches_and_options_of_git_are_known(shell: HelpedShell, tmp_path: Path) -> None:
    """Bash: the package bash-completion."""
    git = shutil.which("git") or "git"
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    for words in (["init", "-q"], ["-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-mx"]):
        await anyio.run_process([git, *words], cwd=tmp_path, env=environment)
    await anyio.run_process([git, "branch", "vb-branch"], cwd=tmp_path)
    assert "git checkout" in await shell.matches("git che")
    assert await shell.matches("git checkout vb-") == ["git checkout vb-branch"]
    assert await shell.matches("git commit --amen") == ["git commit --amend"]
    assert await shell.matches("git log --pretty=onel") == ["git log --pretty=oneline"]
    await shell.run("alias g=git")
    assert "g checkout" in await shell.matches("g che")


@needs_package
async def test_options_are_known_and_named_as_such(shell: HelpedShell) -> None:
    """Bash: the package bash-completion."""
    assert (await shell.kinds("ls --col"))["--color"] == "option"
    assert "kill -HUP" in await shell.matches("kill -HU")


@needs_package
async def test_without_the_package_bash_completes_by_itself(
    shell: HelpedShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: what `complete` can do without it."""
    monkeypatch.setattr("vibesbox_kernel.shell.side_bash.PACKAGE_FILES", ())
    assert await shell.matches("export PAT") == ["export PATH"]
    assert await shell.matches("cd my") == ["cd my\\ dir/"]
    assert "sudo mkdir" in await shell.matches("sudo mkdi")
    assert await shell.matches("sudo env cat pl") == ["sudo env cat plain"]
    assert "trap SIGHUP" in await shell.matches("trap SIGHU")
    assert await shell.matches("cat pl") == ["cat plain"]


async def test_a_completion_that_hangs_is_ended_with_what_it_has_started(
    shell: HelpedShell, lifeline: Lifeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: when nobody waits for it any more; the next question is answered."""
    await shell.matches("cat pl")
    monkeypatch.setattr("vibesbox_kernel.shell.code_help.ANSWER_SECONDS", 1.0)
    await shell.run(f"vb_hang() {{ exec 9>{lifeline.path}; echo on >&9; setsid sleep 600; }}; complete -F vb_hang vb_c")
    with anyio.fail_after(5):
        assert await shell.matches("vb_c ") == []
        await lifeline.held()
        await lifeline.released()
    monkeypatch.setattr("vibesbox_kernel.shell.code_help.ANSWER_SECONDS", SECONDS)
    assert await shell.matches("cat pl") == ["cat plain"]


async def test_a_bash_that_was_killed_is_replaced(shell: HelpedShell) -> None:
    """Ours: whoever has killed it."""
    assert await shell.matches("cat pl") == ["cat plain"]
    (directory,) = shell.manager.workspace.path.glob("side-*")
    (pid,) = (
        one.pid for one in psutil.process_iter(["cmdline"]) if f"{directory}/side.sh" in (one.info["cmdline"] or [])
    )
    os.kill(pid, signal.SIGKILL)
    with anyio.fail_after(5):
        while await shell.matches("cat pl") != ["cat plain"]:
            pass


async def test_what_is_too_long_to_be_asked_is_not(shell: HelpedShell) -> None:
    """Ours: and the next question is answered."""
    assert await shell.matches(f"cat {'x' * (1 << 17)}") == []
    assert await shell.matches("cat \0") == []
    assert await shell.matches("cat pl") == ["cat plain"]


async def test_a_completion_that_leaves_the_shell_does_no_harm(shell: HelpedShell) -> None:
    """Ours: each question is answered in a fork."""
    await shell.run("vb_exit() { exit 0; }; complete -F vb_exit vb_c")
    assert await shell.matches("vb_c ") == []
    assert await shell.matches("cat pl") == ["cat plain"]


async def test_options_of_the_state_do_not_stand_in_the_way(shell: HelpedShell) -> None:
    """Ours: the user's shell may be as strict as it likes."""
    await shell.run("set -eu -o pipefail -o noclobber; shopt -s nullglob failglob; IFS=/; unset HOME")
    assert await shell.matches("cat pl") == ["cat plain"]
    assert await shell.matches("cat my\\ f") == ["cat my\\ file"]


async def test_users_functions_with_the_names_of_builtins_do_not_stand_in_the_way(shell: HelpedShell) -> None:
    """Ours."""
    await shell.run("cd() { exit; }; read() { exit; }; exec() { exit; }; exit() { :; }; return() { :; }")
    assert await shell.matches("cat pl") == ["cat plain"]


async def test_the_questions_are_no_sessions_and_leave_nothing(tmp_path: Path) -> None:
    """Ours: nothing is listed, and no file stays."""
    async with helped_shell(tmp_path) as shell:
        await shell.matches("mkdi")
        assert shell.manager.list_sessions() == []
        await shell.help.aclose()
        assert [path.name for path in shell.manager.workspace.path.glob("side-*")] == []


async def test_who_never_asks_pays_for_nothing(shell: HelpedShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: a notebook that is only run has no side bash; once somebody asks, it learns of each cell ahead."""
    monkeypatch.setattr("vibesbox_kernel.shell.side_bashes.QUIET_SECONDS", 0.0)
    await shell.run("one=1")
    shell.help.refresh_soon()
    await shell.run("two=2")
    assert list(shell.manager.workspace.path.glob("side-*")) == []
    await shell.matches("echo $on")
    (first,) = shell.manager.workspace.path.glob("side-*")
    await shell.run("function_of_now() { :; }")
    shell.help.refresh_soon()
    with anyio.fail_after(5):
        while first.exists():
            await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("%session mkdi", "%session mkdir"),
        ("%session --bg cat pl", "%session --bg cat plain"),
        ("%%session --cwd my", "%%session --cwd my\\ dir/"),
        ("%%session --bg\ncat pl", "%%session --bg\ncat plain"),
        ("%ps\n\ncat pl", "%ps\n\ncat plain"),
        ("%%session --io pi", "%%session --io pipe"),
    ],
)
async def test_magics_and_scripts_are_told_apart(shell: HelpedShell, code: str, match: str) -> None:
    """Ours: the head of a cell is magics', what follows is bash's."""
    assert match in await shell.matches(code)


async def test_where_cells_are_another_shells_bash_has_nothing_to_say(shell: HelpedShell) -> None:
    """Ours: the setting of the default shell."""
    shell.runner.settings.set("default_shell", "zsh")
    assert await shell.matches("cat pl") == []
    assert await shell.matches("#!/bin/bash\ncat pl") == ["#!/bin/bash\ncat plain"]
    assert (await shell.help.is_complete("fi")).status == "complete"


@pytest.mark.parametrize(
    "code", ["#!/usr/bin/env python3\nimport o", "%%session --shell python3\nimport o", "echo\n%ki"]
)
async def test_what_is_not_bash_is_left_alone(shell: HelpedShell, code: str) -> None:
    """Ours: a script of another interpreter is not guessed at, and a % in a script is no magic."""
    assert await shell.matches(code) == []


def test_the_texts_are_sound() -> None:
    """Bash: it can read what it is given."""
    for name in ("side.sh", "help.sh", "completion.sh"):
        path = Path(__file__).parents[2] / "vibesbox_kernel" / "shell" / "bash" / name
        subprocess.run(["/bin/bash", "-O", "extglob", "-n", path], check=True)
