"""The files by which a cell's bash and its runner talk, and what is on its command line.

Layout, below a private directory of the runner's::

    driver/            the bash texts of this package; `nothing` is a fifo that no one writes to
    cell-7/            one per bash, made before it starts
        restore.sh, functions    the state that it starts from
        f(), more-functions      functions that are not in the library (see function_library.py)
        known, names, list       what it has to know of these: see unchanged.sh
        begin.sh                 what its first line sources (directory, late options, traps, $?)
        In[12]                   the cell's text, under the name that its messages bear
        In[12].py                the text of a cell that another program runs (`program.py`, `other_shells.py`)
        launch, carried, ...     what makes another shell of the bash, and that shell's state
        secrets                  the names of variables that shall not be in `state`; their values are in no file
        state                    written by bash at the end of the cell; `dump.py` reads it
        disabled, locals, ...    what bash notes on the way
        go                       when it is there, a stopped bash that is continued ends by itself
        ready                    a fifo by which the bash of the start-up files says that `state` is written

The control pipe carries ``TAKE_ON``, ``SECRET`` with a variable behind it, and ``BEGIN`` with what is to be known of
the cell; ``bash/prepare.sh`` reads them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from vibesbox_kernel.errors import SessionEndedError, ShellStateError
from vibesbox_kernel.sessions.prepared import Unattended
from vibesbox_kernel.sessions.private_files import write_private
from vibesbox_kernel.shell.cell_names import file_name
from vibesbox_kernel.shell.dump import Dump, Way, new_mark, parse_dump
from vibesbox_kernel.shell.exit_trap import sets_exit_trap
from vibesbox_kernel.shell.function_files import lay_out_functions
from vibesbox_kernel.shell.function_library import FunctionLibraries
from vibesbox_kernel.shell.program import Place, Replacement
from vibesbox_kernel.shell.restore import begin_text, hide_text, restore_text
from vibesbox_kernel.shell.state import Limits, ShellState
from vibesbox_kernel.shell.syntax import Check

_TEXTS = (
    "at-exit.sh",
    "common.sh",
    "early.sh",
    "exit-trap.sh",
    "finish.sh",
    "keep.sh",
    "leave.sh",
    "library.sh",
    "opening.sh",
    "prepare.sh",
    "startup.sh",
    "syntax-error.sh",
    "unchanged.sh",
)
_TEXTS_OF_OTHER_SHELLS = ("fish.fish", "zsh.zsh")

_CERTAIN = tuple(str(way) for way in Way if way.certain)

TAKE_ON, SECRET, BEGIN = b"s", b"e", b"c"
"""The words of the control pipe: take on the state; have this variable (``NAME=VALUE\\0``); run the cell, which is to
be looked at first in this way and has this name (``CHECK\\0NAME\\0``)."""


class Driver:
    """The bash texts, laid out where a bash can source them.

    Args:
        root: A private directory; everything is made below it.
        bash: The path of the bash.
        announcements: The fifo to which a bash announces its exit status, by its mark; none if it shall not.
    """

    def __init__(self, root: Path, bash: str, *, announcements: Path | None = None) -> None:
        self.bash = bash
        self._announcements = "" if announcements is None else str(announcements)
        self._root = root
        self._numbers = itertools.count(1)
        self.directory = root / "driver"
        self._cell_text = _without_comments(_text("cell.sh"))
        self.opening = _text("opening.sh").encode()
        self._inherited: Limits | None = None
        self.libraries = FunctionLibraries(self.directory)

    def new_directory(self) -> CellDirectory:
        """Make the directory of the next bash."""
        if not self.directory.is_dir():
            self._lay_out()  # for the first time, or because the runtime directory went with a broker that died
        path = self._root / f"cell-{next(self._numbers)}"
        path.mkdir(mode=0o700)
        return CellDirectory(path, self)

    def _lay_out(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True)
        self.libraries = FunctionLibraries(self.directory)
        for name in _TEXTS:
            write_private(self.directory / name, _text(name).encode())
        for name in _TEXTS_OF_OTHER_SHELLS:
            write_private(self.directory / name, _text(name, "other").encode())
        os.mkfifo(self.directory / "nothing", 0o600)

    def cell_argv(self, directory: CellDirectory) -> list[str]:
        """The command line of a bash that waits for its cell."""
        return [
            self.bash,
            "--noprofile",
            "--norc",
            "-c",
            self._cell_text,
            "bash",
            str(self.directory),
            str(directory.path),
            directory.mark,
            self._announcements,
            "" if directory.library is None else str(directory.library.directory),
        ]

    @property
    def inherited(self) -> Limits | None:
        """The limits that a bash for a cell is started with; None as long as none has said."""
        if self._inherited is None:
            with contextlib.suppress(OSError):
                match (self.directory / "limits").read_bytes().split(b"\n\n"):
                    case [soft, hard, b"end\n"]:  # it may just be being written
                        self._inherited = Limits.from_text(soft, hard)
        return self._inherited

    def startup_argv(self, *, rc_files: bool) -> list[str]:
        """The command line of the bash whose state is the first."""
        startup = str(self.directory / "startup.sh")
        if rc_files:
            return [self.bash, "--rcfile", startup, "-i"]
        return [self.bash, "--noprofile", "--norc", startup]

    def startup_environment(self, directory: CellDirectory, *, rc_files: bool) -> dict[str, str]:
        """What startup.sh must know, besides the environment that it shall hand on."""
        return {
            "__vb_driver": str(self.directory),
            "__vb_cell": str(directory.path),
            "__vb_mark": directory.mark,
            "__vb_rc_files": "yes" if rc_files else "",
        }


class CellDirectory:
    """The directory of one bash.

    Attributes:
        driver: The bash texts, which all bashes share.
        library: The functions that the bash reads as soon as it is started.
        kept: Those of them that belong to the state that it has taken on.
    """

    def __init__(self, path: Path, driver: Driver) -> None:
        self.path = path
        self.mark = new_mark()
        self.driver = driver
        self.library = driver.libraries.current
        self.kept: Mapping[bytes, bytes] = {}
        self._begin = b""
        if self.library is not None:
            (path / "functions").symlink_to(self.library.directory / "functions")

    def write_state(self, state: ShellState, *, private: Sequence[int] = ()) -> None:
        """Lay out the state that the bash takes on while it waits.

        Args:
            private: Descriptors that it shall keep from its children.
        """
        wanted = self.driver.libraries.wanted(state, self.library)
        functions = lay_out_functions(self.path, wanted, self.library)
        self.write("restore.sh", hide_text(private) + restore_text(state, functions))
        self.write("state", b"")  # made here: bash would make it with the user's umask
        # Nobody waits yet, and most cells begin like that.
        self._write_begin(begin_text(state, status=0, directory=state.directory, inherited=self.driver.inherited))
        self.kept = wanted.kept

    def write_cell(
        self,
        script: str,
        *,
        label: str,
        line: int,
        check: Check,
        state: ShellState,
        status: int,
        directory: bytes,
        exports: Mapping[str, str],
        recalled: Sequence[str] = (),
    ) -> bytes:
        """Lay out a cell.

        Args:
            script: The cell's text.
            label: The name that its messages bear.
            line: The line number, in the front-end's cell, at which the script begins.
            check: How to look for syntax errors.
            state: What the cell starts from.
            status: What ``$?`` shall be at its first command.
            directory: Where it shall begin.
            exports: Variables for it alone.
            recalled: What bash's own history shall know.

        Returns:
            What is to be written to the control pipe.
        """
        name = file_name(label)
        begin = begin_text(
            state,
            status=status,
            directory=directory,
            exports=exports,
            inherited=self.driver.inherited,
            exit_trap=sets_exit_trap(script, state),
            recalled=recalled,
        )
        # The opening stands on the cell's own first line, so that every line keeps its number.
        text = self.driver.opening + b"\n" * (line - 1) + script.encode("utf-8", "surrogateescape") + b"\n"
        self._write_begin(begin)
        self.write(name, text)
        return _begin(name, check)

    def write_replacement(
        self, replacement: Replacement, script: str, *, label: str, state: ShellState, place: Place
    ) -> bytes:
        """Lay out a cell for which the waiting bash becomes another program.

        Args:
            replacement: That program.
            script: The cell's text.
            label: The name that its messages bear.
            state: What the bash has taken on.
            place: Where and how it begins.

        Returns:
            What is to be written to the control pipe.
        """
        name, launch = replacement.lay_out(self, file_name(label), script, place)
        begin = begin_text(
            state.for_program(),
            status=0,
            directory=place.directory,
            exports=place.exports,
            inherited=self.driver.inherited,
        )
        self._write_begin(begin)
        self.write(name, self.driver.opening + launch)
        return _begin(name, Check.NONE)

    def write(self, name: str, data: bytes, *, executable: bool = False) -> Path:
        """Write a file that nobody else can read."""
        path = self.path / name
        write_private(path, data, mode=0o700 if executable else 0o600)
        return path

    def _write_begin(self, begin: bytes) -> None:
        if begin != self._begin:  # otherwise it is there already
            self.write("begin.sh", begin)
            self._begin = begin

    def read_dump(self) -> Dump:
        """What the bash has handed over.

        Raises:
            ShellStateError: Nothing, or not all of it.
        """
        try:
            data = (self.path / "state").read_bytes()
        except OSError as error:
            raise ShellStateError(f"the shell's state can not be read: {error}") from error
        return parse_dump(data, self.mark)

    @property
    def unattended(self) -> Unattended:
        """How the broker settles this bash by itself when nobody is there for it."""
        return Unattended(verdict=f"{self.path}/state", certain=_CERTAIN, go=f"{self.path}/go")

    def open_ready(self) -> int:
        """Make the fifo `ready`; its read end becomes readable when the start-up state is written."""
        os.mkfifo(self.path / "ready", 0o600)
        return os.open(self.path / "ready", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def let_go(self) -> None:
        """Have the stopped bash, once it is continued, end by itself."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / "begin.sh").rename(self.path / "go")  # which works on a full disk too

    def let_keep(self) -> None:
        """Have the stopped bash, once it is continued, stay as the keeper; it does so unless it was let go before."""
        (self.path / "go").unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete all of it."""
        try:
            for file in self.path.iterdir():
                file.unlink()
            self.path.rmdir()
        except OSError:
            shutil.rmtree(self.path, ignore_errors=True)  # somebody has made a directory in it


@contextlib.contextmanager
def laying_out(pid: int | None = None) -> Iterator[None]:
    """While the files of a bash are written.

    Args:
        pid: The bash; None if it has not been started.

    Raises:
        SessionEndedError: Its directory is gone, and it is of no use: somebody has tidied up.
        ShellStateError: They can not be written, because the disk is full.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise SessionEndedError(pid, f"has lost its files: {error}") from error
    except OSError as error:
        raise ShellStateError(f"the files of a cell's shell can not be written: {error}") from error


def _begin(name: str, check: Check) -> bytes:
    return BEGIN + b"%s\0%s\0" % (check.encode(), os.fsencode(name))


def _text(name: str, shell: str = "bash") -> str:
    return resources.files("vibesbox_kernel.shell").joinpath(shell).joinpath(name).read_text("utf-8")


def _without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
