"""What fits at the cursor of a script: asked of the side bash, and written as the user would have to write it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vibesbox_kernel.shell.command_line import CommandLine, Place, Variable
from vibesbox_kernel.shell.command_scanner import parse_command_line

MATCH_LIMIT = 1000
_SPECIAL = re.compile(r"([^\w@%+=:,./~-])")
_IN_DOUBLE = re.compile(r'([\\"$`])')
_IN_ANSI = re.compile(r"([\\'])")

Said = Sequence[Sequence[str]]
AskBash = Callable[..., Awaitable[Said]]
"""Asks the side bash: a function of ``bash/completion.sh`` and its arguments."""


class Kind(StrEnum):
    """What a match is, in the words that front-ends have icons for."""

    ALIAS = "alias"
    BUILTIN = "builtin"
    COMMAND = "command"
    DIRECTORY = "directory"
    FILE = "file"
    FUNCTION = "function"
    KEYWORD = "keyword"
    MAGIC = "magic"
    OPTION = "option"
    SESSION = "session"
    USER = "user"
    VALUE = "value"
    VARIABLE = "variable"


_LETTERS = {
    "a": Kind.ALIAS,
    "b": Kind.BUILTIN,
    "c": Kind.COMMAND,
    "d": Kind.DIRECTORY,
    "f": Kind.FILE,
    "F": Kind.FUNCTION,
    "k": Kind.KEYWORD,
    "u": Kind.USER,
    "v": Kind.VARIABLE,
    "w": Kind.VALUE,
}


@dataclass(frozen=True)
class Match:
    """Something that fits, and what it is."""

    text: str
    kind: Kind


@dataclass(frozen=True)
class Completion:
    """What fits at the cursor, and the part ``[start, end)`` of the code that it takes the place of."""

    matches: tuple[Match, ...]
    start: int
    end: int

    @property
    def texts(self) -> tuple[str, ...]:
        """The matches without their kinds."""
        return tuple(match.text for match in self.matches)


async def complete_script(script: str, *, following: str, directory: str, ask: AskBash) -> Completion:
    """What fits at the end of a script.

    Args:
        script: The script up to the cursor.
        following: What stands behind the cursor.
        directory: Where the shell is.
        ask: Asks the side bash.
    """
    line = parse_command_line(script)
    nothing = Completion((), len(script), len(script))
    if line.place is Place.NOTHING:
        return nothing
    said = await ask("__vb_complete", *_question(line, directory))
    if not said or len(said[0]) < 2:
        return nothing
    flags, text, *found = said[0]
    candidates = [(one[1:], _LETTERS[one[0]]) for one in found if one and one[0] in _LETTERS]
    fitting = _fitting(candidates, text)
    write = _Writer(line, text, following, as_files="filenames" in flags.split())
    matches = {write(name, kind): kind for name, kind in reversed(fitting)}
    return Completion(tuple(_sorted(matches, flags)), line.start, len(script))


def _question(line: CommandLine, directory: str) -> list[str]:
    """What ``__vb_complete`` wants to know."""
    pieces = list(_pieces(line))
    question = [str(MATCH_LIMIT), directory, line.place.value, str(len(pieces)), *pieces]
    return [*question, line.comp_line, *line.comp_words] if line.place is Place.ARGUMENT else question


def _pieces(line: CommandLine) -> Iterator[str]:
    if line.place is Place.VARIABLE:
        yield f"={line.raw}"
        return
    pieces = list(line.pieces)
    if line.place is not Place.USER and line.raw.startswith("~") and pieces and isinstance(pieces[0], str):
        user, slash, rest = pieces[0].partition("/")
        yield user
        pieces[0] = slash + rest
    for piece in pieces:
        yield f"${piece.name}" if isinstance(piece, Variable) else f"={piece}"


def _fitting(found: Iterable[tuple[str, Kind]], text: str) -> list[tuple[str, Kind]]:
    """Those that continue what was written, without what nobody wants to see before asking for it."""
    shown = [(name, kind) for name, kind in found if name and not _hides(name, kind, text)]
    fitting = [(name, kind) for name, kind in shown if name.startswith(text)]
    return fitting or shown  # a completion may correct what was written


def _hides(name: str, kind: Kind, text: str) -> bool:
    """What is ours, always; dot files, and functions that begin with ``_``, but for those who begin so."""
    if name.startswith("__vb_"):
        return True
    if kind in (Kind.FILE, Kind.DIRECTORY):
        return name.rstrip("/").rpartition("/")[2].startswith(".") and not text.rpartition("/")[2].startswith(".")
    return kind is Kind.FUNCTION and name.startswith("_") and not text.startswith("_")


def _sorted(matches: dict[str, Kind], flags: str) -> list[Match]:
    ordered = matches if "nosort" in flags.split() else sorted(matches, key=lambda text: (text.startswith("-"), text))
    return [Match(text, Kind.OPTION if text.startswith("-") else matches[text]) for text in ordered]


@dataclass(frozen=True)
class _Writer:
    """Writes a candidate in the place of what the user has written, inside the same quotes.

    Attributes:
        line: Where it goes.
        text: What the user's text stands for; most candidates begin with it.
        following: What stands behind the cursor.
        as_files: The candidates are names of files, which are quoted where bash needs it.
    """

    line: CommandLine
    text: str
    following: str
    as_files: bool

    def __call__(self, name: str, kind: Kind) -> str:
        if kind is Kind.VARIABLE:
            return self._variable(name)
        if kind is Kind.USER:
            return f"~{name}/"
        is_file = self.as_files or kind in (Kind.FILE, Kind.DIRECTORY)
        name = name.rstrip("/") if is_file else name.rstrip(" ")
        raw, rest = self._kept(name)
        written = raw + (_quoted(rest, self.line.quote) if is_file else rest)
        return f"{written}/" if kind is Kind.DIRECTORY else written + self._closing()

    def _variable(self, name: str) -> str:
        return f"{name}}}" if self.line.quote == "{" and not self.following.startswith("}") else name

    def _kept(self, name: str) -> tuple[str, str]:
        """What stays as the user has written it, and what of the name comes after it."""
        raw = self.line.raw
        if not name.startswith(self.text):
            return (self.line.quote if raw.startswith(self.line.quote) else ""), name
        unfinished = not self.line.quote and (len(raw) - len(raw.rstrip("\\"))) % 2
        return raw[:-1] if unfinished else raw, name[len(self.text) :]

    def _closing(self) -> str:
        """A name that is whole closes its quotes, unless an editor has done so already."""
        quote = self.line.quote[-1:]
        return "" if not quote or self.following.startswith(quote) else quote


def _quoted(name: str, quote: str) -> str:
    """A part of a file's name as it has to be written inside these quotes."""
    match quote:
        case "'":
            return name.replace("'", "'\\''")
        case '"':
            return _IN_DOUBLE.sub(r"\\\1", name)
        case "$'":
            return _IN_ANSI.sub(r"\\\1", name)
    return _SPECIAL.sub(r"\\\1", name)
