"""A session's facts on disk, beside its output: ``meta.json`` at its start, ``exit.json`` at its end.

The exit record overwrites a block that is reserved at the start, so that it can be written on a disk
that has filled up since. It says ``running`` until then; if broker and guardian die as well, a later
start can tell that nobody knows how the session ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

META_NAME = "meta.json"
EXIT_NAME = "exit.json"
_RESERVED_BYTES = 512


def write_meta(directory: str, facts: Mapping[str, Any]) -> None:
    """Say what the session is. Never holds its environment: that may be secret."""
    descriptor = os.open(f"{directory}/{META_NAME}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, json.dumps(facts).encode())
    finally:
        os.close(descriptor)


def write_exit(directory: str, facts: Mapping[str, Any]) -> None:
    """Say how the session stands or ended, within the reserved block."""
    body = json.dumps(facts).encode().ljust(_RESERVED_BYTES)
    descriptor = os.open(f"{directory}/{EXIT_NAME}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, body, 0)
    finally:
        os.close(descriptor)


def read_exit(directory: str) -> dict[str, Any] | None:
    """What ``write_exit`` said last, or None when there is no readable record."""
    try:
        with open(f"{directory}/{EXIT_NAME}", "rb") as file:
            facts = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None
