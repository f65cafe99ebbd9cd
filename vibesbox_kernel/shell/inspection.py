"""What is known of the word at the cursor: magics and sessions, functions and variables, commands and files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from vibesbox_kernel.shell.completion import AskBash
from vibesbox_kernel.shell.manual import Manual
from vibesbox_kernel.shell.word_at import WordAt

MAX_CHARACTERS = 20_000
MAX_MANUAL_CHARACTERS = 200_000


@dataclass(frozen=True)
class Section:
    """A part of what is known: a heading and a text that stands as it is."""

    heading: str
    text: str


@dataclass(frozen=True)
class Inspection:
    """What is known of something, as text and as HTML."""

    text: str
    html: str

    @classmethod
    def of(cls, sections: Iterable[Section]) -> Inspection:
        """Put sections one under another."""
        shown = list(sections)
        text = "\n\n".join(f"{one.heading}\n{_indented(one.text)}" for one in shown)
        html = "".join(f"<p><b>{escape(one.heading)}</b></p><pre>{escape(one.text)}</pre>" for one in shown)
        return cls(f"{text}\n", f'<div class="vibesbox-help">{html}</div>')


class Inspector:
    """Finds out what is known of words in scripts.

    Args:
        ask: Asks the side bash.
        manual: Has the manual pages.
    """

    def __init__(self, ask: AskBash, manual: Manual) -> None:
        self._ask = ask
        self._manual = manual

    async def inspect(self, word: WordAt, *, directory: str, detailed: bool) -> Inspection | None:
        """What is known of a word; None if nothing is.

        Args:
            word: The word.
            directory: Where the shell is.
            detailed: With manual pages, and all that there is of a text.
        """
        sections: list[Section] = []
        if word.is_variable:
            sections = await self._describe("variable", word.text, directory)
        elif word.is_command:
            sections = await self._command((word.text,), directory, detailed)
        else:
            sections = await self._argument(word, directory, detailed)
        return Inspection.of(_cut(one) for one in sections) if sections else None

    async def _argument(self, word: WordAt, directory: str, detailed: bool) -> list[Section]:
        """An argument is a file or a name that the shell knows; else the command that takes it is what is meant."""
        if not word.text.startswith("-"):
            sections = await self._describe("argument", word.text, directory)
            if sections:
                return sections
        return await self._command((*word.command[:1], *_subcommand(word)), directory, detailed)

    async def _command(self, words: Sequence[str], directory: str, detailed: bool) -> list[Section]:
        sections = await self._describe("command", words[0], directory) if words else []
        if detailed and sections:
            page = await self._manual.page(words)
            if page is not None:
                sections.append(Section(f"Manual page of {page.name}", page.text))
        return sections

    async def _describe(self, kind: str, name: str, directory: str) -> list[Section]:
        said = await self._ask("__vb_describe", directory, kind, name)
        return [Section(one[0], one[1].strip("\n")) for one in said if len(one) == 2 and one[1].strip()]


def _subcommand(word: WordAt) -> Iterator[str]:
    """What makes the manual page another one: the ``commit`` of ``git commit``."""
    first = next((one for one in (*word.command[1:], word.text) if not one.startswith("-")), None)
    if first is not None and first.replace("-", "").isalnum():
        yield first


def _cut(section: Section) -> Section:
    limit = MAX_MANUAL_CHARACTERS if section.heading.startswith("Manual") else MAX_CHARACTERS
    if len(section.text) <= limit:
        return section
    left_out = len(section.text) - limit
    return Section(section.heading, f"{section.text[:limit]}\n… and {left_out:,} characters more")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else line for line in text.split("\n"))
