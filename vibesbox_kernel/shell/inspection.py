"""What is known of the word at the cursor: magics and sessions, functions and variables, commands and files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from vibesbox_kernel.shell.completion import AskBash
from vibesbox_kernel.shell.manual import Manual
from vibesbox_kernel.shell.option_text import option_text
from vibesbox_kernel.shell.word_at import WordAt

MAX_CHARACTERS = 20_000
MAX_MANUAL_CHARACTERS = 200_000
_RUN_ANOTHER = frozenset({"sudo", "doas", "env", "nohup", "nice", "exec", "command", "setsid", "xargs"})


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
            detailed: With the manual page.
        """
        sections = await self._sections(word, directory, detailed)
        return Inspection.of(_cut(one) for one in sections) if sections else None

    async def _sections(self, word: WordAt, directory: str, detailed: bool) -> list[Section]:
        if word.is_variable:
            return await self._describe("variable", word.text, directory)
        if not (word.is_command or word.command):  # what a redirection or an assignment names
            return await self._describe("argument", word.text, directory)
        *command, text = _of_inner_command((*word.command, word.text))
        if command:
            return await self._argument(command, text, directory, detailed)
        return await self._command((text,), directory, detailed)

    async def _argument(self, words: Sequence[str], text: str, directory: str, detailed: bool) -> list[Section]:
        """An argument is an option, a file, or a name that the shell knows; else the command that takes it is meant."""
        command = (words[0], *_subcommand((*words[1:], text)))
        about = await self._command(command, directory, detailed)
        if text.startswith("-"):
            return [*await self._option(text, command, about), *about]
        return await self._describe("argument", text, directory) or about

    async def _option(self, name: str, command: Sequence[str], about: Sequence[Section]) -> list[Section]:
        """What the command's manual page says of an option; what the shell itself runs has said it already."""
        if not about or about[0].heading.startswith("Shell"):
            return []
        page = await self._manual.page(command)
        text = None if page is None else option_text(page.text, name)
        return [] if page is None or text is None else [Section(f"{page.name} {name}", text)]

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


def _of_inner_command(words: Sequence[str]) -> Sequence[str]:
    """The words without a command that runs another: the ``ls -l`` of ``sudo ls -l``."""
    while len(words) > 1 and words[0] in _RUN_ANOTHER and not words[1].startswith("-"):
        words = words[1:]
    return words


def _subcommand(arguments: Sequence[str]) -> Iterator[str]:
    """What makes the manual page another one: the ``commit`` of ``git commit``."""
    first = next((one for one in arguments if not one.startswith("-")), None)
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
