"""The settings that a notebook has for itself: ``"vibesbox": {"rows": 40}`` in its metadata.

No message of Jupyter's tells a kernel about its notebook. A Jupyter server names the notebook's file in
``JPY_SESSION_NAME`` when it starts the kernel, and the file has the metadata; without a server (nbconvert, papermill, a
console) there is nothing to read, and nothing is set.

Source: Jupyter Server, ``SessionManager.get_kernel_env``; the notebook file format, "Top-level structure".
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibesbox_kernel.errors import InvalidOptionError, UnknownSettingError
from vibesbox_kernel.shell.settings import Settings, Source

VARIABLE = "JPY_SESSION_NAME"
KEY = "vibesbox"
MAX_NOTEBOOK_BYTES = 20_000_000
"""A larger notebook is not read: the kernel's start would wait for it."""


def apply_notebook_metadata(settings: Settings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Set what the notebook sets for itself; whatever is wrong with that is left out and said.

    Args:
        settings: To be changed.
        environment: The kernel's.

    Returns:
        What the user should be told.
    """
    path = environment.get(VARIABLE, "")
    wanted = _read(Path(path)) if path.endswith(".ipynb") else None
    if wanted is None:
        return ()
    if not isinstance(wanted, dict):
        return (f"this notebook's metadata has {KEY!r}, but no settings in it",)
    notices = []
    for name, value in wanted.items():
        try:
            settings.set(name, value, source=Source.NOTEBOOK)
        except (InvalidOptionError, UnknownSettingError) as error:
            notices.append(f"this notebook's metadata: {error}")
    return tuple(notices)


def _read(path: Path) -> Any:
    """What stands under our key; None if nothing does, or the file can not be had."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # never waits for a fifo's writer
        with open(descriptor, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_NOTEBOOK_BYTES:
                return None
            return json.loads(file.read(MAX_NOTEBOOK_BYTES))["metadata"].get(KEY)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # it is the server's to complain about it
