"""What may follow at the cursor in a magic's line."""

from __future__ import annotations

import re
import signal as signals
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.shell.completion import Kind, Match
from vibesbox_kernel.shell.magics import MAGICS, Magic
from vibesbox_kernel.shell.vibesbox_options import SUBCOMMANDS, WORDS

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

_MAGIC_WORD = re.compile(r"\s*(%%?)(\S*)")
_TAKE_REFS = frozenset({"kill", "tail", "wait", "send", "fg", "bg", "rerun", "info", "durable", "rename", "adopt"})
_REF_OPTIONS = frozenset({"--after"})
_SIGNAL_OPTIONS = frozenset({"-s", "--signal"})
_SIGNALS = tuple(one.name.removeprefix("SIG") for one in signals.Signals)
_FILE_OPTIONS = frozenset({"--cwd", "--save", "--shell"})


@dataclass(frozen=True)
class MagicCompletion:
    """What fits at the end of a line, in the place of its last so many characters.

    Attributes:
        wants_file: The name of a file is wanted there.
    """

    matches: tuple[Match, ...]
    replaced: int
    wants_file: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The matches without their kinds."""
        return tuple(match.text for match in self.matches)


def complete_magic(line: str, *, refs: Callable[[], Iterable[str]]) -> MagicCompletion:
    """What fits at the end of a magic's line: magics, options, their values, sessions.

    Args:
        line: The line up to the cursor.
        refs: Gives what sessions can be called.
    """
    head = _MAGIC_WORD.match(line)
    before, word = _split_last(line)
    if word.startswith("--") and "=" in word:  # --io=pipe is --io pipe
        option, _, word = word.partition("=")
        before.append(option)
    if head is None or head.end() == len(line):
        return MagicCompletion(_fitting(word, _names(), Kind.MAGIC), len(word))
    magic = MAGICS.get(head.group(2))
    if magic is None:
        return MagicCompletion((), len(word))
    found, kind = _arguments(magic, before[1:], word, refs)
    return MagicCompletion(_fitting(word, found, kind), len(word), wants_file=kind is Kind.FILE)


def known_refs(manager: SessionManager) -> Iterable[str]:
    """What sessions can be called, the newest first."""
    for info in reversed(manager.list_sessions()):
        yield info.name or str(info.pid or info.session_id[:8])


def _arguments(
    magic: Magic, before: Sequence[str], word: str, refs: Callable[[], Iterable[str]]
) -> tuple[Iterable[str], Kind]:
    last = before[-1] if before else ""
    if last in _SIGNAL_OPTIONS:
        return _SIGNALS, Kind.VALUE
    if last in _FILE_OPTIONS:
        return (), Kind.FILE
    if last in _REF_OPTIONS:
        return refs(), Kind.SESSION
    if magic.parser.wants_value(last):
        return magic.parser.choices_of(last), Kind.VALUE
    if word.startswith("-"):
        return magic.parser.option_names(), Kind.OPTION
    if magic.name == "vibesbox":
        return (WORDS.get(last, ()) if before else SUBCOMMANDS), Kind.VALUE
    return (refs() if magic.name in _TAKE_REFS else ()), Kind.SESSION


def _names() -> tuple[str, ...]:
    names = (f"%%{one.name}" if one.cell else f"%{one.name}" for one in MAGICS.values())
    return (*names, *(f"%{one.name}" for one in MAGICS.values() if one.cell and not one.takes_body))


def _split_last(line: str) -> tuple[list[str], str]:
    *before, word = re.split(r"\s+", line.lstrip())
    return before, word


def _fitting(word: str, choices: Iterable[str], kind: Kind) -> tuple[Match, ...]:
    """The choices that begin with a word, each once."""
    return tuple(Match(one, kind) for one in dict.fromkeys(choices) if one.startswith(word))
