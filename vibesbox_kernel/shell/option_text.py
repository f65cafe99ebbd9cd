"""What a manual page says of one option."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_LINES = 40
"""More of an option's text is for those who open the page."""


def option_text(page: str, word: str) -> str | None:
    """The paragraphs on an option as it was written, such as ``--color=auto`` or ``-la``; None if there are none.

    Args:
        page: The manual page.
        word: The option; letters behind one dash may be several options in one.
    """
    lines = page.split("\n")
    for names in _readings(word):
        found = [text for name in names if (text := _paragraph(lines, name)) is not None]
        if found:
            return "\n".join(dict.fromkeys(found))
    return None


def _readings(word: str) -> Iterator[list[str]]:
    """What the word may name, the likeliest first."""
    name = word.partition("=")[0]
    yield [name]
    if not name.startswith("--") and len(name) > 2:
        yield [f"-{letter}" for letter in name[1:] if letter.isalpha()]


def _paragraph(lines: list[str], name: str) -> str | None:
    """The line that introduces an option, with those below it that are indented more."""
    introduces = re.compile(rf"\s+(?:-[^\s,]*(?:[ =][^\s,]+)?,\s+)*{re.escape(name)}(?![\w-])")
    found = [number for number, line in enumerate(lines) if introduces.match(line)]
    if not found:
        return None
    # A line of a sentence may begin with an option, too; but it does not follow an empty one.
    best = next((number for number in found if number and not lines[number - 1].strip()), found[0])
    return "\n".join(_below(lines, best))


def _below(lines: list[str], number: int) -> Iterator[str]:
    indent = _indent(lines[number])
    text = [lines[number]]
    for line in lines[number + 1 : number + 1 + MAX_LINES]:
        if line.strip() and _indent(line) <= indent:
            break
        text.append(line)
    while text and not text[-1].strip():
        text.pop()
    return (line[indent:] for line in text)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
