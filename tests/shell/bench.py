"""A bench for the bash texts: cells one after another, without a manager, a broker or an event loop.

It looks at the bash from outside: its terminal or pipe, ``waitpid``, and the files that it leaves.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vibesbox_kernel.shell.cell_files import TAKE_ON, CellDirectory, Driver
from vibesbox_kernel.shell.dump import Way
from vibesbox_kernel.shell.state import ShellState
from vibesbox_kernel.shell.syntax import check_for

BASH = shutil.which("bash") or "/bin/bash"
DEADLINE_SECONDS = 5.0
DEFAULTED = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


@dataclass(frozen=True)
class Ran:
    """What a cell did.

    Attributes:
        output: What it wrote, both streams in one.
        returncode: As ``subprocess`` has it.
        way: How its bash says that it ended; None when it handed over nothing.
        committed: Whether its state is the next cell's.
        others: Processes of its session that were left when it ended.
        handover_seconds: From the word to begin to the stop.
    """

    output: bytes
    returncode: int
    way: Way | None
    committed: bool
    others: int
    handover_seconds: float

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")


@dataclass
class Waiting:
    """A bash that waits for its cell."""

    pid: int
    directory: CellDirectory
    output: int
    control: int
    spawned_at: float = field(default_factory=time.perf_counter)


class Bench:
    """Runs cells, and carries the state from one to the next."""

    def __init__(self, root: Path, *, io: str = "pty", environment: dict[str, str] | None = None) -> None:
        self._io = io
        self._root = root
        self.driver = Driver(root, BASH)
        self.status = 0
        self._count = 0
        self._open: list[int] = []
        self.kept: list[int] = []
        self.state = self._first_state(environment or {})

    def run(self, script: str, *, interrupt_at: bytes | None = None) -> Ran:
        waiting = self.prepare()
        return self.go(waiting, script, interrupt_at=interrupt_at)

    def prepare(self, *, gone: bool = False) -> Waiting:
        """Start the bash of the next cell; ``gone``: as if it had been given up at once."""
        self.driver.libraries.fit(self.state)
        directory = self.driver.new_directory()
        directory.write_state(self.state)
        if gone:
            directory.remove()
        waiting = self._spawn(self.driver.cell_argv(directory), directory, {}, self._root.parent)
        if not gone:
            os.write(waiting.control, TAKE_ON)
        return waiting

    def go(self, waiting: Waiting, script: str, *, interrupt_at: bytes | None = None) -> Ran:
        """Give a waiting bash its cell, and see it to its end.

        Args:
            interrupt_at: Send SIGINT to its group when this stands in its output.
        """
        self._count += 1
        cwd = self.state.directory
        control = waiting.directory.write_cell(
            script,
            label=f"In[{self._count}]",
            line=1,
            check=check_for(script),
            state=self.state,
            status=self.status,
            directory=cwd,
            exports={},
        )
        started = time.perf_counter()
        os.write(waiting.control, control)
        os.close(waiting.control)
        self._sleeps = "sleep" in script
        return self._see_to_its_end(waiting, started, interrupt_at)

    def close(self) -> None:
        for pid in self.kept:
            for member in session_members(pid):
                os.kill(member, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for descriptor in self._open:
            os.close(descriptor)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Look again and again, until the deadline."""
        end = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.002)

    def discard(self, waiting: Waiting) -> None:
        os.close(waiting.control)
        os.waitpid(waiting.pid, 0)

    def _first_state(self, environment: dict[str, str]) -> ShellState:
        directory = self.driver.new_directory()
        surroundings = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "LANG": "C.UTF-8"}
        surroundings |= environment | self.driver.startup_environment(directory, rc_files=True)
        ready = directory.open_ready()
        waiting = self._spawn(self.driver.startup_argv(rc_files=True), directory, surroundings, Path.home())
        os.close(waiting.control)
        output = bytearray()
        status = self._wait(waiting, output, None)
        os.close(ready)
        assert os.WIFSTOPPED(status), bytes(output)
        os.kill(waiting.pid, signal.SIGKILL)
        os.waitpid(waiting.pid, 0)
        os.close(self._open.pop())
        return ShellState.from_dump(directory.read_dump(), ShellState(directory=b"/")).for_cells()

    def _spawn(self, argv: list[str], directory: CellDirectory, environment: dict[str, str], cwd: Path) -> Waiting:
        read_end, control = os.pipe()
        actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = []
        if self._io == "pty":
            ours, childs = os.openpty()
            attributes = termios.tcgetattr(childs)
            attributes[1] &= ~termios.OPOST
            termios.tcsetattr(childs, termios.TCSANOW, attributes)
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.ttyname(childs), os.O_RDWR, 0))
            actions.append((os.POSIX_SPAWN_DUP2, 0, 1))
        else:
            ours, childs = os.pipe()
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
            actions.append((os.POSIX_SPAWN_DUP2, childs, 1))
        actions.append((os.POSIX_SPAWN_DUP2, 1, 2))
        actions.append((os.POSIX_SPAWN_DUP2, read_end, 250))
        marker = {name: value for name, value in os.environ.items() if name.startswith("VIBESBOX_TEST")}
        before = Path.cwd()
        os.chdir(cwd)
        pid = os.posix_spawn(
            argv[0], argv, environment | marker, file_actions=actions, setsid=True, setsigdef=DEFAULTED
        )
        os.chdir(before)
        os.close(read_end)
        os.close(childs)
        self._open.append(ours)
        return Waiting(pid=pid, directory=directory, output=ours, control=control)

    def _wait(self, waiting: Waiting, output: bytearray, interrupt_at: bytes | None) -> int:
        """Until it stops or ends: its wait status. Collects the output meanwhile."""
        end = time.monotonic() + DEADLINE_SECONDS
        while True:
            pid, status = os.waitpid(waiting.pid, os.WNOHANG | os.WUNTRACED)
            self._drain(waiting.output, output)
            if pid:
                return status
            if interrupt_at is not None and interrupt_at in output and is_settled(waiting.pid, sleeps=self._sleeps):
                os.killpg(waiting.pid, signal.SIGINT)
                interrupt_at = None
            if time.monotonic() > end:
                self.kept.append(waiting.pid)
                raise AssertionError(f"the cell did not end; it wrote {bytes(output)!r}")
            select.select([waiting.output], [], [], 0.0005)

    def _drain(self, descriptor: int, output: bytearray) -> None:
        while select.select([descriptor], [], [], 0)[0]:
            try:
                data = os.read(descriptor, 65536)
            except OSError:  # the terminal's last holder is gone
                return
            if not data:
                return
            output += data

    def _see_to_its_end(self, waiting: Waiting, started: float, interrupt_at: bytes | None) -> Ran:
        output = bytearray()
        status = self._wait(waiting, output, interrupt_at)
        while os.WIFSTOPPED(status) and not waiting.directory.path.joinpath("state").stat().st_size:
            os.kill(waiting.pid, signal.SIGCONT)  # a stop of the user's own
            status = self._wait(waiting, output, None)
        took = time.perf_counter() - started
        way, others, dump = None, 0, None
        if os.WIFSTOPPED(status):
            dump = waiting.directory.read_dump()
            way, others = dump.way, len(session_members(waiting.pid))
            returncode = dump.code
            if others:
                os.kill(waiting.pid, signal.SIGCONT)
                self.kept.append(waiting.pid)
            elif not way.certain:
                # A signal, perhaps: its real end tells.
                waiting.directory.let_go()
                os.kill(waiting.pid, signal.SIGCONT)
                returncode = os.waitstatus_to_exitcode(self._wait(waiting, output, None))
            else:
                os.kill(waiting.pid, signal.SIGKILL)
                os.waitpid(waiting.pid, 0)
        else:
            returncode = os.waitstatus_to_exitcode(status)
        crashed = returncode in (-signal.SIGSEGV, -signal.SIGABRT)
        committed = dump is not None and way is not Way.SYNTAX and not crashed
        if committed and dump is not None:
            self.state = ShellState.from_dump(dump, self.state, waiting.directory.kept)
        if waiting.pid not in self.kept:
            self._open.remove(waiting.output)
            os.close(waiting.output)
        self.status = returncode if returncode >= 0 else 128 - returncode
        return Ran(bytes(output), returncode, way, committed, others, took)


def is_settled(leader: int, *, sleeps: bool) -> bool:
    """Whether a session can be interrupted: a bash that has just forked may lose a signal, as at any terminal.

    Args:
        leader: The session's leader.
        sleeps: Its script comes to a ``sleep``, which has a name of its own once it is past its exec.
    """
    return not sleeps or "sleep" in [_name(pid) for pid in session_members(leader)]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def session_members(leader: int) -> list[int]:
    """Live processes of a POSIX session besides its leader."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != leader:
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry))
    return found
