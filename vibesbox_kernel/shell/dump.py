"""What a cell's bash writes down at its end (``bash/finish.sh``), taken apart into sections.

A dump is the output of ``trap -p``, then sections that are headed by a line ``MARK NAME``. The mark is random and made
anew for each cell, so that no text of the user's can look like a heading.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from vibesbox_kernel.errors import ShellStateError

TRAPS = "traps"
SYNTAX_ERROR = "syntax"
_END = "end"

# In posix mode bash leaves SIG out; zsh always does.
_TRAP = re.compile(rb"(?m)^trap -- ('(?:[^']|'\\'')*') (?:SIG)?(\S+)$")


class Way(StrEnum):
    """How a cell came to its end, as its bash knows it.

    ``END`` is the end of its text, ``EXIT`` the word itself. ``TRAP`` is a signal or, as rarely, an error that ends a
    shell; ``LEFT`` is either of these, or ``exit`` or ``set -e``: then the status in the dump may not be the true one.
    ``SYNTAX`` is a cell that was not run at all, ``EARLY`` one that was interrupted before its first command,
    ``STARTUP`` the user's start-up files.
    """

    END = "end"
    EXIT = "exit"
    LEFT = "left"
    TRAP = "trap"
    SYNTAX = "syntax"
    EARLY = "early"
    STARTUP = "startup"

    @property
    def certain(self) -> bool:
        """Whether no signal can have ended the cell."""
        return self not in (Way.LEFT, Way.TRAP)


@dataclass(frozen=True)
class Dump:
    """One dump.

    Attributes:
        sections: Their text, by name.
        code: What ``$?`` was at the end of the cell.
        way: How the end came.
    """

    sections: Mapping[str, bytes]
    code: int
    way: Way

    def text(self, section: str) -> str:
        """A section as text without its last newline; empty if there is none."""
        return self.sections.get(section, b"").decode("utf-8", "replace").rstrip("\n")


def new_mark() -> str:
    """A mark for one cell."""
    return f"vibesbox:{secrets.token_hex(16)}"


def parse_dump(data: bytes, mark: str) -> Dump:
    """Take a dump apart.

    Raises:
        ShellStateError: It is not whole: the shell was ended while it wrote, or the disk is full.
    """
    first, *parts = data.split(b"\n" + mark.encode() + b" ")
    sections = {TRAPS: first}
    for part in parts:
        heading, _, text = part.partition(b"\n")
        sections[heading.decode("ascii", "replace")] = text
    code, separator, way = sections.pop(_END, b"").strip().partition(b" ")
    if not separator:
        raise ShellStateError(f"the shell's state is cut off after {len(data)} bytes; is the disk full?")
    return Dump(sections=sections, code=int(code), way=Way(way.decode("ascii")))


def traps_in(text: bytes) -> dict[bytes, bytes]:
    """The commands (quoted) that a shell has listed as its traps, by signal; without EXIT, which is the cell's own."""
    return {match[2]: match[1] for match in _TRAP.finditer(text) if match[2] != b"EXIT"}
