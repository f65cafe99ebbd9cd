"""What is on disk of a broker's run: how a later one tells that it is dead, and finds what it left.

``run.json`` stands in the state directory from a guardian's start to its end. A lock on the log beside it
says that the run lives; the file without the lock says that guardian and broker were killed together.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
from dataclasses import asdict, dataclass

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.wire import RUN_NAME

_RUN_BITS = 37
_SEQUENCE_BITS = 24


@dataclass(frozen=True, slots=True)
class Run:
    """One guardian and its broker.

    Attributes:
        tag: What the tags of all its sessions begin with.
        pid: The guardian.
        host: The machine; a home directory may be shared by several.
        run_directory: Where its socket and its clients' files are.
    """

    tag: int
    pid: int
    host: str
    run_directory: str

    def has_tag(self, tag: int) -> bool:
        """Whether a process with this tag is of this run."""
        return run_of(tag) == run_of(self.tag)


def run_of(tag: int) -> int:
    """What the tags of all sessions of one run have in common."""
    return tag >> _SEQUENCE_BITS


def new_run(run_directory: str) -> Run:
    """A run of this process, with a tag that no other has."""
    tag = system.TAG_BASE | random.SystemRandom().getrandbits(_RUN_BITS) << _SEQUENCE_BITS
    return Run(tag=tag, pid=os.getpid(), host=socket.gethostname(), run_directory=run_directory)


def write_run(state_directory: str, run: Run) -> None:
    """Say that a run has begun."""
    descriptor = os.open(_path(state_directory), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w") as file:
        json.dump(asdict(run), file)


def read_run(state_directory: str) -> Run | None:
    """The run that has not said its end, or None."""
    try:
        with open(_path(state_directory)) as file:
            facts = json.load(file)
        run = Run(int(facts["tag"]), int(facts["pid"]), str(facts["host"]), str(facts["run_directory"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return run if run.tag >= system.TAG_BASE else None


def forget_run(state_directory: str) -> None:
    """Say that a run has ended, and left nothing."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(state_directory))


def _path(state_directory: str) -> str:
    return f"{state_directory}/{RUN_NAME}"
