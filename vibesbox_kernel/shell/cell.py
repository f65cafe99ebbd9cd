"""What a cell's text means: magic lines at its head, then a script that is kept byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from vibesbox_kernel.shell.cell_head import split_body
from vibesbox_kernel.shell.magic_args import CellOptions
from vibesbox_kernel.shell.magics import MAGICS, MagicCall, parse_magic
from vibesbox_kernel.shell.privacy import is_private


@dataclass(frozen=True)
class Cell:
    """A cell that was understood.

    Attributes:
        magics: What stands at its head, in order, without a ``%%session`` line.
        options: Of its ``%%session`` line; the defaults when there is none.
        script: The rest of the text, exactly as it stands.
        script_line: The line of the cell, counted from 1, at which the script begins.
        private: It is to be remembered nowhere.
        secrets: The values of the variables that ``options.secret_env`` names.
    """

    magics: tuple[MagicCall, ...] = ()
    options: CellOptions = field(default_factory=CellOptions)
    script: str = ""
    script_line: int = 1
    private: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def has_script(self) -> bool:
        """Whether there is anything but blanks to run."""
        return bool(self.script.strip())


def parse_cell(text: str) -> Cell:
    """Split a cell into its magics, its options and its script.

    Magic lines stand at the head; blank lines and comments may stand among them and belong to the head as long as
    another magic line follows. The first other line begins the script, and so does the line after ``%%session``: from
    there on a ``%`` is the script's own. Nothing is run of what follows a magic that is about the cell (``%%lint``). A
    cell that begins with ``#!`` is all script.

    Raises:
        MagicError: A magic line is wrong; nothing was run.
    """
    if "%" not in text:
        return Cell(script=text, private=is_private(text))  # however long its head of comments is
    magics: list[MagicCall] = []
    options = CellOptions()
    start, script_line = 0, 1
    for number, (line, end) in enumerate(_lines(text), start=1):
        stripped = line.strip()
        if stripped.startswith("%"):
            call = parse_magic(stripped)
            start, script_line = end, number + 1
            if call.cell and isinstance(call.args, CellOptions):
                options = call.args
                break
            if call.cell and MAGICS[call.name].takes_body:
                body = split_body(text[end:], number + 1)
                return Cell((*magics, replace(call, body=body)), script_line=number + 1)
            magics.append(call)
        elif not _may_stand_among_magics(stripped):
            break
    return Cell(tuple(magics), options, text[start:], script_line, is_private(text))


def _may_stand_among_magics(stripped: str) -> bool:
    return not stripped or (stripped.startswith("#") and not stripped.startswith("#!"))


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """Each line, and the offset at which the next begins. Only a newline ends a line: bash knows no other."""
    start = 0
    while start < len(text):
        newline = text.find("\n", start)
        end = len(text) if newline < 0 else newline + 1
        yield text[start:end], end
        start = end
