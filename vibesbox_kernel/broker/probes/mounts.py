"""What is mounted where, and which control group is ours.

Source: proc(5), /proc/pid/mountinfo; cgroups(7), /proc/pid/cgroup.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table of mounts.

    Attributes:
        root: The directory of the file system that is mounted.
        point: Where it is mounted.
        kind: Its type, such as ``ext4``.
        options: What the file system itself was mounted with.
    """

    root: str
    point: str
    kind: str
    options: tuple[str, ...]


def parse_mounts(text: str) -> list[Mount]:
    """The table of mounts, in the order in which they were made."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        place, system = before.split(), after.split()
        if len(place) >= 5 and len(system) >= 3:
            found.append(Mount(_plain(place[3]), _plain(place[4]), system[0], tuple(system[-1].split(","))))
    return found


def mounts() -> list[Mount]:
    """What is mounted for this process; nothing where the system does not tell."""
    return parse_mounts(_text("/proc/self/mountinfo"))


def file_system(path: str, table: list[Mount]) -> str:
    """The type of the file system that a path lies on, or an empty text where that is not known."""
    path, best = os.path.realpath(path), Mount("", "", "", ())
    for mount in table:
        # The last of those that fit equally well lies on top.
        if _is_below(path, mount.point) and len(mount.point) >= len(best.point):
            best = mount
    return best.kind


def control_groups(controller: str, table: list[Mount], memberships: str) -> list[str]:
    """The directories of our control group of this controller and of those above it, ours first.

    Args:
        controller: Of version 1, such as ``pids``; empty for version 2.
        table: The mounts.
        memberships: What ``/proc/self/cgroup`` says.
    """
    kind = "cgroup" if controller else "cgroup2"
    for line in memberships.splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controller not in controllers.split(",") or (number != "0" and not controller):
            continue
        if ".." in path.split("/"):
            continue  # above what this container may see
        for mount in table:
            fits = mount.kind == kind and (not controller or controller in mount.options)
            if fits and _is_below(path, mount.root):
                return _upwards(mount.point, os.path.relpath(path, mount.root))
    return []


def memberships() -> str:
    """Which control groups this process is in."""
    return _text("/proc/self/cgroup")


def _upwards(point: str, below: str) -> list[str]:
    directory, found = os.path.normpath(f"{point}/{below}"), []
    while _is_below(directory, point):
        found.append(directory)
        directory = os.path.dirname(directory)
        if directory == "/":
            break
    return found


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), text)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
