"""How a bash gets its functions: most from a library that it reads before it has a state, the others with that.

To read a megabyte of functions takes a bash longer than everything else about a cell, and so does writing them down
again. So those that do not change from cell to cell lie in a file of their own, the *library*, and a bash reads it as
soon as it is started. At its end it looks whether they are still the ones that came from there (each knows the file and
the line where it began), and writes down only the others.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from vibesbox_kernel.sessions.private_files import write_private
from vibesbox_kernel.shell.functions import as_names, attributes, join_functions, split_functions
from vibesbox_kernel.shell.state import ShellState

WORTH_A_LIBRARY = 32
"""With fewer functions a library costs more than it saves."""

MOST_OTHERS = 32
"""With more functions that are not as in the library a new one is made; and so many have a file of their own."""

_KEPT_LIBRARIES = 2
_LONGEST_NAME = 200

# By these a bash takes on the rest of a state, without `builtin`: functions of these names must come last.
_LATE = frozenset({b"alias", b"builtin", b"complete", b"declare", b"umask"})
_READ_ONLY = re.compile(rb"\ndeclare -f[a-z]*r[a-z]* \S+\n\Z")


@dataclass(frozen=True, eq=False)
class Library:
    """Functions that bashes read ahead.

    Attributes:
        directory: Has the files ``functions``, ``names``, and ``list``: what bash says of where each began.
        by_name: The text of each.
    """

    directory: Path
    by_name: Mapping[bytes, bytes]

    @staticmethod
    def names(kept: Iterable[bytes]) -> bytes:
        """What the file ``names`` of a bash holds that has only these of them."""
        return b"".join(name + b"\n" for name in kept)

    def list_of(self, kept: Mapping[bytes, bytes]) -> bytes:
        """What its ``list`` holds: empty as long as no bash has said where each begins."""
        try:
            lines = (self.directory / "list").read_bytes().splitlines(keepends=True)
        except OSError:
            return b""
        return b"".join(line for line in lines if line.partition(b" ")[0] in kept)


@dataclass(frozen=True)
class Wanted:
    """What a bash still needs to have the functions of a state.

    Attributes:
        kept: What it has and keeps, of the library.
        removed: What it has and shall not have.
        single: What it lacks, each to be read from a file of its own, so that messages name it.
        bulk: What else it lacks.
        others: Names of those that are not of the library.
        known: What ``declare -F`` will say of all.
    """

    kept: Mapping[bytes, bytes] = field(default_factory=dict)
    removed: tuple[bytes, ...] = ()
    single: Mapping[bytes, bytes] = field(default_factory=dict)
    bulk: bytes = b""
    others: tuple[bytes, ...] = ()
    known: bytes = b""


class FunctionLibraries:
    """The libraries of one shell, and which is in use.

    Args:
        root: Where each gets a directory of its own.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._numbers = itertools.count(1)
        self._first: Mapping[bytes, bytes] | None = None
        self._directories: list[Path] = []
        self.current: Library | None = None

    def fit(self, state: ShellState) -> Library | None:
        """Have a library that fits a state, if that is worth it; the one that there is, if it does well enough."""
        if self._first is None:
            self._first = state.functions_by_name
        ours = state.functions_by_name
        if len(ours) < WORTH_A_LIBRARY:
            self.current = None
        elif self.current is None or _count_differing(ours, self.current.by_name) > MOST_OTHERS:
            self.current = self._make({name: text for name, text in ours.items() if _may_come_early(name, text)})
        return self.current

    def wanted(self, state: ShellState, library: Library | None) -> Wanted:
        """What a bash that has read a library, or none, needs for a state."""
        ours, early = state.functions_by_name, {} if library is None else library.by_name
        if state.functions and not ours:
            return Wanted(removed=tuple(early), bulk=state.functions)
        kept = {name: text for name, text in early.items() if ours.get(name) == text}
        first = self._first or {}
        lacking = {name: text for name, text in ours.items() if name not in kept}
        own = {
            name: text
            for name, text in lacking.items()
            if first.get(name) != text and len(name) <= _LONGEST_NAME  # of a file
        }
        if len(own) > MOST_OTHERS:
            own = {}
        return Wanted(
            kept=early if len(kept) == len(early) else kept,
            removed=tuple(name for name in early if name not in kept),
            single=own,
            bulk=join_functions({name: text for name, text in lacking.items() if name not in own})[0],
            others=tuple(lacking),
            known=b"" if library is None else _known(state.functions, as_names(state.function_names)),
        )

    def _make(self, by_name: Mapping[bytes, bytes]) -> Library | None:
        if not by_name:
            return None
        directory = self._root / f"library-{next(self._numbers)}"
        directory.mkdir(mode=0o700)
        write_private(directory / "functions", join_functions(by_name)[0])
        write_private(directory / "names", Library.names(by_name))
        self._directories.append(directory)
        while len(self._directories) > _KEPT_LIBRARIES:  # who still runs with it writes all functions down
            shutil.rmtree(self._directories.pop(0), ignore_errors=True)
        return Library(directory, by_name)


@lru_cache(maxsize=4)
def _known(text: bytes, names: tuple[bytes, ...]) -> bytes:
    """What ``declare -F`` says of functions."""
    definitions = split_functions(text, names).items()
    return b"".join(attributes(definition) or b"declare -f " + name + b"\n" for name, definition in definitions)


def _count_differing(ours: Mapping[bytes, bytes], early: Mapping[bytes, bytes]) -> int:
    if ours is early:
        return 0
    same = sum(early.get(name) == text for name, text in ours.items())
    return max(len(ours), len(early)) - same


def _may_come_early(name: bytes, text: bytes) -> bool:
    """Whether a function is out of the way of everything else, and can be replaced later."""
    return name not in _LATE and not _READ_ONLY.search(text)
