"""A shell whose user asks for help while writing."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import Mock, patch

from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.cell import parse_cell
from vibesbox_kernel.shell.code_help import CodeHelp
from vibesbox_kernel.shell.runner import CellRunner
from vibesbox_kernel.shell.sink import OutputSink

SECONDS = 5.0


class HelpedShell:
    """Runs cells, and answers questions about code."""

    def __init__(self, manager: SessionManager, runner: CellRunner, code_help: CodeHelp) -> None:
        self.manager = manager
        self.runner = runner
        self.help = code_help

    async def run(self, code: str) -> None:
        """Run a cell, which must succeed."""
        outcome = await self.runner.run(parse_cell(code), label="In[1]", sink=Mock(spec=OutputSink))
        assert outcome.exit_status is not None
        assert outcome.exit_status.success, code

    async def matches(self, code: str, following: str = "") -> list[str]:
        """What the code can become where the cursor stands behind it."""
        found = await self.help.complete(code + following, len(code))
        return [code[: found.start] + text for text in found.texts]

    async def kinds(self, code: str) -> dict[str, str]:
        """What each match is."""
        return {match.text: match.kind.value for match in (await self.help.complete(code, len(code))).matches}


@asynccontextmanager
async def helped_shell(directory: Path) -> AsyncIterator[HelpedShell]:
    """A shell in a directory, until the block ends."""
    async with SessionManager() as manager:
        runner = CellRunner(manager, cwd=os.fspath(directory))
        code_help = CodeHelp(manager, runner)
        try:
            # A busy machine may be slower than a user is patient.
            with patch("vibesbox_kernel.shell.code_help.ANSWER_SECONDS", SECONDS):
                yield HelpedShell(manager, runner, code_help)
        finally:
            await code_help.aclose()
            await runner.aclose()
