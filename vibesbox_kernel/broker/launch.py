"""Starting a leader: vfork-based, without code of ours between fork and exec unless a limit needs it (``forked``).

The child gets its working directory, umask and tag by inheritance: the broker, which has one thread,
takes them on for the moment of the spawn. A ``preexec_fn`` would cost four to twenty times as much.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.forked import ForkFailedError, fork_and_exec
from vibesbox_kernel.broker.holding import Held, sources_clear_of_targets
from vibesbox_kernel.broker.wire import CONTROL_DESCRIPTOR, SPLIT, TERMINALS

FileAction = tuple[int, int, str, int, int] | tuple[int, int, int]
_IUTF8 = 0o40000  # the line editor erases characters, not bytes; the termios module does not name it
_PROGRAM_ERRORS = (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC, errno.ELOOP)
_DEFAULTED = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one leader.

    Attributes:
        io: ``pipe`` (stdout and stderr merged in one pipe), ``pty`` (a controlling terminal), ``split`` (the
            same, and another terminal for stderr) or ``split-pipe`` (two pipes).
        feed: Give a pipe session an open standard input; otherwise it reads end of file at once.
        descriptor_limit: Its soft limit of open descriptors; the broker has raised its own.
        control: Give the child the read end of a control pipe as descriptor 250.
        nice: How much lower than the broker's its priority is.
        cpu_seconds: The CPU seconds that each of its processes may use, by RLIMIT_CPU.
        cgroup: The directory of the cgroup that it is to enter.
        inherited: What it is given besides its streams.
    """

    argv: list[str]
    env: Mapping[str, str]
    cwd: str
    io: str = "pipe"
    feed: bool = False
    control: bool = False
    rows: int = 24
    columns: int = 100
    umask: int = 0o022
    descriptor_limit: int = 1024
    nice: int = 0
    cpu_seconds: int | None = None
    cgroup: str | None = None
    inherited: tuple[Held, ...] = ()

    @property
    def needs_fork(self) -> bool:
        """Whether it asks for what ``posix_spawn`` can not do."""
        return bool(self.nice) or self.cpu_seconds is not None or self.cgroup is not None


@dataclass(frozen=True, slots=True)
class Launched:
    """The leader's pid and our ends of its streams; -1 for one that does not exist.

    ``errors_device`` is the device number of the terminal that is its stderr, if that has one of its own.
    """

    pid: int
    output: int
    input: int
    control: int
    errors: int = -1
    errors_device: int = 0


class LaunchFailedError(Exception):
    """A leader could not be started; nothing of it is left.

    Attributes:
        kind: ``shell``, ``directory`` or ``system``: what was at fault.
        path: The shell, the directory or the cgroup at fault.
        number: The errno.
    """

    def __init__(self, kind: str, path: str, error: OSError) -> None:
        self.kind = kind
        self.path = path
        self.number = error.errno or errno.EIO
        super().__init__(f"{path}: {os.strerror(self.number)}")


class _Descriptors:
    """Those opened for one launch: all closed if it fails, the child's ends closed in any case."""

    def __init__(self) -> None:
        self.ours: list[int] = []
        self.childs: list[int] = []

    def pipe_from_child(self) -> tuple[int, int]:
        read_end, write_end = os.pipe()
        self.ours.append(read_end)
        self.childs.append(write_end)
        return read_end, write_end

    def pipe_to_child(self) -> tuple[int, int]:
        read_end, write_end = os.pipe()
        self.childs.append(read_end)
        self.ours.append(write_end)
        return read_end, write_end

    def terminal(self, rows: int, columns: int) -> tuple[int, str]:
        master, slave = os.openpty()
        self.ours.append(master)
        self.childs.append(slave)
        _set_up_terminal(slave, rows, columns)
        return master, os.ttyname(slave)

    @staticmethod
    def close(descriptors: list[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)


def launch(order: Launch, *, tag: int) -> Launched:
    """Start a leader in its own POSIX session; it and all that it begets carry the tag.

    Raises:
        LaunchFailedError: Nothing was started, and nothing is left open.
    """
    descriptors = _Descriptors()
    try:
        launched = _launch(order, tag, descriptors)
    except OSError as error:
        descriptors.close(descriptors.ours)
        raise LaunchFailedError("system", order.argv[0], error) from error
    except BaseException:
        descriptors.close(descriptors.ours)
        raise
    finally:
        descriptors.close(descriptors.childs)
    for descriptor in descriptors.ours:
        os.set_blocking(descriptor, False)
    return launched


def resize(master: int, rows: int, columns: int) -> None:
    """Set a terminal's size; the foreground programs get SIGWINCH."""
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def interrupt_key(master: int) -> bytes:
    """What has to be typed into a terminal for an interrupt: Ctrl-C, unless a program has chosen another key.

    Source: termios(3), VINTR; 0 means that there is none.
    """
    try:
        key = termios.tcgetattr(master)[6][termios.VINTR]
    except termios.error:
        return b""
    return b"" if key == b"\0" else bytes(key)


def _launch(order: Launch, tag: int, descriptors: _Descriptors) -> Launched:
    actions: list[FileAction] = []
    control = feed = -1
    if order.io in TERMINALS:
        output, terminal = descriptors.terminal(order.rows, order.columns)
        feed = output
        # The first terminal that a leader without one opens becomes its controlling terminal.
        actions.append((os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0))
        actions.append((os.POSIX_SPAWN_DUP2, 0, 1))
    else:
        output, childs = descriptors.pipe_from_child()
        if order.feed:
            standard_input, feed = descriptors.pipe_to_child()
            actions.append((os.POSIX_SPAWN_DUP2, standard_input, 0))
        else:
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        actions.append((os.POSIX_SPAWN_DUP2, childs, 1))
    errors, errors_device = _open_errors(order, descriptors, actions)
    if order.control:
        read_end, control = descriptors.pipe_to_child()
        actions.append((os.POSIX_SPAWN_DUP2, read_end, CONTROL_DESCRIPTOR))
    # Last, for their numbers may be those of ours that the others are made from.
    with sources_clear_of_targets(order.inherited) as pairs, _inherited(order, tag):
        pid = _spawn(order, [*actions, *((os.POSIX_SPAWN_DUP2, source, target) for source, target in pairs)])
    system.limit_descriptors(pid, order.descriptor_limit)
    return Launched(pid=pid, output=output, input=feed, control=control, errors=errors, errors_device=errors_device)


def _open_errors(order: Launch, descriptors: _Descriptors, actions: list[FileAction]) -> tuple[int, int]:
    """See to the child's stderr; our end of it, if it has one of its own, and the device number of its terminal."""
    if order.io not in SPLIT:
        actions.append((os.POSIX_SPAWN_DUP2, 1, 2))
        return -1, 0
    if order.io not in TERMINALS:
        errors, childs = descriptors.pipe_from_child()
        actions.append((os.POSIX_SPAWN_DUP2, childs, 2))
        return errors, 0
    # Not to be the controlling terminal: there is one already, which input goes to.
    errors, terminal = descriptors.terminal(order.rows, order.columns)
    actions.append((os.POSIX_SPAWN_OPEN, 2, terminal, os.O_RDWR | os.O_NOCTTY, 0))
    return errors, os.stat(terminal).st_rdev


def _spawn(order: Launch, actions: Sequence[FileAction]) -> int:
    program = order.argv[0]
    try:
        if order.needs_fork:
            return fork_and_exec(order, actions)
        return os.posix_spawn(
            program,
            order.argv,
            order.env,
            file_actions=actions,
            setsid=True,
            setsigdef=_DEFAULTED,  # or the child inherits what a kernel ignores between its cells
            setsigmask=[],
        )
    except OSError as error:
        stage = error.stage if isinstance(error, ForkFailedError) else "exec"
        if stage == "cgroup":
            raise LaunchFailedError("system", order.cgroup or program, error) from error
        at_fault = stage == "exec" and error.errno in _PROGRAM_ERRORS
        raise LaunchFailedError("shell" if at_fault else "system", program, error) from error


@contextmanager
def _inherited(order: Launch, tag: int) -> Iterator[None]:
    """Take on what the child shall inherit: its directory, its umask, and its tag."""
    try:
        os.chdir(order.cwd)
    except OSError as error:
        raise LaunchFailedError("directory", order.cwd, error) from error
    ours = os.umask(order.umask)
    try:
        with system.inherited_limits(tag, order.descriptor_limit):
            yield
    finally:
        os.umask(ours)
        os.chdir("/")  # a broker that lives for days must not hold a mount


def _set_up_terminal(slave: int, rows: int, columns: int) -> None:
    """No output post-processing: a newline stays a newline, and floods go twice as fast."""
    attributes = termios.tcgetattr(slave)
    attributes[0] |= _IUTF8
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    resize(slave, rows, columns)
