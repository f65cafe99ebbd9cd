"""``%%lint``: what shellcheck has to say of a cell.

A cell is not a whole script: what earlier cells have set is known here, and what is set here may be for a later one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.code_tools import find_tool, run_tool
from vibesbox_kernel.shell.magic_args import LintArgs
from vibesbox_kernel.shell.verb_result import Json, VerbResult

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.magics import CellBody

_UNUSED = 2034
_UNASSIGNED = 2154
_WIKI = "https://www.shellcheck.net/wiki/SC{}"
_DIALECTS = frozenset({"bash", "dash", "ksh", "sh"})
_LEFT = "text-align:left"
_HAS_FINDINGS = (0, 1)
"""Source: shellcheck(1), RETURN VALUES."""


@dataclass(frozen=True)
class Finding:
    """One thing that shellcheck has found.

    Attributes:
        line: Of the cell as the user sees it, counted from 1.
        column: Of that line, counted from 1.
        end_column: Behind its last character, if that is on the same line.
        level: ``error``, ``warning``, ``info`` or ``style``.
        code: The number behind ``SC``.
        source: The whole line.
    """

    line: int
    column: int
    end_column: int
    level: str
    code: int
    message: str
    source: str


async def lint(
    manager: SessionManager, args: LintArgs, body: CellBody, *, shell: str, variables: Collection[str]
) -> VerbResult:
    """Look through a cell, of which nothing is run.

    Args:
        manager: Whose broker runs shellcheck.
        args: What to look for.
        body: The cell below the magic.
        shell: The shell that it is for.
        variables: What earlier cells have set.

    Raises:
        MagicError: There is no shellcheck, or it can not judge this.
    """
    tool = find_tool("shellcheck", magic="%%lint", extra="lint")
    answer = await run_tool(manager, [tool, *_options(args, shell)], body.script, magic="%%lint")
    if answer.code not in _HAS_FINDINGS:
        raise MagicError(f"%%lint: {answer.text.strip() or 'shellcheck failed'}", magic="%%lint")
    findings = list(_findings(answer.text, body, variables))
    return VerbResult(_text(findings), html=_html(findings) if findings else None, data=_data(findings))


def _options(args: LintArgs, shell: str) -> Iterator[str]:
    yield "--format=json1"
    yield "--norc"
    yield f"--severity={args.severity}"
    if shell not in _DIALECTS:
        raise MagicError(f"%%lint knows {', '.join(sorted(_DIALECTS))}, not {shell}", magic="%%lint")
    yield f"--shell={shell}"
    yield f"--exclude={','.join((f'SC{_UNUSED}', *args.exclude))}"


def _findings(text: str, body: CellBody, variables: Collection[str]) -> Iterator[Finding]:
    lines = body.script.split("\n")
    for one in json.loads(text)["comments"]:
        if one["code"] == _UNASSIGNED and _name_in(one) in variables:
            continue
        same_line = one["endLine"] == one["line"]
        source = lines[one["line"] - 1] if one["line"] <= len(lines) else ""
        yield Finding(
            line=one["line"] + body.script_line - 1,
            column=one["column"],
            end_column=one["endColumn"] if same_line else len(source) + 1,
            level=one["level"],
            code=one["code"],
            message=one["message"],
            source=source,
        )


def _name_in(comment: dict[str, Any]) -> str:
    """The variable of which a comment says that it is not assigned."""
    name = re.match(r"\w+", comment["message"])
    return name.group() if name else ""


def _text(findings: list[Finding]) -> str:
    if not findings:
        return "shellcheck has found nothing\n"
    return "".join(
        f"{one.line}:{one.column}: {one.level}: {one.message} [SC{one.code}]\n    {one.source}\n    {_marked(one)}\n"
        for one in findings
    )


def _marked(finding: Finding) -> str:
    """A line that points at the place in the line above; TABs stay, so that it stands right below."""
    before = re.sub(r"[^\t]", " ", finding.source[: finding.column - 1])
    return f"{before}^{'~' * (finding.end_column - finding.column - 1)}"


def _html(findings: list[Finding]) -> str:
    rows = "".join(
        f"<tr><td>{one.line}:{one.column}</td><td>{escape(one.level)}</td>"
        f'<td style="{_LEFT}"><a href="{_WIKI.format(one.code)}" target="_blank">SC{one.code}</a>'
        # As code: JupyterLab takes a text between two dollars for TeX.
        f' <code>{escape(one.message)}</code><pre style="margin:0">{escape(one.source)}\n{_marked(one)}</pre></td></tr>'
        for one in findings
    )
    head = "".join(f'<th scope="col" style="{_LEFT}">{name}</th>' for name in ("line", "level", "finding"))
    return f'<table class="vibesbox-lint"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _data(findings: list[Finding]) -> Json:
    return [
        {"line": one.line, "column": one.column, "level": one.level, "code": one.code, "message": one.message}
        for one in findings
    ]
