"""The commands that cells find on their PATH, such as ``vibesbox-show``, without a trace of it in the user's PATH.

A cell's PATH ends with the directory of their launchers. It is taken out again of the PATH that the cell hands on.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vibesbox_kernel import tools
from vibesbox_kernel.shell.quoting import quote

# So that the directory stands in bash's own words for a variable as it is.
_PLAIN = re.compile(rb"[A-Za-z0-9/._+@ ,=-]+")


def _directory() -> bytes:
    directory = os.fsencode(Path(tools.__file__).parent / "bin")
    return directory if _PLAIN.fullmatch(directory) else b""


DIRECTORY = _directory()
"""Where the launchers are; empty if that is no place that a PATH can name."""


def add_tools() -> bytes:
    """The command by which a cell's bash finds them; a PATH that is not set stays so."""
    if not DIRECTORY:
        return b":"
    return b'[[ ! ${PATH-} ]] || builtin declare PATH="$PATH":' + quote(DIRECTORY)


def without_tools(declaration: bytes) -> bytes:
    """What declares PATH, as the user has it."""
    return declaration.replace(b":" + DIRECTORY, b"") if DIRECTORY else declaration
