"""``%%fmt``: a cell as shfmt would write it, in the place of the cell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.code_tools import find_tool, run_tool
from vibesbox_kernel.shell.magic_args import FmtArgs
from vibesbox_kernel.shell.verb_result import VerbResult

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.magics import CellBody

_DIALECTS = {"bash": "bash", "sh": "posix", "dash": "posix", "ksh": "mksh", "mksh": "mksh"}
_PLACE = re.compile(r"^(\d+):(\d+): ", re.MULTILINE)


async def fmt(manager: SessionManager, args: FmtArgs, body: CellBody, *, shell: str) -> VerbResult:
    """Format a cell, of which nothing is run; its magics stay as they are.

    Args:
        manager: Whose broker runs shfmt.
        args: How to format.
        body: The cell below the magic.
        shell: The shell that it is for.

    Raises:
        MagicError: There is no shfmt, or it can not read this.
    """
    tool = find_tool("shfmt", magic="%%fmt", extra="lint")
    if shell not in _DIALECTS:
        raise MagicError(f"%%fmt knows {', '.join(sorted(_DIALECTS))}, not {shell}", magic="%%fmt")
    words = [tool, f"--indent={args.indent}", f"--language-dialect={_DIALECTS[shell]}"]
    answer = await run_tool(manager, words, body.script, magic="%%fmt")
    if answer.code != 0:
        raise MagicError(f"%%fmt: {_of_cell(answer.text.strip(), body.script_line)}", magic="%%fmt")
    formatted = answer.text.rstrip("\n")
    said = "it is formatted already\n" if formatted == body.script.rstrip("\n") else ""
    return VerbResult(said, next_input=body.head + formatted)


def _of_cell(message: str, script_line: int) -> str:
    """A message that counts lines as the user sees them."""
    return _PLACE.sub(lambda match: f"line {int(match.group(1)) + script_line - 1}:{match.group(2)}: ", message)
