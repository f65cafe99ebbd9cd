"""The head of a cell that is being written: where its magics end and its script begins, as far as can be seen yet."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.magic_args import CellOptions
from vibesbox_kernel.shell.magics import CellBody, parse_magic

_LINE = re.compile(r"[^\n]*\n?")
_SHEBANG = re.compile(r"#![ \t]*(?:\S*/env[ \t]+(?:-S[ \t]*)?)?(\S*)")


@dataclass(frozen=True)
class CellHead:
    """What stands above the script.

    Attributes:
        end: Where in the text the script begins.
        options: What its ``%%session`` line asked for; None if there is no such line, or it is wrong.
        over_cell: The last magic stands over the cell (``%%``): what follows is its own.
        holds_cursor: The text ends in a magic's line.
    """

    end: int
    options: CellOptions | None = None
    over_cell: bool = False
    holds_cursor: bool = False


def read_head(text: str) -> CellHead:
    """Find where the script begins; what is wrong in a magic's line does not matter."""
    end, unfinished = 0, False
    for line in _LINE.finditer(text):
        stripped = line.group().strip()
        if stripped.startswith("%"):
            end, unfinished = line.end(), not line.group().endswith("\n")
            if stripped.startswith("%%"):
                return CellHead(end, _options(stripped), over_cell=True, holds_cursor=unfinished)
        elif (stripped and not stripped.startswith("#")) or stripped.startswith("#!"):
            break
    return CellHead(end, holds_cursor=unfinished)


def split_body(text: str, line: int) -> CellBody:
    """Take the text below a magic that is about it apart.

    Args:
        text: The text.
        line: The line of the cell at which it begins.
    """
    head = read_head(text)
    above = text[: head.end]
    return CellBody(above, head.options, text[head.end :], line + above.count("\n"))


def shell_of(options: CellOptions | None, script: str, *, default: str = "bash") -> str:
    """The name of the shell, or of another interpreter, that a script is for.

    Args:
        options: What the cell asks for.
        script: The script.
        default: The shell, or its path, of scripts of which nothing else is said.
    """
    if options is not None and options.shell is not None:
        return options.shell.rpartition("/")[2]
    shebang = _SHEBANG.match(script)
    return (default if shebang is None else shebang.group(1)).rpartition("/")[2]


def is_for_bash(head: CellHead, script: str, *, default: str = "bash") -> bool:
    """Whether a script is bash's, not another interpreter's."""
    return shell_of(head.options, script, default=default) in ("bash", "sh")


def _options(line: str) -> CellOptions | None:
    try:
        args = parse_magic(line).args
    except MagicError:
        return None
    return args if isinstance(args, CellOptions) else None
