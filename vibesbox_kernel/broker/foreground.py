"""Which processes of a session a first interrupt is for: what its leader waits for, and no job in the background.

A terminal's Ctrl-C goes to a process group, and without job control a shell has its ``&`` jobs in its own. It lets
them ignore SIGINT, but not all of them: not ``( server ) &``, not a function's, and not a program that sets its signals
anew (node does). So we look at what each shell in the tree waits for. It forks jobs before what it then waits for:

* The newest child of a shell is what it waits for, with all that is joined to it by pipes (a pipeline, ``<( … )``).
  So is a process group that it has put in the foreground of its terminal, under ``set -m``.
* The others are its jobs, with everything below them.
* Nothing tells ``( server ) & wait`` from ``server </dev/null``: the newest child may be a job as well, if it ignores
  SIGINT or its standard input is not that of the shell. Then the shell is asked first: it goes on if nothing holds
  it, and waits on if it waits for that child.

A program that is no shell gets the interrupt with everything below it, as by a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.standing import Standing, awaits_a_child, may_be_signalled, standing, times_asleep

MAX_JOINED = 64
"""So many children of a shell may be one pipeline; those before them are jobs."""


@dataclass
class Doubt:
    """Processes of which only their shell's answer to the interrupt tells whether it waits for them.

    Attributes:
        newest: The last child that it has started.
        members: That one, what is joined to it, and all below them.
    """

    shell: int
    newest: int
    members: list[int] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether the shell has gone on, or ended: it has not been waiting for them."""
        return newest_child(self.shell) != self.newest

    @property
    def is_awaited(self) -> bool:
        """Whether the shell waits on, though it was interrupted."""
        return not self.is_settled and awaits_a_child(self.shell)


@dataclass
class Foreground:
    """Whom an interrupt is for.

    Attributes:
        members: The leader and what it waits for, in the order in which they are to be told: a shell before what it
            waits for, or it would take that for ended by something else; the reader of a pipe before its writer, or
            that would have come to an end of file, and a good one, before its turn.
        shells: The shells among them.
        busy: Those of them that did not wait when they were looked at: they may fork the next moment.
        slept: How often those had gone to sleep that did wait.
        unclear: Children of shells that may just be becoming another program, and lay their pipes for it: what they are
            joined to was not seen for sure.
        doubts: What else may be for it.
        jobs: What it is not for; without what is below them.
    """

    members: list[int] = field(default_factory=list)
    shells: list[int] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    slept: dict[int, int] = field(default_factory=dict)
    unclear: list[int] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    jobs: list[int] = field(default_factory=list)

    @property
    def has_stirred(self) -> bool:
        """Whether a shell that waited has gone on since, so that it may not be waiting for what was seen."""
        return any(not standing(shell).is_asleep or times_asleep(shell) != slept for shell, slept in self.slept.items())

    def newcomers(self, newest: int) -> list[int]:
        """What has been forked since, with all that is below it.

        Args:
            newest: Of a shell that was seen waiting only what has no later pid than this.
        """
        found: list[int] = []
        for shell in self.shells:
            known = (pid for pid in system.children(shell) if pid not in self)
            forked = [pid for pid in known if shell in self.busy or pid <= newest]
            found += [member for pid in forked for member in foreground(pid).members]
        return found

    def __contains__(self, pid: int) -> bool:
        return pid in self.members or pid in self.jobs or any(pid in doubt.members for doubt in self.doubts)


def foreground(leader: int) -> Foreground:
    """Look at what a leader waits for."""
    found = Foreground()
    to_look_at = [(leader, found.members)]
    while to_look_at:  # no recursion: a tree may be deeper than our stack
        pid, members = to_look_at.pop()
        members.append(pid)
        to_look_at += _awaited_by(pid, members, found)
    return found


def newest_child(pid: int) -> int | None:
    """The last of the children that a process has now."""
    children = system.children(pid)
    return children[-1] if children else None


def _awaited_by(pid: int, members: list[int], found: Foreground) -> list[tuple[int, list[int]]]:
    """The children that a process waits for, oldest first, each with where it belongs; what else there is, is noted."""
    slept, parent = times_asleep(pid), standing(pid)
    if parent.is_shell:
        found.shells.append(pid)
        if parent.is_asleep:
            found.slept[pid] = slept
        else:
            found.busy.append(pid)
    children = system.children(pid)
    if not parent.is_shell or not children:
        return [(child, members) for child in children]
    stands = {child: standing(child) for child in children[-MAX_JOINED:]}
    found.unclear += [child for child, one in stands.items() if _is_becoming_another(child, one)]
    awaited = _awaited(parent, stands, children[-1])
    found.jobs += [child for child in children if child not in awaited]
    if _may_be_a_job(stands[children[-1]], parent):
        found.doubts.append(Doubt(pid, children[-1]))
        members = found.doubts[-1].members
    return [(child, members) for child in stands if child in awaited]


def _is_becoming_another(pid: int, one: Standing) -> bool:
    return (one.is_shell and not one.is_asleep) or (not one.links and may_be_signalled(pid))


def _awaited(shell: Standing, stands: dict[int, Standing], newest: int) -> set[int]:
    awaited = {child for child, one in stands.items() if one.group == one.terminal_group != shell.group}
    awaited.add(newest)
    # Where the shell itself writes to, anything may.
    common = shell.written_pipes
    read = stands[newest].pipes - common
    for child in reversed([child for child in stands if child != newest]):
        if (stands[child].written_pipes - common) & read or _writes_into(stands[child], shell):
            awaited.add(child)
            read |= stands[child].pipes - common
    return awaited


def _writes_into(child: Standing, shell: Standing) -> bool:
    """Whether the shell itself is the last part of the child's pipeline (`shopt -s lastpipe`)."""
    return shell.links.get(0, "") in child.written_pipes


def _may_be_a_job(newest: Standing, shell: Standing) -> bool:
    if _writes_into(newest, shell):
        return False
    return (newest.ignores and not shell.ignores) or newest.links.get(0) != shell.links.get(0)
