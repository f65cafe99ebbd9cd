"""Starting a leader by fork, for what must be in force before its first instruction.

``posix_spawn`` can lower no priority, set no limit and enter no cgroup, and the broker can not do it on
itself for the moment: what an ordinary process lowers it can never raise again. So the child does it,
in the few lines between its fork and its exec; the broker has one thread, so that is safe. It costs a
millisecond more than ``posix_spawn``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from vibesbox_kernel.broker import system

if TYPE_CHECKING:
    from vibesbox_kernel.broker.launch import FileAction, Launch

HARD_LIMIT_SECONDS = 5
"""After its CPU limit a process gets SIGXCPU each second; so much later it gets SIGKILL."""

_SIGNALS = signal.valid_signals()
_DEFAULTED = sorted(_SIGNALS - {signal.SIGKILL, signal.SIGSTOP})
_STAGES = ("session", "streams", "cgroup", "nice", "limits", "exec")


class ForkFailedError(OSError):
    """A child could not become its program; nothing of it is left.

    Attributes:
        stage: What it could not do: ``session``, ``streams``, ``cgroup``, ``nice``, ``limits`` or ``exec``.
    """

    def __init__(self, stage: str, number: int) -> None:
        super().__init__(number, os.strerror(number))
        self.stage = stage


def fork_and_exec(order: Launch, actions: Sequence[FileAction]) -> int:
    """Start a leader with its priority, its limit of CPU seconds and its cgroup; returns its pid.

    Raises:
        ForkFailedError: The child could not do its part.
        OSError: There is no child: too many processes, or too little memory.
    """
    told, tell = os.pipe()
    # A signal that came in the child before its handlers are reset would wake the broker's loop instead.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            _become(order, actions, tell)
    except BaseException:
        os.close(told)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(tell)
    try:
        failure = os.read(told, 16).split()
    finally:
        os.close(told)
    if failure:
        os.waitpid(pid, 0)
        raise ForkFailedError(_STAGES[int(failure[0])], int(failure[1]))
    return pid


def limit_held(pid: int, *, nice: int = 0, cpu_seconds: int | None = None) -> None:
    """Put limits on a leader that is held, waiting for its control pipe: in force before it runs its cell.

    Raises:
        OSError: It is gone, or the system refuses.
    """
    if nice:
        os.setpriority(os.PRIO_PROCESS, pid, _lowered(nice))
    if cpu_seconds is not None:
        if sys.platform != "linux":
            raise OSError(errno.ENOTSUP, "nobody can limit another process here")
        present = system.limit_running(pid, resource.RLIMIT_CPU)
        system.limit_running(pid, resource.RLIMIT_CPU, _cpu_limits(cpu_seconds, present))


def _become(order: Launch, actions: Sequence[FileAction], tell: int) -> NoReturn:
    """The child's whole life in our code: it ends in the program, or in a word to the broker.

    It never returns into the loop, and runs nothing at its exit.
    """
    stage = 0
    try:
        targets = [action[2] if len(action) == 3 else action[1] for action in actions]
        if tell in targets:  # that number is taken for something else in a moment
            tell = fcntl.fcntl(tell, fcntl.F_DUPFD_CLOEXEC, max(targets) + 1)
        signal.set_wakeup_fd(-1)
        for stage, act in enumerate(_STAGES):  # noqa: B007 - it is told when one fails
            _ACTS[act](order, actions)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the broker must hear of it
        number = (error.errno if isinstance(error, OSError) else None) or errno.EIO
        os.write(tell, b"%d %d" % (stage, number))
    finally:
        os._exit(127)


def _lead_a_session(_order: Launch, _actions: Sequence[FileAction]) -> None:
    os.setsid()


def _arrange_streams(_order: Launch, actions: Sequence[FileAction]) -> None:
    for action in actions:
        if len(action) == 3:
            _, source, target = action
        else:
            _, target, path, flags, mode = action
            source = os.open(path, flags, mode)
        if source == target:
            os.set_inheritable(source, True)
        else:
            os.dup2(source, target)
            if len(action) != 3:
                os.close(source)


def _enter_cgroup(order: Launch, _actions: Sequence[FileAction]) -> None:
    if order.cgroup is not None:
        with open(f"{order.cgroup}/cgroup.procs", "w", encoding="ascii") as members:
            members.write(str(os.getpid()))


def _lower_priority(order: Launch, _actions: Sequence[FileAction]) -> None:
    if order.nice:
        os.setpriority(os.PRIO_PROCESS, 0, _lowered(order.nice))


def _limit_cpu(order: Launch, _actions: Sequence[FileAction]) -> None:
    if order.cpu_seconds is not None:
        limits = _cpu_limits(order.cpu_seconds, resource.getrlimit(resource.RLIMIT_CPU))
        resource.setrlimit(resource.RLIMIT_CPU, limits)


def _run_program(order: Launch, _actions: Sequence[FileAction]) -> None:
    for number in _DEFAULTED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execve(order.argv[0], order.argv, order.env)


_ACTS = {
    "session": _lead_a_session,
    "streams": _arrange_streams,
    "cgroup": _enter_cgroup,
    "nice": _lower_priority,
    "limits": _limit_cpu,
    "exec": _run_program,
}


def _lowered(nice: int) -> int:
    """A priority so much below the broker's own."""
    return min(19, os.getpriority(os.PRIO_PROCESS, 0) + nice)


def _cpu_limits(seconds: int, present: tuple[int, int]) -> tuple[int, int]:
    """The soft and the hard limit; a hard limit that is there is never raised."""
    hard = present[1]
    if hard == resource.RLIM_INFINITY or hard >= seconds + HARD_LIMIT_SECONDS:
        hard = seconds + HARD_LIMIT_SECONDS
    return min(seconds, hard), hard
