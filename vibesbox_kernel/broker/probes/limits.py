"""Probes of how much there may be: descriptors, processes, memory."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

from vibesbox_kernel.broker.cgroup import Cgroups
from vibesbox_kernel.broker.probes.finding import Finding, Probe, Promise, in_words
from vibesbox_kernel.broker.probes.mounts import control_groups, memberships, mounts

DESCRIPTORS = Promise("descriptors", "Many sessions at once: open files")
PROCESSES = Promise("processes", "Many sessions at once: processes")
MEMORY = Promise("memory", "Memory limits are exact")

PER_SESSION = 2
"""An idle session's descriptors in the broker: what it writes and what it reads."""

RESERVE = 64
FEW_SESSIONS = 256
FEW_PROCESSES = 512
_MANY = 1 << 20
_ANY_BYTES = 1 << 30
_PIDS_MAX = "pids.max of the container or service"


def _look_at_descriptors() -> Iterator[Finding]:
    yield descriptors(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def descriptors(hard: int) -> Finding:
    """What the hard limit of open descriptors means, to which the broker raises its own soft one."""
    if hard == resource.RLIM_INFINITY or hard >= _MANY * PER_SESSION:
        return DESCRIPTORS.yes("as good as no limit")
    room = max(0, (hard - RESERVE) // PER_SESSION)
    found = f"about {room:,} sessions (ulimit -H -n: {hard:,})"
    if room >= FEW_SESSIONS:
        return DESCRIPTORS.yes(found)
    return DESCRIPTORS.weaker(
        found,
        "More sessions than that at one time can not be started; running ones go on.",
        "Raise the hard limit of open files where Jupyter is started (ulimit -H -n, LimitNOFILE=, --ulimit nofile).",
    )


def _look_at_processes() -> Iterator[Finding]:
    limits: dict[str, int] = {}
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if soft != resource.RLIM_INFINITY and os.getuid() != 0:
        limits["ulimit -u"] = soft
    table, ours = mounts(), memberships()
    for controller in ("", "pids"):
        for directory in control_groups(controller, table, ours):
            most = _read_number(f"{directory}/pids.max")
            if most is not None:
                limits[_PIDS_MAX] = min(most, limits.get(_PIDS_MAX, most))
    yield processes(limits)


def processes(limits: dict[str, int]) -> Finding:
    """What the limits of processes mean, the smallest of which counts."""
    if not limits:
        return PROCESSES.yes("no limit but the machine's own")
    name = min(limits, key=lambda one: limits[one])
    found = f"at most {limits[name]:,} processes and threads ({name})"
    if limits[name] >= FEW_PROCESSES:
        return PROCESSES.yes(found)
    return PROCESSES.weaker(
        found,
        "Commands that start many processes or threads fail early (fork: Resource temporarily unavailable); "
        "every session needs one at least.",
        "Raise that limit where Jupyter or its container is started (ulimit -u, TasksMax=, --pids-limit).",
    )


def _look_at_memory() -> Iterator[Finding]:
    yield memory(Cgroups.find())


def memory(groups: Cgroups | None) -> Finding:
    """Whether sessions can have a control group with a memory limit; one is made, and is removed again."""
    means = (
        "A session's memory is measured a few times a second: one that grows very fast can pass its limit meanwhile."
    )
    advice = "Exact limits need a control group (v2) that is delegated to this user, with its memory controller."
    if groups is None:
        return MEMORY.weaker("no control group is delegated to this user", means, advice)
    name = f"probe-{os.getpid()}"
    try:
        groups.create(name, max_memory_bytes=_ANY_BYTES)
    except OSError as error:
        return MEMORY.weaker(f"no control group can be made: {in_words(error)}", means, advice)
    groups.remove(name)
    return MEMORY.yes("the system itself keeps them (control groups)")


def _read_number(path: str) -> int | None:
    try:
        with open(path) as file:
            text = file.read().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


PROBES = (
    Probe((DESCRIPTORS,), _look_at_descriptors),
    Probe((PROCESSES,), _look_at_processes),
    Probe((MEMORY,), _look_at_memory),
)
