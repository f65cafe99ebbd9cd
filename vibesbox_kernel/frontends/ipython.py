"""The IPython extension: ``%load_ext vibesbox`` in a terminal and in a Python notebook.

One manager for each IPython process. Its sessions live outside of it, and what watches them runs on
the manager's own thread: they go on, are shown and are reaped while Python blocks the main thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.frontends.activity import show_activity
from vibesbox_kernel.frontends.control_comm import ControlComms
from vibesbox_kernel.frontends.ipython_completion import Completer
from vibesbox_kernel.frontends.ipython_magics import Magics
from vibesbox_kernel.frontends.ipython_output import kernel_of
from vibesbox_kernel.frontends.setting_traits import ConfiguredSettings
from vibesbox_kernel.sessions import SessionManager, scripts
from vibesbox_kernel.shell.code_help import CodeHelp
from vibesbox_kernel.shell.runner import CellRunner

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

logger = logging.getLogger(__name__)

UNLOAD_SECONDS = 10.0
EXIT_SECONDS = 1.5
"""At exit nobody is kept waiting for long: what is not gone by then the broker ends without us."""

_extensions: dict[InteractiveShell, Extension] = {}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Set the extension up in an IPython shell; nothing happens when it is there already."""
    if shell not in _extensions:
        _extensions[shell] = Extension(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the extension out of an IPython shell and end its sessions; idempotent."""
    extension = _extensions.pop(shell, None)
    if extension is not None:
        extension.close(UNLOAD_SECONDS)


def is_loaded(shell: InteractiveShell) -> bool:
    """Whether an IPython shell has the extension."""
    return shell in _extensions


class Vibesbox(ConfiguredSettings):
    """The settings of the extension's shell, as ``%config Vibesbox`` and ``c.Vibesbox`` know them."""


class Extension:
    """What one IPython shell has of Vibesbox, from its making to ``close``.

    Args:
        shell: Gets the magics.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        kernel = kernel_of(shell)
        self._shell = shell
        self._pid = os.getpid()
        owner = "IPython terminal" if kernel is None else "Python notebook"
        self.manager = SessionManager(instance=_instance_of(kernel), owner=owner)
        self._settings = Vibesbox(parent=shell)
        self._configurables().append(self._settings)
        self._runner = CellRunner(self.manager, settings=self._settings.settings)
        self._magics = Magics(shell, self.manager, self._runner)
        self._magics.register()
        self._help = CodeHelp(self.manager, self._runner)
        self._completer = Completer(shell, self.manager, self._help)
        self._completer.register()
        self._control = None if kernel is None else ControlComms(self.manager, self._runner)
        if self._control is not None:
            self._control.register()
        scripts.share(self.manager)
        engine = self.manager.engine
        engine.post(lambda: engine.start(self._warm_up(), name="vibesbox-warm-up"))
        if kernel is not None:
            engine.post_task(show_activity(self.manager, kernel), name="vibesbox-activity")
        # After the engine's own, so that it is called before: it needs the engine.
        atexit.register(self._at_exit)

    def close(self, at_most: float) -> None:
        """Remove the magics and end every session.

        Args:
            at_most: Seconds to wait for the end; the broker goes on with what is left.
        """
        atexit.unregister(self._at_exit)
        scripts.unshare(self.manager)
        self._magics.remove()
        self._completer.remove()
        if self._control is not None:
            self._control.unregister()
        with contextlib.suppress(ValueError):
            self._configurables().remove(self._settings)
        engine = self.manager.engine
        try:
            engine.call(asyncio.wait_for(self._end_sessions(), at_most))
        except TimeoutError:
            logger.warning("sessions are not gone in %g s; the broker goes on to end them", at_most)
        except VibesboxError as error:
            logger.warning("%s", error)
        finally:
            engine.close()

    def _configurables(self) -> list[Any]:
        """What ``%config`` knows; IPython says wrongly that these are shells."""
        return cast("list[Any]", self._shell.configurables)

    async def _warm_up(self) -> None:
        try:
            await self._runner.start()
        except VibesboxError as error:
            logger.info("no session could be prepared: %s", error)  # the first session will say it to the user

    async def _end_sessions(self) -> None:
        await self._help.aclose()
        await self._runner.aclose()
        await self.manager.aclose()

    def _at_exit(self) -> None:
        if self._pid == os.getpid():  # a forked child's end is not ours
            self.close(EXIT_SECONDS)


def _instance_of(kernel: Any) -> str | None:
    """The broker's id: that of the kernel's connection, or None where there is no kernel."""
    stem = Path(str(getattr(getattr(kernel, "parent", None), "connection_file", "") or "")).stem
    return re.sub(r"[^A-Za-z0-9._-]", "-", stem)[:100].lstrip("-._") or None
