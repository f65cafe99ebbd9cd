"""The command that the cursor stands in (``command_scanner`` finds it), with its words as completion wants them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

WORD_BREAKS = "=:@"
"""What readline, besides blanks and operators, ends a word with: ``--file=name`` has a name to complete."""

_SPLIT = re.compile(rf"(?:[^{WORD_BREAKS}\\'\"]|\\.?|'[^']*'?|\"(?:[^\"\\]|\\.?)*\"?)+|[{WORD_BREAKS}]+", re.DOTALL)


class Place(StrEnum):
    """What is wanted where the cursor stands."""

    COMMAND = "command"
    ARGUMENT = "argument"
    FILE = "file"
    VARIABLE = "variable"
    USER = "user"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Variable:
    """A part of a word: the value of a variable."""

    name: str


Piece = str | Variable


@dataclass(frozen=True)
class CommandLine:
    """The command that the cursor stands in, up to the cursor.

    Attributes:
        place: What is wanted.
        words: The words before the cursor's, as they were written; without assignments before the command.
        start: Where in the text that begins which is to be completed: a word, or what follows its last ``=``, ``:``.
        raw: The text from there to the cursor, as it was written.
        pieces: What it stands for: text without quotes, and variables.
        quote: The quote that is open at the cursor: ``'``, ``"``, ``$'``, or empty.
        before: What of the same word stands before ``start``.
        is_comment: It is no command but a comment.
    """

    place: Place
    words: tuple[str, ...]
    start: int
    raw: str
    pieces: tuple[Piece, ...] = ()
    quote: str = ""
    before: str = ""
    is_comment: bool = False

    @property
    def comp_words(self) -> tuple[str, ...]:
        """The words as ``COMP_WORDS`` has them: split at word breaks too. What is to be completed is left out.

        The last is what that text is to be appended to: empty, but for a break at the cursor, which is itself a word.

        Source: bash(1), Programmable Completion.
        """
        split = [part for word in self.words for part in split_word(word)]
        inside = split_word(self.before)
        return (*split, *inside) if inside and not self.raw else (*split, *inside, "")

    @property
    def comp_line(self) -> str:
        """The command as ``COMP_LINE`` has it, without what is to be completed."""
        return " ".join((*self.words, self.before))


def split_word(word: str) -> tuple[str, ...]:
    """A word, split before and after its unquoted word breaks."""
    return tuple(_SPLIT.findall(word))
