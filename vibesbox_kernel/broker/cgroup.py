"""Memory limits by the kernel itself, where a cgroup is delegated to us; everything works without.

Source: the kernel's "Control Group v2", sections Delegation and Memory; cgroups(7).
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator

PREFIX = "vibesbox-"
_STALE_SECONDS = 60.0


class Cgroups:
    """Sessions' own cgroups, made below one that is ours to divide.

    Nothing is written anywhere before a session asks for a limit.

    Args:
        directory: The delegated cgroup; see ``find``.
        others: Those to be tried after it, if it can not hand the control of memory down.
    """

    def __init__(self, directory: str, *others: str) -> None:
        self.directory = directory
        self._untried = [directory, *others]
        self._is_settled = False
        self._left: set[str] = set()
        self._hits_of_old: dict[str, int] = {}

    @classmethod
    def find(cls, root: str = "/") -> Cgroups | None:
        """The cgroup that we may divide, as far as can be told without writing to it; None where there is none.

        It is our own, or the one above: a cgroup with processes of its own can not hand the control of
        memory down to others, so below ours it works only where somebody has done so before.

        Args:
            root: The root of the file system; a test has its own.
        """
        directories = [directory for directory in _candidates(root) if _is_delegated(directory)]
        for directory in directories:
            with contextlib.suppress(OSError):
                _remove_stale(directory)
        return cls(*directories) if directories else None

    def create(self, session_id: str, *, max_memory_bytes: int) -> str:
        """Make a session's cgroup; its leader is to enter the returned directory before its first instruction.

        A session that is started again may find its last run's, if that could not be removed yet: what the
        kernel has killed in there does not count any more.

        Raises:
            OSError: It can not be made; nothing is left of it.
        """
        self._hand_down()
        self._remove_left()
        directory = self._of(session_id)
        self._left.discard(directory)
        try:
            os.mkdir(directory)
        except FileExistsError:
            self._hits_of_old[session_id] = self._hits(session_id)
        try:
            _write(f"{directory}/memory.max", str(max_memory_bytes))
            with contextlib.suppress(OSError):  # since Linux 4.19: the kernel ends all of it, not one of them
                _write(f"{directory}/memory.oom.group", "1")
        except BaseException:
            with contextlib.suppress(OSError):
                _remove(directory)
            raise
        return directory

    def was_hit(self, session_id: str) -> bool:
        """Whether the kernel has killed for the session's limit. Ask before ``remove``."""
        return self._hits(session_id) > self._hits_of_old.get(session_id, 0)

    def remove(self, session_id: str) -> None:
        """Remove the cgroup of a session that is over; one that had none is fine."""
        self._hits_of_old.pop(session_id, None)
        self._left.add(self._of(session_id))
        self._remove_left()

    def _hits(self, session_id: str) -> int:
        events = dict(line.split(" ", 1) for line in _read(f"{self._of(session_id)}/memory.events").splitlines())
        return sum(int(events.get(name, "0")) for name in ("oom_kill", "oom_group_kill"))

    def _hand_down(self) -> None:
        """Settle, with the first session, on the first directory in which that works.

        Raises:
            OSError: It works in none.
        """
        error: OSError | None = None
        while self._untried and not self._is_settled:
            self.directory = self._untried.pop(0)
            try:
                _hand_memory_down(self.directory)
                self._is_settled = True
            except OSError as refused:
                error = refused
        if not self._is_settled:
            raise error or OSError(errno.EOPNOTSUPP, "No cgroup of ours hands the control of memory down")

    def _of(self, session_id: str) -> str:
        return f"{self.directory}/{PREFIX}{session_id}"

    def _remove_left(self) -> None:
        """Also what could not be removed before: the kernel may still be busy with the last process's end."""
        for directory in list(self._left):
            with contextlib.suppress(OSError):
                _remove(directory)
            if not os.path.isdir(directory):
                self._left.discard(directory)


def _is_delegated(directory: str) -> bool:
    """Whether we can make a child here, move our processes into it, and most likely limit its memory."""
    if not all(os.access(f"{directory}/{name}", os.W_OK) for name in ("", "cgroup.procs")):
        return False
    if "memory" not in _read(f"{directory}/cgroup.controllers").split():
        return False
    if "memory" in _read(f"{directory}/cgroup.subtree_control").split():
        return True
    # One with processes hands nothing down, but for the root of all, which has no type.
    is_busy = os.path.exists(f"{directory}/cgroup.type") and bool(_read(f"{directory}/cgroup.procs"))
    return not is_busy and os.access(f"{directory}/cgroup.subtree_control", os.W_OK)


def _hand_memory_down(directory: str) -> None:
    """Let a cgroup's children have limits of memory; OSError if it can not."""
    handed_down = f"{directory}/cgroup.subtree_control"
    if "memory" not in _read(handed_down).split():
        _write(handed_down, "+memory")


def _remove_stale(directory: str) -> None:
    """Remove those of brokers that were killed. One with processes can not be, a new one may be filled yet."""
    for name in os.listdir(directory):
        path = f"{directory}/{name}"
        with contextlib.suppress(OSError):
            if name.startswith(PREFIX) and time.time() - os.stat(path).st_ctime > _STALE_SECONDS:
                _remove(path)


def _candidates(root: str) -> Iterator[str]:
    """Our cgroup in the second version's hierarchy, and the one above it."""
    ours = next((line[3:] for line in _read(f"{root}/proc/self/cgroup").splitlines() if line.startswith("0::")), None)
    mount = _mount(root)
    if ours is None or mount is None:
        return
    top, point = mount
    if top != "/":  # a part of the hierarchy is mounted
        if ours != top and not ours.startswith(f"{top}/"):
            return
        ours = ours[len(top) :]
    parts = [part for part in ours.split("/") if part]
    if ".." in parts:  # outside of our cgroup namespace
        return
    yield "/".join([root.rstrip("/") + point, *parts])
    if parts:
        yield "/".join([root.rstrip("/") + point, *parts[:-1]])


def _mount(root: str) -> tuple[str, str] | None:
    """What part of the hierarchy is mounted, and where. Source: proc(5), /proc/pid/mountinfo."""
    for line in _read(f"{root}/proc/self/mountinfo").splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            return fields.split()[3], fields.split()[4]
    return None


def _remove(directory: str) -> None:
    """Remove a cgroup: its files go with it; its processes forbid it."""
    os.rmdir(directory)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
