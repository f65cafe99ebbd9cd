"""What of a cell its bash is given: the text to source, where, and how to look at it first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vibesbox_kernel.sessions.validation import find_directory, find_shell
from vibesbox_kernel.shell.cell import Cell
from vibesbox_kernel.shell.quoting import quote
from vibesbox_kernel.shell.state import ShellState
from vibesbox_kernel.shell.syntax import Check, check_for
from vibesbox_kernel.shell.unseen import without_unseen


@dataclass(frozen=True)
class Script:
    """A cell, ready for a bash.

    Attributes:
        text: What is sourced.
        check: How to look for syntax errors.
        status: ``$?`` at the first command.
        directory: Where it begins.
        for_one_cell: The directory is this cell's own: the next one is to begin where this one would have.
        replaces_shell: The script makes another program of the bash, so no state will come back.
        notices: What the user should be told.
    """

    text: str
    check: Check
    status: int
    directory: str
    for_one_cell: bool = False
    replaces_shell: bool = False
    notices: tuple[str, ...] = ()


def make_script(cell: Cell, state: ShellState, status: int) -> Script:
    """Get a cell ready.

    Args:
        cell: The cell.
        state: What it starts from.
        status: How the foreground cell before it ended.

    Raises:
        DirectoryNotFoundError: No such ``--cwd``.
        ShellNotFoundError: No such ``--shell``.
    """
    directory = existing_directory(state.cwd)
    notices: tuple[str, ...] = ()
    if cell.options.cwd is not None:
        directory = find_directory(Path(directory, Path(cell.options.cwd).expanduser()))
    elif directory != state.cwd:
        notices = (f"the directory {state.cwd} is gone; this cell began in {directory}",)
    text, unseen = without_unseen(cell.script, first_line=cell.script_line)
    notices += unseen
    check = check_for(text)
    other_shell = cell.options.shell is not None and not _is_bash(cell.options.shell)
    if other_shell:
        text, check = _in_shell(cell.options.shell or "", text), Check.NONE
    return Script(
        text=text,
        check=check,
        status=0 if _is_empty(cell.script) else status,
        directory=directory,
        for_one_cell=cell.options.cwd is not None,
        replaces_shell=other_shell,
        notices=notices,
    )


def existing_directory(wanted: str) -> str:
    """A directory, or the nearest above it that can still be entered."""
    path = Path(wanted)
    while path != path.parent and not (path.is_dir() and os.access(path, os.X_OK)):
        path = path.parent
    return str(path)


def _is_bash(shell: str) -> bool:
    return Path(shell).name == "bash"


def _in_shell(shell: str, script: str) -> str:
    """Have another shell take the place of the bash: it gets its environment, directory, limits and terminal."""
    path = find_shell(shell, os.environ)
    return f"exec {_quoted(path)} -c {_quoted(script)}"


def _quoted(word: str) -> str:
    return quote(word.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _is_empty(script: str) -> bool:
    """Nothing but comments: a script like that ends with 0, whatever $? was before it."""
    return all(not line.strip() or line.lstrip().startswith("#") for line in script.splitlines())
