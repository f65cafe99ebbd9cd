"""Manual pages: found in the background, since `man` takes its time, and kept."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.shell.aside import ask

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

logger = logging.getLogger(__name__)

KEPT_PAGES = 32
PATIENCE_SECONDS = 0.7
"""A page that comes later is shown when it is asked for again."""
_MAN_SECONDS = 10.0
_WIDTH = "80"
# Without `--` after `man`: some of them do not know it. No name here begins with a dash.
_SCRIPT = """
man=$1; shift
for page; do text=$("$man" "$page" 2>/dev/null) && printf '%s\\n' "$page" "$text" && exit; done; exit 1
"""


@dataclass(frozen=True)
class Page:
    """A manual page."""

    name: str
    text: str


class Manual:
    """Looks pages up. Everything of it runs on the manager's engine.

    Args:
        manager: Whose broker runs `man`.
    """

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._pages: OrderedDict[tuple[str, ...], asyncio.Task[Page | None]] = OrderedDict()

    async def page(self, words: Sequence[str]) -> Page | None:
        """The page of a command and its subcommand, or else of the command; None if there is none, or not yet."""
        names = _names(words)
        if not names:
            return None
        task = self._pages.get(names)
        if task is None:
            task = self._manager.engine.start(self._look_up(names), name="vibesbox-manual")
            self._pages[names] = task
        self._pages.move_to_end(names)
        self._forget_old()
        await asyncio.wait([task], timeout=PATIENCE_SECONDS)
        return task.result() if task.done() and not task.cancelled() else None

    async def _look_up(self, names: tuple[str, ...]) -> Page | None:
        man, bash = shutil.which("man"), shutil.which("bash")
        if man is None or bash is None:
            return None
        words = [bash, "--noprofile", "--norc", "-c", _SCRIPT, "bash", man, *names]
        environment = {**os.environ, "MANWIDTH": _WIDTH, "MANPAGER": "cat", "PAGER": "cat", "TERM": "dumb"}
        try:
            answer = await ask(self._manager, words, bash=bash, cwd="/", env=environment, at_most=_MAN_SECONDS)
        except VibesboxError as error:
            logger.debug("no manual page: %s", error)
            return None
        if answer is None or answer.code != 0:
            return None
        name, _, text = answer.text.partition("\n")
        return Page(name, text)

    def _forget_old(self) -> None:
        while len(self._pages) > KEPT_PAGES:
            _, task = self._pages.popitem(last=False)
            task.cancel()


def _names(words: Sequence[str]) -> tuple[str, ...]:
    """The names that a page may have, the best first."""
    if not words or words[0].startswith("-") or not words[0]:
        return ()
    command = words[0].rpartition("/")[2]
    return (*(f"{command}-{one}" for one in words[1:2]), command)
