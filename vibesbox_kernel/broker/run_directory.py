"""A run's runtime directory: its lock, its door, and what clients keep there; taken at the start, away at the end.

Whoever holds the lock is the guardian or the broker of this id. The directory itself comes and goes, too: whoever
makes a file in it makes the directory anew where another has just taken it away.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import time

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.log import is_still_at
from vibesbox_kernel.broker.wire import ANNOUNCEMENTS_NAME, CLOSED_NAME, SOCKET_NAME, WORKSPACE_PREFIX

LOCK_NAME = "lock"
LOCK_SECONDS = 10.0


def take_lock(run_directory: str) -> int | None:
    """Wait until whoever was here before us has left.

    Returns:
        The descriptor that holds the lock, or None where another broker serves, or does not leave.
    """
    path = f"{run_directory}/{LOCK_NAME}"
    descriptor = _open_lock(path)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline or _is_served(f"{run_directory}/{SOCKET_NAME}"):
                return None
            time.sleep(0.01)  # the broker before us is ending its sessions
            continue
        if is_still_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # the guardian before us took it away when it left
        descriptor = _open_lock(path)


def listen(run_directory: str) -> socket.socket:
    """The door: a socket that only this user may open."""
    path = f"{run_directory}/{SOCKET_NAME}"
    _unlink(path)  # left by a broker that died; nobody listens on it, because we have the lock
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    return listener


def shut_door(run_directory: str) -> None:
    """Nobody shall find a broker here any more."""
    for name in (SOCKET_NAME, ANNOUNCEMENTS_NAME):
        _unlink(f"{run_directory}/{name}")


def remove_workspaces(run_directory: str) -> None:
    """Delete what clients left there that are dead, or want it no more: a shell's state may hold secrets."""
    with contextlib.suppress(OSError), os.scandir(run_directory) as entries:
        for entry in entries:
            if entry.name.startswith(WORKSPACE_PREFIX) and entry.is_dir(follow_symlinks=False) and _is_left(entry):
                shutil.rmtree(entry.path, ignore_errors=True)


def leave(run_directory: str) -> None:
    """Take the directory away, as the last thing under the lock; a client that still has files there takes it then."""
    _unlink(f"{run_directory}/{LOCK_NAME}")
    with contextlib.suppress(OSError):
        os.rmdir(run_directory)


def remove_dead(run_directory: str) -> None:
    """Take away what a run has left that was killed, unless somebody uses the directory again."""
    try:
        descriptor = os.open(f"{run_directory}/{LOCK_NAME}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_still_at(f"{run_directory}/{LOCK_NAME}", descriptor):
                shut_door(run_directory)
                leave(run_directory)
    finally:
        os.close(descriptor)


def _open_lock(path: str) -> int:
    while True:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # taken away just now
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _is_served(path: str) -> bool:
    """Whether another broker of this id takes clients: ours shall go to that one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def _is_left(workspace: os.DirEntry[str]) -> bool:
    owner = workspace.name[len(WORKSPACE_PREFIX) :].partition("-")[0]
    if not owner.isdigit() or system.is_leaving(int(owner)):
        return True
    return os.path.exists(f"{workspace.path}/{CLOSED_NAME}")


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
