"""What is known of the word at the cursor in a magic's line: the magic, one of its options, a session."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.shell.info_text import describe
from vibesbox_kernel.shell.inspection import Inspection, Section
from vibesbox_kernel.shell.magics import MAGICS, Magic, help_text
from vibesbox_kernel.shell.references import with_names

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

_HEAD = re.compile(r"\s*(%%?)([^\s?%]*)")
_WORD = re.compile(r"\S+")


def inspect_magic(line: str, column: int, manager: SessionManager) -> Inspection | None:
    """What is known of the word that the cursor is in or right behind; else of the line's magic.

    Args:
        line: The magic's whole line.
        column: Where in it the cursor is.
        manager: Whose sessions are named.
    """
    head = _HEAD.match(line)
    magic = None if head is None else MAGICS.get(head.group(2))
    if magic is None:
        return None
    word = next((one.group() for one in _WORD.finditer(line) if one.start() <= column <= one.end()), "")
    return _option(magic, word) or _session(word, manager) or _magic(magic)


def _option(magic: Magic, word: str) -> Inspection | None:
    if not word.startswith("-"):
        return None
    text = magic.parser.option_help(word.partition("=")[0])
    return Inspection.of([Section(f"{magic.parser.prog} {word}", text)]) if text else None


def _session(word: str, manager: SessionManager) -> Inspection | None:
    if not word or word.startswith("%"):
        return None
    try:
        info = with_names(manager, manager.info(word))
    except VibesboxError:
        return None
    return Inspection(*describe(info, datetime.now(UTC)))


def _magic(magic: Magic) -> Inspection:
    return Inspection.of([Section(f"Magic {magic.parser.prog}", help_text(magic.name).rstrip())])
