"""How one process stands towards its terminal, its streams and the interrupt: what /proc tells of it at a glance.

Elsewhere than on Linux nothing of this is known, and a process is none that we know as a shell.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from vibesbox_kernel.broker import proc, system

MAX_COMMAND = 120
"""Characters of a command line that are told of a process."""

MAX_LINKS = 64
"""So many descriptors of a process are looked at, from the lowest on."""

_SHELLS = frozenset({"ash", "bash", "dash", "fish", "ksh", "mksh", "sh", "zsh"})
_INTERRUPT_BIT = 1 << (signal.SIGINT - 1)
_FORKED_WITHOUT_EXEC = 0x40


class Standing(NamedTuple):
    """One process at one moment.

    Attributes:
        is_shell: It runs a shell, which may have jobs in the background that it does not wait for.
        is_asleep: It waits for something.
        ignores: It ignores SIGINT.
        group: Its process group.
        terminal_group: The process group in the foreground of its terminal; -1 without one.
        links: What each of its descriptors leads to, the lowest ones; empty if that is not ours to see.
    """

    is_shell: bool = False
    is_asleep: bool = False
    ignores: bool = False
    group: int = 0
    terminal_group: int = -1
    links: Mapping[int, str] = {}

    @property
    def pipes(self) -> frozenset[str]:
        """The pipes that it holds."""
        return frozenset(link for link in self.links.values() if link.startswith("pipe:"))

    @property
    def written_pipes(self) -> frozenset[str]:
        """Those of them that its output or its errors go to."""
        return self.pipes & {self.links.get(1), self.links.get(2)}


def standing(pid: int) -> Standing:
    """How a process stands; as one that nothing is known of when it is gone."""
    if sys.platform != "linux":
        return Standing()
    try:
        fields = proc.stat(pid)
        if fields is None:
            return Standing()
        return Standing(
            is_shell=_is_shell(pid),
            is_asleep=fields[0] == b"S",
            ignores=bool(_status(pid, b"SigIgn") & _INTERRUPT_BIT),
            group=int(fields[2]),
            terminal_group=int(fields[5]),
            links=_links(pid),
        )
    except (OSError, ValueError):
        return Standing()


def awaits_a_child(pid: int) -> bool:
    """Whether a process sleeps until another ends, or reads a pipe; not knowing better, whether it sleeps at all.

    A signal that is for it to handle wakes it at once.

    Source: proc(5), /proc/pid/wchan: the kernel's function in which it sleeps, if that may be known.
    """
    try:
        fields = proc.stat(pid)
        if fields is None or fields[0] != b"S":
            return False
        where = proc.read(f"/proc/{pid}/wchan")
    except (OSError, ValueError):
        return False
    return where in (b"", b"0", b"do_wait") or where.endswith(b"pipe_read")


def times_asleep(pid: int) -> int:
    """How often a process has gone to sleep: one that sleeps, and for which this stays the same, has slept all along.

    Source: proc(5), voluntary_ctxt_switches in /proc/pid/status.
    """
    if sys.platform != "linux":
        return 0
    try:
        return _number(pid, b"voluntary_ctxt_switches", base=10)
    except (OSError, ValueError):
        return 0


def has_interrupt_before_it(pid: int) -> bool:
    """Whether a SIGINT that was sent to a process has not reached it yet: it has not run since, or it blocks that."""
    if sys.platform != "linux":
        return False
    try:
        return bool((_status(pid, b"SigPnd") | _status(pid, b"ShdPnd")) & _INTERRUPT_BIT)
    except (OSError, ValueError):
        return False


def is_before_its_program(pid: int) -> bool:
    """Whether a process was forked and has not become another program since; a subshell never does.

    Source: proc(5), the flags in /proc/pid/stat; PF_FORKNOEXEC of Linux.
    """
    if sys.platform != "linux":
        return False
    try:
        fields = proc.stat(pid)
        return fields is not None and bool(int(fields[6]) & _FORKED_WITHOUT_EXEC)
    except (OSError, ValueError):
        return False


def newest_pid() -> int:
    """The last pid that the system has given away; 0 where that is not known.

    Source: proc(5), /proc/loadavg.
    """
    if sys.platform != "linux":
        return 0
    try:
        return int(proc.read("/proc/loadavg").split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


def may_be_signalled(pid: int) -> bool:
    """Whether the system lets us signal a process; not if it has become another user's (sudo)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    return True


def command_of(pid: int) -> str:
    """The command line of a process, not all of a long one; its bare name if it has cleared that, or nothing."""
    if sys.platform != "linux":
        return ""
    try:
        words = proc.read(f"/proc/{pid}/cmdline", limit=4 * MAX_COMMAND).rstrip(b"\0").replace(b"\0", b" ")
        words = words or proc.read(f"/proc/{pid}/comm").strip()
    except OSError:
        return ""
    return " ".join(words.decode("utf-8", "replace").split())[:MAX_COMMAND]


def described(pids: list[int], at_most: int) -> list[tuple[int, str]]:
    """Processes with their command lines, those that are gone left out."""
    known = ((pid, command_of(pid)) for pid in pids[:at_most] if system.is_alive(pid))
    return list(known)


def _is_shell(pid: int) -> bool:
    try:
        program = os.readlink(f"/proc/{pid}/exe")
    except OSError:  # of another user (sudo): it is left to look after its own
        return False
    return os.path.basename(program.removesuffix(" (deleted)")) in _SHELLS


def _links(pid: int) -> dict[int, str]:
    found: dict[int, str] = {}
    # Not if it is gone, another user's, or at this moment becoming another program.
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in islice(entries, MAX_LINKS):
            with contextlib.suppress(OSError):  # closed just now
                found[int(entry.name)] = os.readlink(entry.path)
    return found


def _status(pid: int, name: bytes) -> int:
    """A mask of signals, as proc(5) shows it in /proc/pid/status."""
    return _number(pid, name, base=16)


def _number(pid: int, name: bytes, *, base: int) -> int:
    for line in proc.read(f"/proc/{pid}/status").splitlines():
        if line.startswith(name):
            return int(line.split()[1], base)
    return 0
