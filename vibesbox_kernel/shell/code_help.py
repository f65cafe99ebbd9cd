"""Help with code that is being written: what a front-end asks about a cell before it is run."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.shell.aside import ask
from vibesbox_kernel.shell.cell_head import CellHead, is_for_bash, read_head
from vibesbox_kernel.shell.completeness import Completeness, completeness
from vibesbox_kernel.shell.completion import Completion, complete_script
from vibesbox_kernel.shell.inspection import Inspection, Inspector
from vibesbox_kernel.shell.magic_completion import complete_magic, known_refs
from vibesbox_kernel.shell.magic_inspection import inspect_magic
from vibesbox_kernel.shell.magics import command_offset
from vibesbox_kernel.shell.manual import Manual
from vibesbox_kernel.shell.side_bashes import SideBashes
from vibesbox_kernel.shell.word_at import word_at

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.runner import CellRunner

logger = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 1.0
"""Help that comes later is none: the user has typed on."""
_VERSION_SECONDS = 3.0


class CodeHelp:
    """Answers questions about code, from any event loop, also while cells run.

    Args:
        manager: Whose sessions are named, and whose broker runs bash.
        runner: Whose cells they are, and whose shell.
    """

    def __init__(self, manager: SessionManager, runner: CellRunner) -> None:
        self._manager = manager
        self._runner = runner
        self._sides = SideBashes(manager, runner)
        self._inspector = Inspector(self._sides.ask, Manual(manager))

    async def complete(self, code: str, cursor: int) -> Completion:
        """What fits at the cursor: magics, their options, sessions; commands, their arguments, variables, files.

        Args:
            code: The cell's text.
            cursor: Where the cursor is, in characters.
        """
        nothing = Completion((), cursor, cursor)
        return await self._manager.engine.run(_in_time(self._complete(code, cursor), nothing))

    async def is_complete(self, code: str) -> Completeness:
        """Whether Enter should run the code or begin another line."""
        work = completeness(
            code, workspace=self._manager.workspace, ask=self._sides.ask, default_shell=self._default_shell
        )
        return await self._manager.engine.run(_in_time(work, Completeness("unknown")))

    async def inspect(self, code: str, cursor: int, *, detailed: bool = False) -> Inspection | None:
        """What is known of the word at the cursor; None if nothing is. No command is run to find out.

        Args:
            code: The cell's text.
            cursor: Where the cursor is, in characters.
            detailed: With manual pages.
        """
        return await self._manager.engine.run(_in_time(self._inspect(code, cursor, detailed), None))

    async def bash_version(self) -> str:
        """The version of bash in full, such as ``5.2.15(1)-release``; empty when it does not answer."""
        bash = shutil.which("bash") or "/bin/bash"
        words = [bash, "--noprofile", "--norc", "-c", 'printf %s "$BASH_VERSION"']
        try:
            answer = await ask(self._manager, words, bash=bash, cwd="/", at_most=_VERSION_SECONDS)
        except VibesboxError:
            return ""
        return answer.text if answer is not None and answer.code == 0 else ""

    def refresh_soon(self) -> None:
        """A cell has ended: know the new state soon. From any thread."""
        self._manager.engine.post(self._sides.refresh_soon)

    async def aclose(self) -> None:
        """End what answers the questions."""
        await self._manager.engine.run(self._sides.aclose())

    @property
    def _default_shell(self) -> str:
        return self._runner.settings.now.default_shell

    async def _complete(self, code: str, cursor: int) -> Completion:
        head = read_head(code[:cursor])
        if not head.holds_cursor:
            return await self._complete_script(code, head, cursor)
        line = code[code.rfind("\n", 0, cursor) + 1 : cursor]
        command = command_offset(line)
        if command is not None:
            return await self._part(line[command:], cursor, code[cursor:])
        fits = complete_magic(line, refs=lambda: known_refs(self._manager))
        if fits.wants_file:
            return await self._part(line[len(line) - fits.replaced :], cursor, code[cursor:], command=": ")
        return Completion(fits.matches, cursor - fits.replaced, cursor)

    async def _complete_script(self, code: str, head: CellHead, cursor: int) -> Completion:
        if not is_for_bash(head, code[head.end :], default=self._default_shell):
            return Completion((), cursor, cursor)
        return await self._part(code[head.end : cursor], cursor, code[cursor:])

    async def _inspect(self, code: str, cursor: int, detailed: bool) -> Inspection | None:
        line_start = code.rfind("\n", 0, cursor) + 1
        line = code[line_start:].partition("\n")[0]
        in_head = read_head(code[: line_start + len(line)]).holds_cursor
        command = command_offset(line) if in_head else None
        if in_head and (command is None or cursor - line_start < command):
            return inspect_magic(line, cursor - line_start, self._manager)
        head = read_head(code)
        start = head.end if command is None else line_start + command
        if not is_for_bash(head, code[start:], default=self._default_shell):
            return None
        word = word_at(code[start:], cursor - start)
        if word is None:
            return None
        cwd = (await self._sides.state()).cwd
        return await self._inspector.inspect(word, directory=cwd, detailed=detailed)

    async def _part(self, script: str, cursor: int, following: str, *, command: str = "") -> Completion:
        """Complete the end of a script that ends at the cursor; a command may have to be thought before it."""
        cwd = (await self._sides.state()).cwd
        found = await complete_script(command + script, following=following, directory=cwd, ask=self._sides.ask)
        offset = cursor - len(script) - len(command)
        return replace(found, start=found.start + offset, end=found.end + offset)


async def _in_time(work: Awaitable[T], otherwise: T) -> T:
    """The answer, or another one if there is none in time."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await work
    except TimeoutError:
        return otherwise
    except (OSError, VibesboxError) as error:  # a full disk takes no question
        logger.debug("no help: %s", error)
        return otherwise
