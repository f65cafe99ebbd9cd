"""What of a cell its bash is given: the text to source, where, and how to look at it first."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from vibesbox_kernel.sessions.validation import find_directory, fitting_command
from vibesbox_kernel.shell.cell import Cell
from vibesbox_kernel.shell.magics import MAGICS
from vibesbox_kernel.shell.other_shells import OTHER_SHELLS, OtherShellCell, OtherStates
from vibesbox_kernel.shell.privacy import PRIVATE_COMMAND
from vibesbox_kernel.shell.program import Program, Replacement, SearchPath, named_by_option, named_by_shebang
from vibesbox_kernel.shell.recall import Recall
from vibesbox_kernel.shell.state import ShellState
from vibesbox_kernel.shell.syntax import Check, check_for
from vibesbox_kernel.shell.unseen import without_unseen

_MAGIC = re.compile(r"(?m)^[ \t]*(%%?([a-z]+))(?=\s|$)")
_COMMAND = re.compile(r"(?m)^[ \t\r\f\v]*[^\s#]")


@dataclass(frozen=True)
class Script:
    """A cell, ready for a bash.

    Attributes:
        text: What is sourced.
        check: How to look for syntax errors.
        status: ``$?`` at the first command.
        directory: Where it begins.
        for_one_cell: The directory is this cell's own: the next one is to begin where this one would have.
        replacement: What the bash becomes to run it; None when it does so itself.
        notices: What the user should be told.
        recalled: What bash's own history shall know in it.
        private: It is to be remembered nowhere.
    """

    text: str
    check: Check
    status: int
    directory: str
    for_one_cell: bool = False
    replacement: Replacement | None = None
    notices: tuple[str, ...] = ()
    recalled: tuple[str, ...] = ()
    private: bool = False

    @property
    def command(self) -> str:
        """What the session is listed with."""
        return PRIVATE_COMMAND if self.private else fitting_command(self.text)


def make_script(
    cell: Cell,
    state: ShellState,
    status: int,
    *,
    others: OtherStates,
    default_shell: str | None = None,
    recall: Recall | None = None,
) -> Script:
    """Get a cell ready.

    Args:
        cell: The cell.
        state: What it starts from.
        status: How the foreground cell before it ended.
        others: The states of other shells.
        default_shell: Runs the cells that name none; bash, if none is given.
        recall: The cells before it.

    Raises:
        DirectoryNotFoundError: No such ``--cwd``.
        ShellNotFoundError: No such ``--shell``, or no such program behind ``#!``.
    """
    text, notices = without_unseen(cell.script, first_line=cell.script_line)
    cwd = state.cwd
    directory = existing_directory(cwd)
    search = SearchPath(cell.options.env.get("PATH", state.value("PATH") or os.defpath), directory)
    replacement = _replacement(text, cell.options.shell, default_shell, search, others)
    if isinstance(replacement, OtherShellCell) and replacement.base is not None:
        cwd = replacement.base.cwd
        directory = existing_directory(cwd)
    elif isinstance(replacement, Program) and not replacement.by_shebang:
        notices += others.notice_once(replacement.name)
    if cell.options.cwd is not None:
        directory = find_directory(Path(directory, Path(cell.options.cwd).expanduser()))
    elif directory != cwd:
        notices += (f"the directory {cwd} is gone; this cell began in {directory}",)
    if replacement is None:
        notices += _on_magics(text, cell.script_line)
    return Script(
        text=text,
        check=check_for(text),
        status=0 if _is_empty(text) else status,
        directory=directory,
        for_one_cell=cell.options.cwd is not None,
        replacement=replacement,
        notices=notices,
        recalled=() if recall is None else recall.wanted_by(text),
        private=cell.private,
    )


def _replacement(
    script: str, shell: str | None, default_shell: str | None, search: SearchPath, others: OtherStates
) -> Replacement | None:
    """What is to run a script: what ``--shell`` names, else what its first line does, else the usual shell."""
    if shell is None:
        program = named_by_shebang(script, search)
        if program is not None:
            return program
    shell = shell or default_shell
    if shell is None or shell == "bash":
        return None
    program = named_by_option(shell, search)
    if program.name == "bash" and os.path.realpath(program.argv[0]) == os.path.realpath(shutil.which("bash") or ""):
        return None  # by its path
    known = OTHER_SHELLS.get(program.name)
    return program if known is None else OtherShellCell(known, program.argv[0], others.newest(known.name))


def existing_directory(wanted: str) -> str:
    """A directory, or the nearest above it that can still be entered."""
    while wanted != "/" and not os.access(f"{wanted}/", os.X_OK):  # what ends in a slash must be a directory
        wanted = str(Path(wanted).parent)
    return wanted


def _on_magics(script: str, first_line: int) -> tuple[str, ...]:
    """Say of a magic in the midst of a script that it is none: to bash it is a job, and no such job is there."""
    if "%" not in script:
        return ()
    for match in _MAGIC.finditer(script):
        if match[2] in MAGICS:
            line = first_line + script.count("\n", 0, match.start())
            return (f"{match[1]} in line {line} is no magic: magics stand at the head of a cell, before its script",)
    return ()


def _is_empty(script: str) -> bool:
    """Nothing but comments: a script like that ends with 0, whatever $? was before it."""
    return _COMMAND.search(script) is None
