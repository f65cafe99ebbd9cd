"""Whether a cell that is being written can be run as it stands, and if not, how its next line is indented."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.cell import parse_cell
from vibesbox_kernel.shell.cell_head import is_for_bash, read_head
from vibesbox_kernel.shell.command_scanner import is_in_text, parse_command_line
from vibesbox_kernel.shell.completion import AskBash
from vibesbox_kernel.shell.syntax import Check, check_for

if TYPE_CHECKING:
    from vibesbox_kernel.sessions.workspace import Workspace

STEP = "  "
"""How far a block is indented where the cell does not show another way."""
_UNFINISHED = (
    "unexpected end of file",
    "unexpected EOF",
    "unexpected token `EOF'",
    "looking for matching",
    "delimited by end-of-file",
)
_CONTINUES = re.compile(r"(?<!\\)(?:\\\\)*\\\n?\Z")
_OPENS = re.compile(r"(?:(?:^|[\s;&|({])(?:then|do|else|in|\{)|[({]|&&|\|\|?|\\)\s*$")
_PATTERN = re.compile(r"^\s*\(?[^()\s]+\)\s*$")
_ENDS_PATTERN = re.compile(r";;&?\s*$|;&\s*$")


@dataclass(frozen=True)
class Completeness:
    """An answer.

    Attributes:
        status: ``unknown`` when bash does not answer in time.
        indent: What the next line of an incomplete cell begins with.
    """

    status: Literal["complete", "incomplete", "invalid", "unknown"]
    indent: str = ""


async def completeness(code: str, *, workspace: Workspace, ask: AskBash, default_shell: str) -> Completeness:
    """Find out whether a cell can be run; nothing of it is.

    Args:
        code: The cell's text.
        workspace: Where the cell can be read by bash.
        ask: Asks the side bash.
        default_shell: Which runs cells that name none.
    """
    try:
        parse_cell(code)
    except MagicError:
        return Completeness("invalid")
    head = read_head(code)
    script = code[head.end :]
    if not script.strip():
        return Completeness("incomplete" if head.over_cell else "complete")
    if not is_for_bash(head, script, default=default_shell):
        only_shebang = script.startswith("#!") and "\n" not in script
        return Completeness("incomplete" if only_shebang else "complete")
    if _CONTINUES.search(script) and not parse_command_line(script).is_comment:
        return Completeness("incomplete", indent_after(script))
    return await _ask_bash(script, workspace, ask)


async def _ask_bash(script: str, workspace: Workspace, ask: AskBash) -> Completeness:
    name = f"check-{secrets.token_hex(6)}"
    path = workspace.write(name, script.encode("utf-8", "surrogateescape"))
    try:
        said = await ask("__vb_check", str(path), "" if check_for(script) is Check.STRICT else "extglob")
    finally:
        workspace.remove(name)
    if not said:
        return Completeness("unknown")
    status, message = said[0]
    if any(sign in message for sign in _UNFINISHED):
        return Completeness("incomplete", indent_after(script))
    # What an alias stands for may be any syntax, and the cell itself may define it.
    valid = status == "0" or check_for(script) is Check.NONE
    return Completeness("complete" if valid else "invalid")


def indent_after(script: str) -> str:
    """What the line after an unfinished script begins with; nothing inside of quotes and here-documents."""
    if is_in_text(script):
        return ""
    lines = [line for line in script.split("\n") if line.strip()]
    last = lines[-1] if lines else ""
    base = last[: len(last) - len(last.lstrip())]
    step = _step_of(lines)
    if _OPENS.search(last) or (_PATTERN.match(last) and "case" in script):
        return base + step
    return base.removesuffix(step) if _ENDS_PATTERN.search(last) else base


def _step_of(lines: list[str]) -> str:
    """How far this cell indents a block."""
    indents = {line[: len(line) - len(line.lstrip())] for line in lines} - {""}
    return min(indents, key=len) if indents else STEP
