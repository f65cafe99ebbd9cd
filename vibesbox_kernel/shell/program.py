"""Cells that another program than our bash runs: by a first line ``#!…``, or by ``--shell``.

The waiting bash makes that program of itself: it keeps its pid, its session and its terminal, and it gets the shell's
environment, directory, umask and limits. The state of the shell stays as it is.

Source: execve(2), "Interpreter scripts".
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vibesbox_kernel.errors import InterpreterNotFoundError, ShellNotFoundError
from vibesbox_kernel.shell.magic_parser import nearest
from vibesbox_kernel.shell.quoting import quote

if TYPE_CHECKING:
    from vibesbox_kernel.shell.cell_files import CellDirectory

_SHEBANG = re.compile(r"\s*#![ \t]*([^ \t\r\n]*)[ \t]*([^\n]*)")
_ASSIGNMENT = re.compile(r"\w+=")
_SPLIT_STRING = re.compile(r"-[a-z]*S|--split-string[= ]")
_ENV_OPTIONS_WITH_VALUE = frozenset({"-u", "--unset", "-C", "--chdir"})
_VERSION = re.compile(r"[-.\d]+$")
_SUFFIXES = {
    "bash": "sh", "dash": "sh", "ksh": "sh", "node": "js", "nodejs": "js", "deno": "js", "bun": "js", "perl": "pl",
    "python": "py", "pypy": "py", "ruby": "rb", "rscript": "R", "gawk": "awk", "mawk": "awk", "tclsh": "tcl",
}  # fmt: skip
_FIRST_LINE_ONLY = frozenset({"js", "lua", "php"})
"""In these languages ``#!`` is a comment on a file's first line only."""


@dataclass(frozen=True)
class Place:
    """Where and how a cell begins.

    Attributes:
        line: The line of the front-end's cell at which the script begins.
        directory: Where it shall begin.
        exports: Variables for it alone.
        secrets: The names of those that it gets by the control pipe (``secret_env``).
    """

    line: int
    directory: bytes
    exports: Mapping[str, str]
    secrets: tuple[str, ...] = ()


class Replacement(Protocol):
    """What a waiting bash becomes, in order to run a cell."""

    def lay_out(self, cell: CellDirectory, name: str, script: str, place: Place) -> tuple[str, bytes]:
        """Write the files that it reads.

        Args:
            cell: Where to.
            name: What messages shall call the cell.
            script: The cell's script.
            place: Where and how it begins.

        Returns:
            The name of the file that the bash sources, and its text.
        """


@dataclass(frozen=True)
class Program:
    """What runs a cell.

    Attributes:
        argv: Program and arguments; the cell's file comes after them.
        suffix: What the file's name ends in, so that messages and the program itself see what it is.
        by_shebang: The cell names it itself.
    """

    argv: tuple[str, ...]
    suffix: str
    by_shebang: bool = False

    @property
    def name(self) -> str:
        """What it is called, without its directory."""
        return Path(self.argv[0]).name

    def file_text(self, script: str, line: int) -> str:
        """What the file holds: every line has the number that it has in the cell.

        Args:
            script: The cell's script.
            line: The line of the cell at which it begins.
        """
        if line > 1 and self.suffix in _FIRST_LINE_ONLY and _SHEBANG.match(script):
            script = _SHEBANG.sub(lambda match: "\n" * match[0].count("\n"), script, count=1)
        return "\n" * (line - 1) + script

    def lay_out(self, cell: CellDirectory, name: str, script: str, place: Place) -> tuple[str, bytes]:
        """Write the file that it runs; see ``Replacement``."""
        text = self.file_text(script, place.line).encode("utf-8", "surrogateescape")
        file = cell.write(f"{name}.{self.suffix}", text, executable=True)
        # Not the file itself is executed: in a container its file system may not allow that.
        words = b" ".join(quote(os.fsencode(word)) for word in (*self.argv, str(file)))
        return name, b"builtin exec -- " + words + b"\n"


@dataclass(frozen=True)
class SearchPath:
    """Where programs are looked for.

    Attributes:
        directories: As ``PATH`` has them.
        start: The directory from which relative paths begin.
    """

    directories: str
    start: str

    def find(self, name: str) -> str | None:
        """The absolute path of a program given by name or by path; None when it can not be executed."""
        if "\0" in name:
            return None
        if os.sep in name:
            return shutil.which(str(Path(self.start, Path(name).expanduser())))
        return shutil.which(name, path=self.directories)

    def nearest(self, name: str) -> str | None:
        """The program whose name looks most like this one."""
        return nearest(Path(name).name, self._names())

    def _names(self) -> Iterator[str]:
        for directory in self.directories.split(os.pathsep):
            try:
                yield from os.listdir(directory or self.start)
            except OSError:
                continue  # as the shell does: it looks in the next one


def named_by_shebang(script: str, search: SearchPath) -> Program | None:
    """The program that a cell's first line names, or None.

    Raises:
        InterpreterNotFoundError: It is not there, or can not be executed.
    """
    match = _SHEBANG.match(script)
    if match is None:
        return None
    path, argument = match[1], match[2].rstrip(" \t")
    if argument.endswith("\r"):
        raise InterpreterNotFoundError(path, "its line ends in a carriage return (the line ends of Windows)")
    if not Path(path).is_absolute():
        why = "it must be an absolute path" if path else "there is no path behind #!"
        raise InterpreterNotFoundError(path, why, f"/usr/bin/env {path}" if path else None)
    if search.find(path) is None:
        why = "it can not be executed" if Path(path).exists() else "no such file"
        raise InterpreterNotFoundError(path, why, _instead(path, search))
    name = path
    if Path(path).name == "env":
        name = _named_by_env(argument, search) or path
    return Program((path, argument) if argument else (path,), _suffix(name), by_shebang=True)


def named_by_option(shell: str, search: SearchPath) -> Program:
    """The program that ``--shell`` names.

    Raises:
        ShellNotFoundError: It is not there, or can not be executed.
    """
    path = search.find(shell)
    if path is None:
        there = os.sep in shell and Path(search.start, Path(shell).expanduser()).exists()
        raise ShellNotFoundError(shell, "not executable" if there else "no such executable file", search.nearest(shell))
    return Program((path,), _suffix(path))


def _named_by_env(argument: str, search: SearchPath) -> str | None:
    """The program that env(1) is to run; without ``-S`` the whole argument is its name."""
    split = _SPLIT_STRING.match(argument)
    words = iter(argument[split.end() :].split() if split else filter(None, [argument]))
    name = None
    for word in words:
        if word in _ENV_OPTIONS_WITH_VALUE:
            next(words, None)
        elif not (word.startswith("-") or _ASSIGNMENT.match(word)):
            name = word
            break
    if name is None or search.find(name) is not None:
        return name
    if not split and search.find(name.split()[0]) is not None:
        raise InterpreterNotFoundError(argument, "env takes it for one name", f"/usr/bin/env -S {argument}")
    raise InterpreterNotFoundError(name, "it is not on the shell's PATH", search.nearest(name))


def _instead(path: str, search: SearchPath) -> str | None:
    name = Path(path).name
    return search.find(name) or search.nearest(name)


def _suffix(path: str) -> str:
    name = _VERSION.sub("", Path(path).name) or Path(path).name
    return _SUFFIXES.get(name.lower(), name)
