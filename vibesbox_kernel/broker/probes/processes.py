"""Probes of what can be known of processes and done to them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.probes import strays
from vibesbox_kernel.broker.probes.finding import Finding, Probe, Promise, in_words
from vibesbox_kernel.broker.run import new_run
from vibesbox_kernel.broker.wire import SESSION_MARKER

START = Promise("start", "Every command gets a session of its own")
TREE = Promise("tree", "All processes of a session are found")
MARKER = Promise("environment", "A process can be asked for its session")
FIGURES = Promise("figures", "CPU, memory and disk use can be read")
INPUT = Promise("input", "A command that waits for input is noticed")
AGE = Promise("age", "A reused process number misleads nobody")
ADOPTED = Promise("daemons", "A process that detaches stays in reach")
TAG = Promise("mark", "A daemon can not hide whose it is")
SIGNAL = Promise("signals", "A signal hits only what is meant")
VISIBLE = Promise("visible", "Processes of sudo can be seen")
TERMINAL = Promise("terminal", "Commands get a real terminal")

_NEEDS_PROC = "Have /proc mounted; in a container or sandbox, ask whoever runs it."
_CLOCK_SLACK_SECONDS = 10.0
_SOON_SECONDS = 1.0


def _look_at_child() -> Iterator[Finding]:
    began = time.monotonic()
    with strays.child({SESSION_MARKER: "probe"}) as pid:
        took = (time.monotonic() - began) * 1000
        if os.getsid(pid) == pid:
            yield START.yes(f"a shell was started in {took:.1f} ms")
        else:
            yield START.no(
                "a started program stayed in our own session",
                "Ctrl-C meant for one command would hit others, and the end of one would not end what it started.",
                "Use a C library and a Python that have posix_spawn with setsid.",
            )
        yield _tree(pid)
        yield _marker(pid)
        yield _figures(pid)
        yield _input(pid)
        yield _age(pid)


def _tree(pid: int) -> Finding:
    if pid not in system.children(os.getpid()):
        return TREE.no(
            "a process that we started is not among our children",
            "What a command starts can not be listed, so %kill and the end of the kernel may leave some of it alive.",
            _NEEDS_PROC,
        )
    if sys.platform == "linux" and not _is_readable(f"/proc/{pid}/task/{pid}/children"):
        return TREE.weaker(
            "only by looking at every process of the machine",
            "Ending a session takes longer on a machine with thousands of processes.",
            "A Linux kernel built with CONFIG_PROC_CHILDREN is faster.",
        )
    return TREE.yes("a process's children can be listed")


def _marker(pid: int) -> Finding:
    if system.marker_of(pid, SESSION_MARKER) == "probe":
        return MARKER.yes("the environment of another process can be read")
    return MARKER.weaker(
        "the environment of another process can not be read",
        "Daemons are told to their session by one mark instead of two.",
        _NEEDS_PROC,
    )


def _figures(pid: int) -> Finding:
    if system.usage(pid) is None:
        return FIGURES.no(
            "the figures of another process can not be read",
            "%ps shows no CPU and no memory, and memory limits have no effect.",
            _NEEDS_PROC,
        )
    if sys.platform == "linux" and not _is_readable(f"/proc/{pid}/io"):
        return FIGURES.weaker(
            "CPU and memory yes; bytes read and written can not be read", "%info shows no bytes read and written."
        )
    return FIGURES.yes("of every process that we start")


def _input(pid: int) -> Finding:
    """The child waits to read from a pipe, or is about to."""
    deadline = time.monotonic() + _SOON_SECONDS
    while time.monotonic() < deadline:
        blocked = system.blocked(pid)
        if blocked is None or blocked.hidden:
            break
        if blocked.reads:
            return INPUT.yes("what a process waits to read can be seen")
        time.sleep(_SOON_SECONDS / 100)
    return INPUT.weaker(
        "what a process waits for can not be seen",
        "Only questions for a password get an input box; whoever asks anything else waits for %send, or an interrupt.",
        "`sysctl kernel.yama.ptrace_scope` above 1 hides it, and so may a sandbox.",
    )


def _age(pid: int) -> Finding:
    age = system.age(pid)
    if system.start_time(pid) is None:
        return AGE.no(
            "the start time of a process can not be read",
            "Vibesbox signals only what it can prove to be its own, so %kill would spare everything.",
            _NEEDS_PROC,
        )
    if abs(age) < _CLOCK_SLACK_SECONDS:
        return AGE.yes("start times can be read and agree with the clock")
    return AGE.weaker(
        f"a process just started seems {age:.0f} s old",
        "Two clocks of this system disagree: an interrupt may miss a process in the moment in which it starts.",
    )


def _look_at_daemon() -> Iterator[Finding]:
    """The tag and the adoption are proved on the same daemon, and the signal ends it."""
    if not system.ADOPTS_ORPHANS:
        return  # what holds instead is said by the platform's weaknesses
    system.become_subreaper()
    tag = new_run("").tag
    with strays.daemon(tag) as pid:
        above = strays.wait_until_parent(pid, os.getpid())
        yield _adopted(above)
        yield _tag(pid, tag)
        yield _signal(pid)


def _adopted(above: int | None) -> Finding:
    if above == os.getpid():
        return ADOPTED.yes("a daemon came back to us when its parent ended")
    return ADOPTED.no(
        f"a daemon went to process {above} instead",
        "A command that detaches itself (nohup … &, a server that daemonises) is out of reach when its parent "
        "ends: neither %kill nor the end of the kernel ends it.",
        "Some sandboxes lack this; an ordinary Linux and its containers have it.",
    )


def _tag(pid: int, tag: int) -> Finding:
    if system.tag_of(pid) == tag:
        return TAG.yes("a mark survives fork, setsid, exec and env -i")
    with strays.marked(tag):
        capped = system.tag_of(os.getpid()) != tag
    return TAG.weaker(
        "the system limit that carries the mark is capped" if capped else "the mark was not inherited",
        "A daemon is told to its session by an environment variable. One that clears its environment is not "
        "ended with its session, only together with the kernel and all other sessions.",
        "Start Jupyter from a shell in which `ulimit -H -R` says unlimited." if capped else "",
    )


def _signal(pid: int) -> Finding:
    means = "Vibesbox signals only what it can hold on to, so %kill can not end daemons and whole trees."
    advice = "Linux 5.3 or newer has pidfds; a sandbox may forbid them (seccomp): ask whoever runs it."
    try:
        pinned = os.pidfd_open(pid)
    except OSError as error:
        return SIGNAL.no(f"no pidfd can be opened: {in_words(error)}", means, advice)
    try:
        signal.pidfd_send_signal(pinned, signal.SIGTERM)
        if strays.has_ended(pinned):
            return SIGNAL.yes("a pidfd ends a process and knows its death")
        return SIGNAL.no("a pidfd did not tell that its process died", means, advice)
    except OSError as error:
        return SIGNAL.no(f"no signal goes through a pidfd: {in_words(error)}", means, advice)
    finally:
        os.close(pinned)


def _look_at_others() -> Iterator[Finding]:
    if system.parent(1) is not None:
        yield VISIBLE.yes("nothing hides the processes of other users")
        return
    yield VISIBLE.weaker(
        "processes of other users are hidden (hidepid)",
        "What a command starts as another user (sudo) is neither listed nor ended.",
        "Mount /proc without hidepid, or do not use sudo in sessions.",
    )


def _look_at_terminal() -> Iterator[Finding]:
    try:
        master, slave = os.openpty()
    except OSError as error:
        yield TERMINAL.no(
            f"none can be opened: {in_words(error)}",
            "Cells can not run. Sessions over pipes (--io pipe) can: without colours, progress bars and prompts.",
            "Have /dev/pts mounted; `sysctl kernel.pty.max` says how many terminals there may be.",
        )
        return
    try:
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.ttyname(slave), os.O_RDWR, 0)]
        program = ["sh", "-c", "test -t 0 && : </dev/tty"]
        pid = os.posix_spawn(strays.SHELL, program, {}, file_actions=actions, setsid=True)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(master)
        os.close(slave)
    if status == 0:
        yield TERMINAL.yes("a shell got one and controls it")
    else:
        yield TERMINAL.weaker(
            "a shell has a terminal but does not control it",
            "Ctrl-C, job control and password prompts do not work in sessions.",
        )


def _is_readable(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            file.read()
    except OSError:
        return False
    return True


PROBES = (
    Probe((START, TREE, MARKER, FIGURES, INPUT, AGE), _look_at_child),
    Probe((ADOPTED, TAG, SIGNAL), _look_at_daemon),
    Probe((VISIBLE,), _look_at_others),
    Probe((TERMINAL,), _look_at_terminal),
)
