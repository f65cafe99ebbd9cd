"""``%%lint`` and ``%%fmt``: programs that judge and rewrite a cell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shell.helped import HelpedShell, helped_shell
from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell import verbs
from vibesbox_kernel.shell.cell import parse_cell
from vibesbox_kernel.shell.verb_result import VerbResult

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[HelpedShell]:
    async with helped_shell(tmp_path) as made:
        yield made


async def carry_out(shell: HelpedShell, code: str) -> VerbResult:
    cell = parse_cell(code)
    assert not cell.has_script
    return await verbs.carry_out(shell.manager, cell.magics[-1], runner=shell.runner)


def test_nothing_is_run_of_a_cell_that_a_magic_is_about() -> None:
    """Ours: the cell is the magic's body, with magics of its own."""
    cell = parse_cell("%ps\n%%lint\n%%session --bg\n\nls $x\n")
    body = cell.magics[1].body
    assert (cell.has_script, body is not None) == (False, True)
    assert body is not None
    assert (body.head, body.script, body.script_line) == ("%%session --bg\n", "\nls $x\n", 4)


async def test_findings_have_the_lines_of_the_cell_as_the_user_sees_it(shell: HelpedShell) -> None:
    """Ours: counted from the cell's first line, the magic's own."""
    result = await carry_out(shell, "%%lint\n# a comment\n\n\tls $1x\n")
    assert result.text == (
        "4:5: info: Double quote to prevent globbing and word splitting. [SC2086]\n    \tls $1x\n    \t   ^~\n"
    )
    assert result.html is not None
    assert '<a href="https://www.shellcheck.net/wiki/SC2086"' in result.html
    assert result.data == [
        {
            "line": 4,
            "column": 5,
            "level": "info",
            "code": 2086,
            "message": "Double quote to prevent globbing and word splitting.",
        }
    ]


async def test_a_cell_is_not_taken_for_a_whole_script(shell: HelpedShell) -> None:
    """Ours: what earlier cells have set is set, and what is set here may be for later ones."""
    code = '%%lint\nfor_later=1\necho "$from_before"\n'
    assert "from_before is referenced but not assigned" in (await carry_out(shell, code)).text
    await shell.run("from_before=1")
    assert (await carry_out(shell, code)).text == "shellcheck has found nothing\n"


async def test_what_is_looked_for_can_be_chosen(shell: HelpedShell) -> None:
    """Ours: options as shellcheck's own."""
    assert "SC2086" in (await carry_out(shell, "%%lint -S info\nls $1")).text
    assert "nothing" in (await carry_out(shell, "%%lint --severity warning\nls $1")).text
    assert "nothing" in (await carry_out(shell, "%%lint -e SC2086\nls $1")).text
    assert "SC3010" in (await carry_out(shell, "%%lint\n%%session --shell sh\n[[ a ]]")).text
    with pytest.raises(MagicError, match="did you mean warning"):
        parse_cell("%%lint -S warnin\nls")


async def test_a_cell_is_put_in_its_place_formatted(shell: HelpedShell) -> None:
    """Ours: with the magics that it has below the one that asked."""
    result = await carry_out(shell, "%%fmt\n%%session --bg\nif true\nthen echo  a;fi\n")
    assert result.next_input == "%%session --bg\nif true; then echo a; fi"
    assert (await carry_out(shell, "%%fmt -i 0\nif true; then ls; fi\n")).next_input == "if true; then ls; fi"
    assert (await carry_out(shell, "%%fmt -i 4\n{\nls\n}")).next_input == "{\n    ls\n}"
    assert (await carry_out(shell, "%%fmt\nls\n")).text == "it is formatted already\n"


async def test_a_cell_that_can_not_be_read_says_where(shell: HelpedShell) -> None:
    """Ours: by the line of the cell."""
    with pytest.raises(MagicError, match=r"^%%fmt: line 3:1: .*then"):
        await carry_out(shell, "%%fmt\nls\nif true\n")
    assert "3:1: error: " in (await carry_out(shell, "%%lint\nls\nif true\n")).text


@pytest.mark.parametrize("magic", ["lint", "fmt"])
async def test_without_the_program_it_says_how_to_get_it(
    shell: HelpedShell, magic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: the command to type."""
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(MagicError, match=r"not installed: pip install 'vibesbox\[lint\]'"):
        await carry_out(shell, f"%%{magic}\nls")


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("%%lint", "there is no script below it"),
        ("%%fmt\n%ps\n", "there is no script below it"),
        ("%%lint\n#!/usr/bin/env python3\nimport os", "knows bash, dash, ksh, sh, not python3"),
        ("%%fmt\n%%session --shell /usr/bin/fish\nls", "not fish"),
    ],
)
async def test_what_can_not_be_judged_is_said(shell: HelpedShell, code: str, why: str) -> None:
    """Ours."""
    with pytest.raises(MagicError, match=why):
        await carry_out(shell, code)


def test_over_a_cell_is_the_only_place_for_them() -> None:
    """Ours: the error says how."""
    with pytest.raises(MagicError, match="did you mean %%lint"):
        parse_cell("%lint ls")


async def test_a_file_of_a_cell_stays_nowhere_and_is_no_session(shell: HelpedShell) -> None:
    """Ours."""
    await carry_out(shell, "%%lint\nls $1")
    assert list(shell.manager.workspace.path.glob("code-*")) == []
    assert shell.manager.list_sessions() == []
