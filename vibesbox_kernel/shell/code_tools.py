"""Programs that judge and rewrite shell code: found where they may be, run on a part of a cell."""

from __future__ import annotations

import os
import secrets
import shutil
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.aside import Answer, ask

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

TOOL_SECONDS = 20.0


def find_tool(name: str, *, magic: str, extra: str) -> str:
    """The path of a program, which the environment of this Python may have although no PATH leads there.

    Args:
        name: The program.
        magic: Which magic needs it.
        extra: The extra of ours that brings it.

    Raises:
        MagicError: It is not installed; says what installs it.
    """
    path = shutil.which(name) or shutil.which(name, path=sysconfig.get_path("scripts"))
    if path is None:
        raise MagicError(f"{magic} needs {name}, which is not installed: pip install 'vibesbox[{extra}]'", magic=magic)
    return path


async def run_tool(manager: SessionManager, words: Sequence[str], code: str, *, magic: str) -> Answer:
    """Run a program on a file with the code, whose path is added to its arguments; nobody sees it in a listing.

    Raises:
        MagicError: It did not come to its end in time, or has said too much.
    """
    name = f"code-{secrets.token_hex(6)}"
    path = manager.workspace.write(name, code.encode("utf-8", "surrogateescape"))
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    bash = shutil.which("bash") or "/bin/bash"
    try:
        argv = [*words, os.fspath(path)]
        answer = await ask(manager, argv, bash=bash, cwd="/", env=environment, at_most=TOOL_SECONDS)
    finally:
        manager.workspace.remove(name)
    if answer is None:
        tool = Path(words[0]).name
        raise MagicError(f"{magic}: {tool} did not finish within {TOOL_SECONDS:g} s", magic=magic)
    return Answer(answer.code, answer.text.replace(f"{path}:", ""))
