"""The name that users import: ``import vibesbox`` and ``%load_ext vibesbox``.

It hands on the public names of :mod:`vibesbox_kernel` and has no logic of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import vibesbox_kernel

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from vibesbox_kernel import *  # noqa: F403  the same names, so that editors and type checkers know them

__version__ = vibesbox_kernel.__version__
__all__ = [*vibesbox_kernel.__all__, "load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Set the extension up in an IPython shell; what ``%load_ext vibesbox`` calls."""
    from vibesbox_kernel.frontends import ipython

    ipython.load_ipython_extension(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the extension out of an IPython shell; what ``%unload_ext vibesbox`` calls."""
    from vibesbox_kernel.frontends import ipython

    ipython.unload_ipython_extension(shell)


def __getattr__(name: str) -> object:
    if name not in vibesbox_kernel.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(vibesbox_kernel, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
