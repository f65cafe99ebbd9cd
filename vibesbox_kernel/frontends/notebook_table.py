"""``vibesbox.table()``: the live table of processes, from Python code in a notebook."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import NoNotebookError
from vibesbox_kernel.sessions import BlockingSessionManager
from vibesbox_kernel.sessions.scripts import default_manager

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from vibesbox_kernel.sessions import SessionManager


def table(manager: SessionManager | BlockingSessionManager | None = None, *, everything: bool = False) -> None:
    """Show the live table of processes below the cell that runs.

    Args:
        manager: Whose sessions; without it those of the extension where it is loaded, else those of ``vibesbox.run``.
        everything: The ended sessions too, not only the last.

    Raises:
        NoNotebookError: This is no notebook.
    """
    shell = _notebook()
    from vibesbox_kernel.frontends import ipython

    if manager is None and ipython.is_loaded(shell):
        shell.run_line_magic("ps", "-w -a" if everything else "-w")
        return
    from vibesbox_kernel.frontends.cell_output import CellOutput
    from vibesbox_kernel.frontends.ipython_output import NOTEBOOK_WIDTH, kernel_of
    from vibesbox_kernel.widgets.views import Views

    if isinstance(manager, BlockingSessionManager):
        manager = manager.asynchronous
    kernel = kernel_of(shell)
    views = Views(manager or default_manager(), lambda: NOTEBOOK_WIDTH)
    views.show_table(CellOutput(kernel, kernel.get_parent()).display, everything=everything)


def _notebook() -> InteractiveShell:
    """The IPython shell of this process, if a notebook is in front of it."""
    if "IPython" not in sys.modules:
        raise NoNotebookError("Python without IPython")
    from IPython.core.getipython import get_ipython

    from vibesbox_kernel.frontends.ipython_output import kernel_of

    shell = get_ipython()
    if shell is None:
        raise NoNotebookError("Python without IPython")
    if kernel_of(shell) is None:
        raise NoNotebookError("IPython in a terminal")
    return shell
