"""Memory limits by the kernel itself, where a cgroup is delegated to us; everything works without.

Source: the kernel's "Control Group v2", sections Delegation and Memory; cgroups(7).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

PREFIX = "vibesbox-"
_STALE_SECONDS = 60.0


class Cgroups:
    """Sessions' own cgroups, made below one that is ours to divide.

    Args:
        directory: The delegated cgroup; see ``find``.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._left: set[str] = set()

    @classmethod
    def find(cls, root: str = "/") -> Cgroups | None:
        """The cgroup that we may divide, with limits of memory; None where there is none.

        It is our own, or the one above: a cgroup with processes of its own can not hand the control of
        memory down to others, so below ours it works only where somebody has done so before.

        Args:
            root: The root of the file system; a test has its own.
        """
        for directory in _candidates(root):
            found = cls(directory)
            if found._works():
                found._remove_stale()
                return found
        return None

    def create(self, session_id: str, *, max_memory_bytes: int) -> str:
        """Make a session's cgroup; its leader is to enter the returned directory before its first instruction.

        Raises:
            OSError: It can not be made; nothing is left of it.
        """
        self._remove_left()
        directory = self._of(session_id)
        os.mkdir(directory)
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
        events = dict(line.split(" ", 1) for line in _read(f"{self._of(session_id)}/memory.events").splitlines())
        return any(int(events.get(name, "0")) > 0 for name in ("oom_kill", "oom_group_kill"))

    def remove(self, session_id: str) -> None:
        """Remove the cgroup of a session that is over; one that had none is fine."""
        self._left.add(self._of(session_id))
        self._remove_left()

    def _of(self, session_id: str) -> str:
        return f"{self.directory}/{PREFIX}{session_id}"

    def _remove_left(self) -> None:
        """Also what could not be removed before: the kernel may still be busy with the last process's end."""
        for directory in list(self._left):
            with contextlib.suppress(OSError):
                _remove(directory)
            if not os.path.isdir(directory):
                self._left.discard(directory)

    def _remove_stale(self) -> None:
        """Those of brokers that were killed. One with processes can not be removed, a new one may be filled yet."""
        for name in os.listdir(self.directory):
            path = f"{self.directory}/{name}"
            with contextlib.suppress(OSError):
                if name.startswith(PREFIX) and time.time() - os.stat(path).st_ctime > _STALE_SECONDS:
                    _remove(path)

    def _works(self) -> bool:
        """Whether we can make a child here that has a limit of memory, and move our processes into it."""
        if not all(os.access(f"{self.directory}/{name}", os.W_OK) for name in ("", "cgroup.procs")):
            return False
        if "memory" not in _read(f"{self.directory}/cgroup.controllers").split():
            return False
        handed_down = f"{self.directory}/cgroup.subtree_control"
        if "memory" not in _read(handed_down).split():
            with contextlib.suppress(OSError):
                _write(handed_down, "+memory")
        return "memory" in _read(handed_down).split()


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
