"""Whether Enter should run a cell or begin another line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shell.helped import HelpedShell, helped_shell
from vibesbox_kernel.shell.completeness import indent_after

pytestmark = pytest.mark.anyio

COMPLETE = [
    "",
    "echo hi",
    "echo hi\n",
    "for i in 1 2; do echo $i; done",
    "if true; then :; fi",
    "f() { :; }",
    "f() { echo a; }; f",
    "cat <<X\nx\nX",
    "cat <<-X\n\tx\n\tX",
    "cat <<'X'\n$(\nX",
    "echo 'a\nb'",
    'echo "a"',
    "echo a \\\n b",
    "echo 'a \\\\'",
    "echo \\\\",
    "# a comment \\",
    "# it's a comment",
    "a | b",
    "a &&\nb",
    "a &",
    "(cd x; ls)",
    "{ ls; }",
    "[[ a && b ]]",
    "((1 + 1))",
    "x=(1 2)",
    "case x in x) ;; esac",
    "select x in a; do break; done",
    "coproc cat",
    "time",
    "shopt -s extglob\necho !(a)",
    "alias begin='{'\nbegin echo; }",
    "%ps",
    "%ps\necho hi",
    "%%session --bg\nsleep 1",
    "#!/usr/bin/env python3\nif 1:",
    "#!/bin/bash\necho hi",
    "%%session --shell python3\nif True:",
    "echo \0",
]
INCOMPLETE = [
    "for i in 1 2; do",
    "for i in 1 2",
    "while true\ndo",
    "until false; do echo",
    "if true",
    "if true; then",
    "if true; then\n  echo a\nelse",
    "echo 'a",
    'echo "a',
    "echo `ls",
    "echo $(ls",
    "echo ${x",
    "echo $((1 +",
    "echo a \\",
    "echo a \\\n",
    "f() {",
    "f()",
    "{ echo a",
    "(ls",
    "((1+",
    "x=(1",
    "[[ a &&",
    "a |",
    "a ||",
    "a &&",
    "cat <<X\nx",
    "cat <<X",
    "case x in",
    "case x in\n  a)",
    "case x in a) ;;",
    "%%session --bg",
    "#!/usr/bin/env python3",
    "#!/bin/bash\nif true",
    "%ps\nif true",
]
INVALID = [
    "fi",
    "done",
    "echo )",
    "; echo",
    "if; then",
    "for x y do",
    "a | | b",
    "echo !(a)",
    "f() }",
    "case x in esac )",
    "%no-such-magic",
    "%ps --no-such-option",
    "#!/bin/bash\nfi",
]


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[HelpedShell]:
    async with helped_shell(tmp_path) as made:
        yield made


async def test_cells_are_complete_incomplete_or_invalid_as_bash_says(shell: HelpedShell) -> None:
    """Bash: `bash -n`, with what the messages mean."""
    for status, codes in (("complete", COMPLETE), ("incomplete", INCOMPLETE), ("invalid", INVALID)):
        assert {code: (await shell.help.is_complete(code)).status for code in codes} == dict.fromkeys(codes, status)


async def test_the_shells_own_patterns_and_aliases_count(shell: HelpedShell) -> None:
    """Bash: what extglob and aliases allow is no error."""
    await shell.run("shopt -s extglob; alias begin='{'")
    assert (await shell.help.is_complete("echo !(a)")).status == "complete"
    assert (await shell.help.is_complete("begin echo; }")).status == "complete"


async def test_nothing_is_run(shell: HelpedShell, tmp_path: Path) -> None:
    """Ours."""
    await shell.help.is_complete("touch ran")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "indent"),
    [
        ("if true; then", "  "),
        ("if true", ""),
        ("for x in a; do", "  "),
        ("f() {", "  "),
        ("(", "  "),
        ("x=(", "  "),
        ("while true\ndo", "  "),
        ("if a; then\n    b", "    "),
        ("if a; then\n    if b; then", "        "),
        ("if a; then\n\tb\n\tif c; then", "\t\t"),
        ("case x in", "  "),
        ("case x in\n  a)", "    "),
        ("case x in\n  a)\n    b\n    ;;", "  "),
        ("a |", "  "),
        ("a \\", "  "),
        ("cat <<X\n  text", ""),
        ("echo '  a", ""),
        ("if a; then\n  b\nelse", "  "),
    ],
)
def test_the_next_line_is_indented_as_the_cell_does_it(script: str, indent: str) -> None:
    """Ours: by two blanks, as shells are mostly written, where the cell does not show another way."""
    assert indent_after(script) == indent
