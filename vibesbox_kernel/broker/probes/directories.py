"""Probes of the two directories: the socket's, and the one where output is kept."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from collections.abc import Iterator

from vibesbox_kernel.broker.budget import USER_LIMIT_BYTES
from vibesbox_kernel.broker.probes.finding import Finding, Probe, Promise, in_words, size
from vibesbox_kernel.broker.probes.mounts import file_system, mounts
from vibesbox_kernel.broker.wire import SOCKET_NAME, peer_credentials

RUNTIME = Promise("runtime", "The control socket has a private place")
PEER = Promise("peer", "Only your own programs get in")
OUTPUT = Promise("output", "Output is kept on a disk")
SPACE = Promise("space", "There is room for output")

IN_MEMORY = frozenset({"tmpfs", "ramfs", "hugetlbfs"})
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone"})
LITTLE_RUNTIME_BYTES = 16 << 20
_BLOCK = b"\0" * (1 << 16)
_MOVE_OUTPUT = "Set XDG_STATE_HOME to a directory on a local disk before Jupyter starts."
_MOVE_RUNTIME = "Set XDG_RUNTIME_DIR to a directory of yours before Jupyter starts."


def probes(runtime: str, state: str) -> tuple[Probe, ...]:
    """The probes of these two directories, which exist and are there for the probes alone."""
    return (
        Probe((RUNTIME,), lambda: _look_at_runtime(runtime)),
        Probe((PEER,), lambda: _look_at_peer(runtime)),
        Probe((OUTPUT, SPACE), lambda: _look_at_output(state)),
    )


def _look_at_runtime(directory: str) -> Iterator[Finding]:
    kind, where = file_system(directory, mounts()), os.path.dirname(directory)
    found = os.lstat(directory)
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
        yield RUNTIME.no(
            f"{where} is open to others, and can not be closed",
            "Other users of this machine could steer your sessions.",
            _MOVE_RUNTIME,
        )
        return
    free = _free_bytes(directory)
    if free < LITTLE_RUNTIME_BYTES:
        yield RUNTIME.weaker(
            f"{where} has {size(free)} left", "The state of the shell between cells may not fit.", _MOVE_RUNTIME
        )
    elif kind in REMOTE:
        yield RUNTIME.weaker(
            f"{where} is on a network ({kind})",
            "Cells start slowly, and two machines may take the same place for theirs.",
            _MOVE_RUNTIME,
        )
    else:
        yield RUNTIME.yes(f"{where}{f', {_kind(kind)}' if kind else ''}")


def _look_at_peer(directory: str) -> Iterator[Finding]:
    path = f"{directory}/{SOCKET_NAME}"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as dialler:
        try:
            listener.bind(path)
            listener.listen(1)
            dialler.connect(path)
        except OSError as error:
            yield PEER.no(
                f"no socket can be made there: {in_words(error)}",
                "No session can be started: programs and broker can not talk to each other.",
                _MOVE_RUNTIME,
            )
            return
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)
        accepted = listener.accept()[0]
        with accepted:
            pid, uid = peer_credentials(accepted)
    if (pid, uid) == (os.getpid(), os.getuid()):
        yield PEER.yes("the system says who connects")
    else:
        yield PEER.weaker(
            f"the system says that uid {uid} connected, but it was uid {os.getuid()}",
            "Who may connect is decided by the directory's permissions alone.",
        )


def _look_at_output(directory: str) -> Iterator[Finding]:
    where, kind = os.path.dirname(directory), file_system(directory, mounts())
    try:
        _write_and_lock(f"{directory}/probe")
    except OSError as error:
        yield OUTPUT.no(
            f"{where} can not be written: {in_words(error)}",
            "Sessions run, but their output is lost; what is lost is counted.",
            f"Make room, or move it. {_MOVE_OUTPUT}",
        )
    else:
        yield output(where, kind)
    yield space(_free_bytes(directory))


def output(where: str, kind: str) -> Finding:
    """What the file system means on which output is kept."""
    if kind in IN_MEMORY:
        return OUTPUT.weaker(
            f"{where} is in memory ({kind})",
            "Output takes memory away from your programs, and is gone after a restart of the machine.",
            _MOVE_OUTPUT,
        )
    if kind in REMOTE:
        return OUTPUT.weaker(
            f"{where} is on a network ({kind})",
            "A slow or broken network holds up all sessions, and locks may not tell two machines apart.",
            _MOVE_OUTPUT,
        )
    return OUTPUT.yes(f"{where}{f' ({kind})' if kind else ''}")


def space(free: int) -> Finding:
    """What the free bytes mean beside what all sessions of a user may keep."""
    found = f"{size(free)} free; sessions keep at most {size(USER_LIMIT_BYTES)}"
    if free >= USER_LIMIT_BYTES:
        return SPACE.yes(found)
    return SPACE.weaker(
        found,
        "The disk may be full before old output is dropped. Sessions go on then, but what they print meanwhile "
        "is lost; what is lost is counted.",
        f"Make room, or move it. {_MOVE_OUTPUT}",
    )


def _write_and_lock(path: str) -> None:
    """Write, and see that a lock keeps a second one out.

    Raises:
        OSError: One of both does not work.
    """
    try:
        with open(path, "xb") as first, open(path, "rb") as second:
            first.write(_BLOCK)
            first.flush()
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            raise OSError("locks on files have no effect there")
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _free_bytes(directory: str) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _kind(kind: str) -> str:
    return "in memory" if kind in IN_MEMORY else f"on {kind}"
