"""One list of commands in a script that is being read: its words so far, and the one that is being read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from vibesbox_kernel.shell.command_line import CommandLine, Piece, Place

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^]]*\])?\+?=", re.ASCII)
# After these a command begins.
_LEADERS = frozenset(["then", "do", "else", "elif", "if", "while", "until", "!", "{", "time", "coproc"])
_NAMES_FOLLOW = frozenset({"for", "select", "function"})


@dataclass
class Frame:
    """A list of commands: the script's, or one in parentheses, in ``$(…)``, in backquotes.

    Attributes:
        opener: What it began with.
        words: The finished words of the command that is being read.
        start: Where the word that is being read begins, or None between words.
        part: Where in it that begins which is to be completed.
        pieces: What the part stands for; None once it has what can not be known without running it.
        quote: The quote that is open.
        redirects: The next word is a file that a redirection names.
    """

    opener: str
    words: list[str] = field(default_factory=list)
    start: int | None = None
    part: int = 0
    pieces: list[Piece] | None = field(default_factory=list)
    quote: str = ""
    redirects: bool = False

    def begin_word(self, at: int) -> None:
        """Be in a word from here on, if there is none already."""
        if self.start is None:
            self.start, self.part, self.pieces = at, at, []

    def begin_part(self, at: int) -> None:
        """Complete only what comes from here on: a word break has been read."""
        self.part, self.pieces = at, []

    def add(self, piece: Piece | None) -> None:
        """Add to what the word stands for; None for what can not be known without running it."""
        if piece is None:
            self.pieces = None
        elif self.pieces is not None:
            self.pieces.append(piece)

    def end_word(self, text: str, at: int) -> None:
        """The word, if there is one, ends before this place in the text."""
        if self.start is None:
            return
        if not self.redirects:
            self.words.append(text[self.start : at])
        self.start, self.redirects = None, False

    def end_command(self, text: str, at: int) -> None:
        """The command ends before this place in the text; another may follow."""
        self.end_word(text, at)
        self.words.clear()
        self.redirects = False

    def command_line(self, text: str) -> CommandLine | None:
        """What the end of the text, which has been read up to there, stands in; None where nothing is wanted."""
        end = len(text)
        if self.start is None:
            self.begin_word(end)
        if self.pieces is None or self.opener in ("((", "glob("):
            return None
        words = _command_words(self.words)
        raw, before = text[self.part : end], text[self.start : self.part]
        place = _place(self, words, raw, before)
        return CommandLine(place, words, self.part, raw, tuple(_joined(self.pieces)), self.quote, before)


def _command_words(words: Sequence[str]) -> tuple[str, ...]:
    """The words from the command's name on."""
    at = 0
    while at < len(words) and (words[at] in _LEADERS or _ASSIGNMENT.match(words[at])):
        at += 1
    return tuple(words[at:])


def _place(frame: Frame, words: Sequence[str], raw: str, before: str) -> Place:
    if raw.startswith("~") and "/" not in raw and not frame.quote:
        return Place.USER
    if frame.redirects or frame.opener == "=(":
        return Place.FILE
    if words:
        return Place.NOTHING if len(words) == 1 and words[0] in _NAMES_FOLLOW else Place.ARGUMENT
    return Place.FILE if _ASSIGNMENT.match(before) else Place.COMMAND


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """The same with neighbouring texts in one."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece != "":
            joined.append(piece)
    return joined
