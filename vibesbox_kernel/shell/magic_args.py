"""What each magic was asked to do: one frozen value per magic, and how the texts of its options are read."""

from __future__ import annotations

import argparse
import math
import re
import signal as signals
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

from vibesbox_kernel.models import IoMode, OnFull, OnLeftovers
from vibesbox_kernel.sessions.options import MAX_NICE, PolicyOptions
from vibesbox_kernel.shell.human import parse_bytes, parse_duration

MAX_SIGNAL = 64
MAX_INDENT = 8
_FINDING = re.compile(r"(?:SC)?(\d{4})", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENV = re.compile(rf"({_VARIABLE.pattern})=(.*)", re.DOTALL)


class Severity(StrEnum):
    """How bad shellcheck finds a thing, the worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    STYLE = "style"


@dataclass(frozen=True)
class PsArgs:
    """``%ps``: which sessions to list, and how to show them."""

    all: bool = False
    follow: bool = False
    widget: bool = False
    json: bool = False


@dataclass(frozen=True)
class KillArgs:
    """``%kill``: what to end, or the one signal to send."""

    refs: tuple[str, ...] = ()
    force: bool = False
    signal: int | None = None
    all: bool = False


@dataclass(frozen=True)
class TailArgs:
    """``%tail``: whose output, how much of it, and where to."""

    ref: str
    lines: int = 10
    follow: bool = False
    widget: bool = False
    save: str | None = None


@dataclass(frozen=True)
class WaitArgs:
    """``%wait``: for whom, and at most how many seconds (None: as long as it takes)."""

    refs: tuple[str, ...]
    timeout: float | None = None


@dataclass(frozen=True)
class SendArgs:
    """``%send``: the text to type into a session (without its newline), or None, and whether input ends after it.

    Attributes:
        enter: Enter is typed after the text.
        secret: The text is asked for, and not shown.
    """

    ref: str
    text: str | None = field(default=None, repr=False)
    eof: bool = False
    enter: bool = True
    secret: bool = False


@dataclass(frozen=True)
class BgArgs:
    """``%bg``: which session is not to be waited for any more; None for the only one that is."""

    ref: str | None = None


@dataclass(frozen=True)
class FgArgs:
    """``%fg``: which session to wait for, and how many of its last lines to begin with.

    Attributes:
        widget: Show a terminal on it instead, and wait for nothing.
    """

    ref: str
    lines: int = 10
    widget: bool = False


@dataclass(frozen=True)
class RerunArgs:
    """``%rerun``: what to run once more, and whether to wait for it."""

    ref: str
    background: bool = False


@dataclass(frozen=True)
class InfoArgs:
    """``%info``: about whom, and whether as a view that is live."""

    ref: str
    widget: bool = False


@dataclass(frozen=True)
class DurableArgs:
    """``%durable``: which sessions shall outlive this program, or (``off``) shall not."""

    refs: tuple[str, ...]
    off: bool = False


@dataclass(frozen=True)
class RenameArgs:
    """``%rename``: whom, and what it is called from now on."""

    ref: str
    name: str


@dataclass(frozen=True)
class AdoptArgs:
    """``%adopt``: which sessions of other programs to take over."""

    refs: tuple[str, ...]


@dataclass(frozen=True)
class ParallelArgs:
    """``%parallel``: how many sessions may run at a time (None: any number), of a group or (None) of all.

    Attributes:
        show: Only say which limits are in force.
    """

    limit: int | None
    group: str | None = None
    show: bool = False


@dataclass(frozen=True)
class CellOptions:
    """The options of ``%%session`` and ``%session``; None leaves the choice to the front door.

    Attributes:
        cwd: As the user wrote it: relative to the shell's directory, perhaps with a leading ``~``.
        secret_env: Names of variables whose values are asked for; only ``Cell.secrets`` has these.
        notify: Its end is to be told.
        expand: Python's values were to be put into its text, and have not been yet.
        command: Only for the one-line form: the rest of the line, exactly as it stands there.
    """

    background: bool = False
    notify: bool = False
    name: str | None = None
    timeout: float | None = None
    io: IoMode | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: tuple[str, ...] = ()
    expand: bool = False
    shell: str | None = None
    durable: bool = False
    nice: int | None = None
    max_memory_bytes: int | None = None
    max_cpu_seconds: int | None = None
    idle_timeout: float | None = None
    after: tuple[str, ...] = ()
    group: str | None = None
    on_leftovers: OnLeftovers | None = None
    max_output_bytes: int | None = None
    on_full: OnFull | None = None
    command: str | None = None

    @property
    def limits(self) -> PolicyOptions:
        """The limits among them, as a SessionManager takes them: only what was given."""
        given = ((name, getattr(self, name, None)) for name in PolicyOptions.__annotations__)
        return cast("PolicyOptions", {name: value for name, value in given if value not in (None, ())})


@dataclass(frozen=True)
class ConfigArgs:
    """``%vibesbox config``: which settings to show or (``reset``) to take back, and what to change."""

    names: tuple[str, ...] = ()
    changes: tuple[tuple[str, str], ...] = ()
    reset: bool = False


@dataclass(frozen=True)
class VibesboxArgs:
    """``%vibesbox``: which sub-command, or None for the list of magics."""

    subcommand: str | None = None


@dataclass(frozen=True)
class PurgeArgs:
    """``%vibesbox purge``: how many seconds ago what goes must have ended, and whether only to say what would go."""

    older_than: float
    dry_run: bool = False


class StateAction(StrEnum):
    """What to do with the shell's state."""

    SHOW = "show"
    RESET = "reset"
    BACK = "back"


@dataclass(frozen=True)
class StateArgs:
    """``%vibesbox state``: what to do, and how many cells to go back."""

    action: StateAction = StateAction.SHOW
    cells: int = 1


@dataclass(frozen=True)
class LintArgs:
    """``%%lint``: the least severe level to report, and findings to leave out (``SC2086``)."""

    severity: Severity
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class FmtArgs:
    """``%%fmt``: how many blanks a block is indented by; 0 for TABs."""

    indent: int = 2


MagicArgs = (
    LintArgs
    | FmtArgs
    | PsArgs
    | KillArgs
    | TailArgs
    | WaitArgs
    | SendArgs
    | BgArgs
    | FgArgs
    | RerunArgs
    | InfoArgs
    | DurableArgs
    | RenameArgs
    | AdoptArgs
    | ParallelArgs
    | CellOptions
    | VibesboxArgs
    | StateArgs
    | ConfigArgs
    | PurgeArgs
)


def finding_code(text: str) -> str:
    """A finding of shellcheck's: ``SC2086`` or ``2086``."""
    match = _FINDING.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finding such as SC2086")
    return f"SC{match.group(1)}"


def indentation(text: str) -> int:
    """How many blanks, up to 8; 0 for TABs."""
    if not text.isascii() or not text.isdigit() or len(text) != 1 or int(text) > MAX_INDENT:
        raise argparse.ArgumentTypeError(f"{text!r} is not 0 to {MAX_INDENT} blanks; 0 means TABs")
    return int(text)


def duration(text: str) -> float:
    """An option's value that is a duration of 0 s or more."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def time_limit(text: str) -> float:
    """An option's value that is a duration above 0 s."""
    seconds = duration(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time at all; give more than 0 s")
    return seconds


def cpu_limit(text: str) -> int:
    """An option's value that is CPU time: whole seconds, rounded up, as the system counts them."""
    return math.ceil(time_limit(text))


def size(text: str) -> int:
    """An option's value that is a size of at least one byte."""
    try:
        count = parse_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no room at all; give at least 1 byte")
    return count


def niceness(text: str) -> int:
    """How much lower a priority shall be."""
    if not text.isascii() or not text.isdigit() or len(text) > 2 or int(text) > MAX_NICE:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not 0 to {MAX_NICE}; more is more patient, and less is not ours to give"
        )
    return int(text)


def parallel_limit(text: str) -> int | None:
    """How many at a time; None for any number, which is written 0."""
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"{text!r} is not how many sessions may run at a time; 0 means any number")
    return int(text) or None


def line_count(text: str) -> int:
    """An option's value that counts lines, 1 or more."""
    if not text.isascii() or not text.isdigit() or not 0 < len(text) <= 9 or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines; give 1 or more")
    return int(text)


def signal_number(text: str) -> int:
    """A signal by name (with or without ``SIG``, in any case) or by number, 1 to 64."""
    if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_SIGNAL:
        return int(text)
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    try:
        return signals.Signals[name].value
    except KeyError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a signal; give a name such as HUP, or 1 to 64") from None


def environment_pair(text: str) -> tuple[str, str]:
    """``NAME=VALUE``, where the value may be empty and hold anything."""
    match = _ENV.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE with a name of letters, digits and _")
    return match.group(1), match.group(2)


def variable_name(text: str) -> str:
    """The name of a variable, alone: what is behind a ``=`` is not repeated, for it may be a secret."""
    name, equals, _ = text.partition("=")
    if _VARIABLE.fullmatch(name) is None:
        raise argparse.ArgumentTypeError(f"{name!r} is not a name of letters, digits and _")
    if equals:
        raise argparse.ArgumentTypeError(f"give the name {name} alone: its value is asked for")
    return name


def not_empty(text: str) -> str:
    """A value that must say something."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return text
