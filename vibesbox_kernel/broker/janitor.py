"""Sweeping up after runs of which nobody is left: their processes, their records, their files.

While a broker or its guardian lives, it does that itself. If both are killed at once, their sessions
fall to init, and the next broker of this user that starts finds them by their tag. The tag is the
only licence to kill here: a marker in an environment may have been inherited by a stranger.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from vibesbox_kernel.broker import records, system
from vibesbox_kernel.broker.killing import kill_all
from vibesbox_kernel.broker.run import Run, forget_run, read_run
from vibesbox_kernel.broker.run_directory import remove_dead, remove_workspaces
from vibesbox_kernel.broker.wire import LOG_NAME, RUN_NAME

logger = logging.getLogger(__name__)


def sweep_dead_runs(state_root: str) -> int:
    """Clean up after every dead run of this user on this machine; returns how many processes were killed.

    One whose files are not ours to delete keeps nobody from the others.
    """
    killed = 0
    for entry in _entries(state_root):
        try:
            if os.path.exists(f"{entry.path}/{RUN_NAME}"):
                killed += _sweep(entry.path)
        except OSError as error:
            logger.warning("what is left in %s could not be cleaned up: %s", entry.path, error)
    return killed


def _sweep(state_directory: str) -> int:
    with _locked(f"{state_directory}/{LOG_NAME}") as is_dead:
        run = read_run(state_directory) if is_dead else None
        if run is not None and run.host == socket.gethostname():
            return clean_up(state_directory, run)
    return 0


def clean_up(state_directory: str, run: Run) -> int:
    """Clean up after one dead run; returns how many processes were killed."""
    killed = _kill_tagged(run)
    record_lost(state_directory)
    remove_workspaces(run.run_directory)
    remove_dead(run.run_directory)
    forget_run(state_directory)
    logger.warning("run %x of pid %d was cut off; %d processes that it left were killed", run.tag, run.pid, killed)
    return killed


def record_lost(state_directory: str) -> None:
    """Nobody knows how the sessions have ended that still are said to run."""
    for entry in _entries(state_directory):
        facts = records.read_exit(entry.path)
        if facts is not None and facts.get("status") in ("running", "queued"):
            with contextlib.suppress(OSError):
                records.write_exit(entry.path, {"status": "over", "reason": "lost", "ended_at": time.time()})


def _kill_tagged(run: Run) -> int:
    def is_of_it(pid: int) -> bool:
        return run.has_tag(system.tag_of(pid))

    def alive() -> list[int]:
        return [pid for pid in system.all_pids() if is_of_it(pid) and system.is_alive(pid)]

    return len(kill_all(alive, lambda pid, number: system.signal_pinned(pid, number, belongs=is_of_it)))


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return [entry for entry in found if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."]
    except OSError:
        return []


@contextmanager
def _locked(path: str) -> Iterator[bool]:
    """Hold a dead run's log, so that no broker starts there meanwhile; False if the run is alive."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
