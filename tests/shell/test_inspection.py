"""What is known of the word at the cursor."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shell.helped import HelpedShell, helped_shell
from vibesbox_kernel.shell.word_at import WordAt, word_at

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[HelpedShell]:
    (tmp_path / "a file").touch()
    (tmp_path / "plain").mkdir()
    async with helped_shell(tmp_path) as made:
        yield made


async def known(shell: HelpedShell, marked: str, *, detailed: bool = False) -> str:
    """What is known where ``^`` stands in the code; empty if nothing is."""
    found = await shell.help.inspect(marked.replace("^", "", 1), marked.index("^"), detailed=detailed)
    return "" if found is None else found.text


@pytest.mark.parametrize(
    ("marked", "word"),
    [
        ("ls^", WordAt("ls", is_command=True)),
        ("l^s -l", WordAt("ls", is_command=True)),
        ("ls ^", WordAt("ls", is_command=True)),
        ("ls -^l", WordAt("-l", command=("ls",))),
        ("a; ^ls", WordAt("ls", is_command=True)),
        ("a\nls^\nb", WordAt("ls", is_command=True)),
        ("if true; then gr^eet; fi", WordAt("greet", is_command=True)),
        ("echo $(gr^eet)", WordAt("greet", is_command=True)),
        ("echo $NA^ME", WordAt("NAME", is_variable=True)),
        ("echo ${NAM^E}", WordAt("NAME", is_variable=True)),
        ("echo ${#NAM^E}", WordAt("NAME", is_variable=True)),
        ('echo "a $NAME^"', WordAt("NAME", is_variable=True)),
        ("NA^ME=1", WordAt("NAME", is_variable=True)),
        ("cat my\\ fi^le", WordAt("my file", command=("cat",))),
        ("git commit --am^end", WordAt("--amend", command=("git", "commit"))),
        ("# li^ke this", None),
        ("^", None),
        ("   ^", None),
    ],
)
def test_the_word_and_its_part_are_seen(marked: str, word: WordAt | None) -> None:
    """Bash: its grammar."""
    assert word_at(marked.replace("^", "", 1), marked.index("^")) == word


@pytest.mark.parametrize(
    ("marked", "part"),
    [
        ("gree^t x", "Function greet\n  greet () \n  { \n      echo hello"),
        ("l^l", "Alias ll\n  alias ll='ls -l'\n"),
        ("echo $NAM^E", 'Variable NAME\n  declare -x NAME="a b"\n'),
        ("echo ${MA^P[a]}", 'declare -A MAP=([a]="1" )'),
        ("unset NAM^E", 'declare -x NAME="a b"'),
        ("type gree^t", "Function greet"),
        ("printf^ '%s'", "Shell builtin printf\n  printf: printf [-v var] format [arguments]"),
        ("whil^e true", "Shell keyword while"),
        ("mkdi^r x", "Program mkdir\n  /"),
        ("mkdir -^p", "Program mkdir\n  /"),
        ("sudo mkdi^r x", "Program mkdir\n  /"),
        ("env nice greet^", "Function greet"),
        ("cat a\\ fi^le", "File a file\n  -rw"),
        (">plai^n", "File plain"),
        ("x=./plai^n", "File ./plain"),
        ("ls plai^n", "File plain\n  drwx"),
        ("%ta^il x", "Magic %tail\n"),
        ("%tail --foll^ow x", "--follow"),
        ("%%session --durab^le\nls", "it survives"),
        ("%tail we^b", "status"),
        ("%%session --bg\ngreet^", "Function greet"),
        ("%session gree^t", "Function greet"),
        ("%ps\ngreet^", "Function greet"),
    ],
)
async def test_what_there_is_is_known(shell: HelpedShell, marked: str, part: str) -> None:
    """Ours: of the state of now."""
    await shell.run("greet() { echo hello $1; }; alias ll='ls -l'; export NAME='a b'; declare -A MAP=([a]=1)")
    await shell.run("%%session --name web\ntrue")
    assert part in await known(shell, marked)


@pytest.mark.parametrize("marked", ["no-such-thing^", "# greet^", "%no-such-magic^", "echo $__vb_dir^ectory", "^"])
async def test_of_what_there_is_not_nothing_is_known(shell: HelpedShell, marked: str) -> None:
    """Jupyter: found is false."""
    assert await known(shell, marked) == ""


async def test_the_html_is_what_the_text_is(shell: HelpedShell) -> None:
    """Ours: the user's text is text there, too."""
    await shell.run("show() { echo '<b>&amp;'; }")
    found = await shell.help.inspect("show", 2)
    assert found is not None
    assert "&lt;b&gt;&amp;amp;" in found.html


async def test_no_command_is_run_to_find_out(shell: HelpedShell, tmp_path: Path) -> None:
    """Ours: not even with --help."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    await shell.run("PATH=$PATH:$PWD")
    assert str(program) in await known(shell, "program^", detailed=True)
    await known(shell, "echo $(touch ran)x^", detailed=True)
    assert not (tmp_path / "ran").exists()


async def test_a_long_text_is_cut(shell: HelpedShell) -> None:
    """Ours: a page can bear so much."""
    await shell.run("printf -v LONG %0100000d 1")
    text = await known(shell, "echo $LON^G")
    assert len(text) < 25_000
    assert "characters more" in text


@pytest.mark.skipif(not (shutil.which("man") and Path("/usr/share/man/man1/bash.1.gz").exists()), reason="no man pages")
async def test_with_details_there_is_the_manual_page(shell: HelpedShell) -> None:
    """Ours: as soon as `man` has it, or when it is asked for again."""
    for _ in range(20):
        if "Manual page of bash" in await known(shell, "bash^", detailed=True):
            break
    else:
        pytest.fail("no page")
    assert "Manual page" not in await known(shell, "bash^")


@pytest.mark.skipif(not Path("/usr/share/man/man1/ls.1.gz").exists(), reason="no man pages")
async def test_of_an_option_its_own_text_is_known(shell: HelpedShell) -> None:
    """Ours: first what the option does, then whose it is."""
    for _ in range(20):
        text = await known(shell, "ls -l --rever^se")
        if text.startswith("ls --reverse\n"):
            break
    assert "reverse order while sorting" in text.partition("Program ls")[0]
    assert "Program ls" in text
