"""Where an instance's socket and its sessions' output live on this machine."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from vibesbox_kernel.broker.wire import SOCKET_NAME
from vibesbox_kernel.errors import BrokerError

MAX_SOCKET_PATH_BYTES = 107
"""Source: unix(7), sun_path."""

SHARED_MEMORY = Path("/dev/shm")

_INSTANCE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Places:
    """The two directories of one instance, both 0700 and our own.

    Attributes:
        runtime: Socket, lock and the shell cells' files; gone after a reboot.
        state: The sessions' output and records; on disk.
    """

    runtime: Path
    state: Path

    @property
    def socket(self) -> Path:
        """The broker's socket."""
        return self.runtime / SOCKET_NAME


def new_instance() -> str:
    """An id for a program that has no kernel connection file."""
    return f"python-{os.getpid()}-{secrets.token_hex(4)}"


def make_places(instance: str) -> Places:
    """Create what is missing.

    Raises:
        ValueError: The id could not be a directory's name.
        BrokerError: A directory can not be made, or is not safe to use.
    """
    if not _INSTANCE_PATTERN.fullmatch(instance):
        raise ValueError(f"instance is {instance!r}; it must be letters, digits, '.', '_' and '-'")
    return Places(runtime=_runtime_directory(instance), state=_private(_private(state_root()) / instance))


def state_root() -> Path:
    """Where all instances of this user keep their sessions' output."""
    return Path(platformdirs.user_state_path("vibesbox"))


def _runtime_directory(instance: str) -> Path:
    """The first of the usual places that can be used and leaves room for the socket's name."""
    short = hashlib.blake2s(instance.encode(), digest_size=8).hexdigest()
    roots = [Path(os.environ["XDG_RUNTIME_DIR"]) / "vibesbox"] if os.environ.get("XDG_RUNTIME_DIR") else []
    if SHARED_MEMORY.is_dir():  # a cell writes several small files, and a busy disk would keep it waiting
        roots.append(SHARED_MEMORY / f"vibesbox-{os.getuid()}")
    roots += [Path(tempfile.gettempdir()) / f"vibesbox-{os.getuid()}", Path("/tmp") / f"vibesbox-{os.getuid()}"]
    problems: list[str] = []
    for root in roots:
        name = next((name for name in (instance, short) if _fits(root / name)), None)
        if name is None:
            problems.append(f"{root}: too long for a socket's path")
            continue
        try:
            return _private(_private(root) / name)
        except BrokerError as error:
            problems.append(str(error))
    raise BrokerError(f"no usable runtime directory; set XDG_RUNTIME_DIR to one ({'; '.join(problems)})")


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES


def _private(directory: Path) -> Path:
    """Make a directory ours alone; one that somebody else could have made is refused."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise BrokerError(f"{directory}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise BrokerError(f"{directory}: is not a directory of this user")
    if stat.S_IMODE(found.st_mode) != 0o700:
        directory.chmod(0o700)
    return directory
