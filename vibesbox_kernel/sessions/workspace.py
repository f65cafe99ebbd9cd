"""A private directory that a manager shares with its sessions: small files in, small files out."""

from __future__ import annotations

import contextlib
from pathlib import Path

from vibesbox_kernel.sessions.private_files import write_private


class Workspace:
    """Files of mode 0600 in a runtime directory of mode 0700; names are plain file names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        while not path.is_dir():
            # A broker that left has taken the parent along, and one that is just leaving may do so in between.
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                path.mkdir(mode=0o700, exist_ok=True)

    def write(self, name: str, data: bytes) -> Path:
        """Create or replace a file; returns its path."""
        path = self._path(name)
        write_private(path, data)
        return path

    def read(self, name: str) -> bytes:
        """What a file holds; FileNotFoundError when there is none."""
        return self._path(name).read_bytes()

    def remove(self, name: str) -> None:
        """Delete a file, if there is one."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not name or "/" in name or name in (".", ".."):
            raise ValueError(f"{name!r} is not a plain file name")
        return self.path / name
