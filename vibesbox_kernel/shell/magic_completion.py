"""What may follow at the cursor in a magic's line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.shell.magic_options import SUBCOMMANDS
from vibesbox_kernel.shell.magics import MAGICS, Magic

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

_MAGIC_WORD = re.compile(r"\s*(%%?)(\S*)")
_TAKE_REFS = frozenset({"kill", "tail", "wait", "send", "info", "durable", "rename", "adopt"})
_REF_OPTIONS = frozenset({"--after"})


@dataclass(frozen=True)
class MagicCompletion:
    """What fits at the end of a line, in the place of its last so many characters."""

    matches: tuple[str, ...]
    replaced: int


def is_magic_line(line: str) -> bool:
    """Whether a line begins as a magic's does."""
    return _MAGIC_WORD.match(line) is not None


def complete_magic(line: str, *, refs: Callable[[], Iterable[str]]) -> MagicCompletion:
    """What fits at the end of a magic's line: magics, options, their values, sessions.

    Args:
        line: The line up to the cursor.
        refs: Gives what sessions can be called.
    """
    head = _MAGIC_WORD.match(line)
    before, word = _split_last(line)
    if head is None or head.end() == len(line):
        return MagicCompletion(_fitting(word, _names()), len(word))
    magic = MAGICS.get(head.group(2))
    found = () if magic is None else _arguments(magic, before[1:], word, refs)
    return MagicCompletion(_fitting(word, found), len(word))


def known_refs(manager: SessionManager) -> Iterable[str]:
    """What sessions can be called, the newest first."""
    for info in reversed(manager.list_sessions()):
        yield info.name or str(info.pid or info.session_id[:8])


def _arguments(magic: Magic, before: Sequence[str], word: str, refs: Callable[[], Iterable[str]]) -> Iterable[str]:
    last = before[-1] if before else ""
    if last in _REF_OPTIONS:
        return refs()
    if magic.parser.wants_value(last):
        return magic.parser.choices_of(last)
    if word.startswith("-"):
        return magic.parser.option_names()
    if magic.name == "vibesbox":
        return SUBCOMMANDS
    return refs() if magic.name in _TAKE_REFS else ()


def _names() -> tuple[str, ...]:
    names = (f"%%{one.name}" if one.cell else f"%{one.name}" for one in MAGICS.values())
    return (*names, *(f"%{one.name}" for one in MAGICS.values() if one.cell))


def _split_last(line: str) -> tuple[list[str], str]:
    *before, word = re.split(r"\s+", line.lstrip())
    return before, word


def _fitting(word: str, choices: Iterable[str]) -> tuple[str, ...]:
    """The choices that begin with a word, each once."""
    return tuple(dict.fromkeys(one for one in choices if one.startswith(word)))
