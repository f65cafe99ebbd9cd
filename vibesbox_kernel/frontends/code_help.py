"""Completion, and whether a cell is complete: what a front-end asks about code before it is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.frontends.aside import Answer, ask
from vibesbox_kernel.shell.cell import parse_cell
from vibesbox_kernel.shell.magic_completion import complete_magic, is_magic_line, known_refs

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

ANSWER_SECONDS = 1.0
MATCH_LIMIT = 500
_UNFINISHED = (
    "unexpected end of file",
    "unexpected EOF",
    "looking for matching",
    "here-document",
    "syntax error: unexpected end",
)
_LAST_WORD = re.compile(r"(?:[^\s;|&()<>`$=\"']|\\.)*$")
_COMMAND_FOLLOWS = re.compile(r"(?:^|[;|&(`]|\$\(|\b(?:then|do|else|elif|if|while|until|time|!|sudo)\s)\s*$")
_CONTINUES = re.compile(r"(?<!\\)(?:\\\\)*\\\n?\Z")
_SPECIAL = re.compile(r"([^\w@%+=:,./~-])")

# Directories get their slash, so that the next key goes on inside.
_COMPGEN = """
word=$2
[[ $word = '~/'* ]] && word=$HOME${word:1}
compgen "$1" -- "$word" | sort -u | head -n "$3" | while IFS= read -r match; do
  [[ $1 = -f && -d $match ]] && match+=/
  printf '%s\\n' "$match"
done
"""


@dataclass(frozen=True)
class Completion:
    """What fits at the cursor, and the part ``[start, end)`` of the code that it takes the place of."""

    matches: tuple[str, ...]
    start: int
    end: int


class CodeHelp:
    """Answers a front-end's questions about code.

    Args:
        manager: Whose sessions are named, and whose broker runs bash.
        bash: Path of the bash to ask.
    """

    def __init__(self, manager: SessionManager, bash: str) -> None:
        self._manager = manager
        self._bash = bash

    async def complete(self, code: str, cursor: int, *, cwd: str) -> Completion:
        """What fits at the cursor: magics, their options, sessions; else commands and files.

        Args:
            code: The cell's text.
            cursor: Where the cursor is, in characters.
            cwd: The shell's directory, from which relative paths go.
        """
        line = code[code.rfind("\n", 0, cursor) + 1 : cursor]
        if is_magic_line(line):
            fits = complete_magic(line, refs=lambda: known_refs(self._manager))
            return Completion(fits.matches, cursor - fits.replaced, cursor)
        word = _LAST_WORD.search(line)
        text = word.group() if word else ""
        before = line[: len(line) - len(text)]
        matches = await self._ask_compgen(text, command=_COMMAND_FOLLOWS.search(before) is not None, cwd=cwd)
        return Completion(tuple(matches), cursor - len(text), cursor)

    async def is_complete(self, code: str) -> str:
        """``complete``, ``incomplete``, ``invalid``, or ``unknown`` when bash does not answer in time."""
        try:
            script = parse_cell(code).script
        except VibesboxError:
            return "invalid"
        if not script.strip():
            return "complete"
        if _CONTINUES.search(script):
            return "incomplete"
        answer = await self._check_syntax(script)
        if answer is None:
            return "unknown"
        if any(sign in answer.text for sign in _UNFINISHED):
            return "incomplete"
        return "complete" if answer.code == 0 else "invalid"

    async def bash_version(self) -> str:
        """The version of bash in full, such as ``5.2.15(1)-release``; empty when it does not answer."""
        answer = await self._ask("-c", 'printf %s "$BASH_VERSION"')
        return answer.text if answer is not None and answer.code == 0 else ""

    async def _check_syntax(self, script: str) -> Answer | None:
        workspace = self._manager.workspace
        name = f"check-{uuid4().hex[:12]}"
        # By a file: an argument holds 128 KiB at most.
        path = workspace.write(name, script.encode("utf-8", "surrogateescape"))
        try:
            return await self._ask("-n", str(path))
        finally:
            workspace.remove(name)

    async def _ask_compgen(self, word: str, *, command: bool, cwd: str) -> list[str]:
        plain = re.sub(r"\\(.)", r"\1", word)
        actions = "-c" if command and "/" not in plain else "-f"
        answer = await self._ask("-c", _COMPGEN, "bash", actions, plain, str(MATCH_LIMIT), cwd=cwd)
        return [] if answer is None else [_SPECIAL.sub(r"\\\1", one) for one in answer.text.splitlines()]

    async def _ask(self, *arguments: str, cwd: str = "/") -> Answer | None:
        words = [self._bash, "--noprofile", "--norc", *arguments]
        try:
            return await ask(self._manager, words, bash=self._bash, cwd=cwd, at_most=ANSWER_SECONDS)
        except VibesboxError:
            return None
