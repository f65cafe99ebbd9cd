"""Tab in IPython: the lines of our magics, and scripts below them, complete as they do in the kernel."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.shell.magics import MAGICS

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.code_help import CodeHelp

# Once a name is whole; until then it is IPython's to complete, with all the magics that there are.
_OVER_CELL = re.compile(r"\s*%%(\w+)(?=\s)")
_IN_LINE = re.compile(r"(?:.*=)?\s*(%(\w+)\s.*)", re.DOTALL)


class Completer:
    """Completes what is ours in one IPython shell.

    Args:
        shell: The shell.
        manager: Whose engine answers.
        code_help: Knows what fits.
    """

    def __init__(self, shell: InteractiveShell, manager: SessionManager, code_help: CodeHelp) -> None:
        self._shell = shell
        self._manager = manager
        self._help = code_help
        # A function of its own: IPython sets attributes on it, which a bound method has no room for.
        self._matcher = context_matcher(identifier="vibesbox")(lambda context: self._match(context))

    def register(self) -> None:
        """Take part in the shell's completion."""
        self._matchers.append(self._matcher)

    def remove(self) -> None:
        """Take part no more."""
        with suppress(ValueError):
            self._matchers.remove(self._matcher)

    @property
    def _matchers(self) -> list[object]:
        matchers: list[object] = self._shell.Completer.custom_matchers
        return matchers

    def _match(self, context: CompletionContext) -> SimpleMatcherResult:
        """What fits at the cursor; nothing, in favour of IPython's own, where the code is not ours.

        Source: IPython's documentation, ``IPython.core.completer``, Matchers.
        """
        code, cursor = _ours(context)
        if not code:
            return SimpleMatcherResult(completions=[])
        try:
            found = self._manager.engine.call(self._help.complete(code, cursor))
        except VibesboxError:
            return SimpleMatcherResult(completions=[])
        return SimpleMatcherResult(
            completions=[SimpleCompletion(match.text, type=match.kind.value) for match in found.matches],
            matched_fragment=code[found.start : found.end],
            suppress=True,
            ordered=True,
        )


def _ours(context: CompletionContext) -> tuple[str, int]:
    """The part of the code that is ours, and where in it the cursor is; empty if none is."""
    text = context.full_text
    lines = text.split("\n")
    cursor = sum(len(line) + 1 for line in lines[: context.cursor_line]) + context.cursor_position
    over = _OVER_CELL.match(text)
    if over is not None and over.group(1) in MAGICS and MAGICS[over.group(1)].cell and cursor >= over.end():
        return text, cursor
    line = _IN_LINE.fullmatch(lines[context.cursor_line][: context.cursor_position])
    if line is None or line.group(2) not in MAGICS:
        return "", 0
    return line.group(1), len(line.group(1))
