"""What a command and its options must be before anything is started."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from vibesbox_kernel.broker.wire import MAX_COMMAND_BYTES
from vibesbox_kernel.errors import (
    DirectoryNotFoundError,
    InvalidCommandError,
    InvalidOptionError,
    ShellNotFoundError,
)
from vibesbox_kernel.models import IoMode

MAX_NAME_CHARACTERS = 64
MAX_TERMINAL_SIDE = 10_000
MAX_SECONDS = 10 * 365 * 24 * 3600
_CUT = "\n# (the rest is not kept)\n"
_NAME = re.compile(r"[^\s\x00-\x1f\x7f]+")


def check_command(command: str) -> None:
    """A command can be run at all.

    Raises:
        InvalidCommandError: Names the rule that it breaks.
    """
    if not isinstance(command, str):
        raise InvalidCommandError("a command must be text", f"is {type(command).__name__}")
    if not command:
        raise InvalidCommandError("a command must not be empty", "is")
    if not command.strip():
        raise InvalidCommandError("a command must not be only blanks", "is")
    if "\0" in command:
        raise InvalidCommandError("a command must not contain NUL", f"has one at {command.index(chr(0))}")
    size = len(command.encode("utf-8", "surrogateescape"))
    if size > MAX_COMMAND_BYTES:
        raise InvalidCommandError(f"a command must be at most {MAX_COMMAND_BYTES} bytes", f"has {size}")


def fitting_command(command: str) -> str:
    """A command that is run from a file, as it is listed: all of it, or as much as a broker keeps."""
    data = command.encode("utf-8", "surrogateescape")
    if len(data) <= MAX_COMMAND_BYTES:
        return command
    return data[: MAX_COMMAND_BYTES - len(_CUT)].decode("utf-8", "ignore") + _CUT


def find_shell(shell: str, env: Mapping[str, str]) -> str:
    """The path of a shell that is given by path or by name.

    Raises:
        ShellNotFoundError: It does not exist or can not be executed.
    """
    if "\0" in shell:
        raise ShellNotFoundError(shell, "a path with NUL")
    found = shutil.which(shell, path=env.get("PATH", os.defpath))
    if found is not None:
        return os.path.abspath(found)
    why = "not executable" if Path(shell).exists() else "no such executable file"
    raise ShellNotFoundError(shell, why)


def find_directory(cwd: str | os.PathLike[str] | None) -> str:
    """The working directory, absolute; our own if none is given.

    Raises:
        DirectoryNotFoundError: It does not exist, or is not a directory.
    """
    if cwd is None:
        try:
            return os.getcwd()
        except FileNotFoundError:
            raise DirectoryNotFoundError(".", "our own working directory was deleted") from None
    path = os.path.abspath(Path(cwd).expanduser())
    if "\0" in path:
        raise DirectoryNotFoundError(path, "a path with NUL")
    if not Path(path).is_dir():
        raise DirectoryNotFoundError(path, "not a directory" if Path(path).exists() else "no such directory")
    return path


def check_name(name: object) -> None:
    """A session's name can not be taken for a pid or an option.

    Raises:
        InvalidOptionError: It could, or has blanks, or is too long.
    """
    if name is None:
        return
    text = name if isinstance(name, str) else ""
    plain = _NAME.fullmatch(text) is not None and len(text) <= MAX_NAME_CHARACTERS
    if not plain or text.isdigit() or text.startswith("-"):
        wanted = f"1 to {MAX_NAME_CHARACTERS} characters without blanks, not a number, not starting with '-'"
        raise InvalidOptionError("name", name, wanted)


def check_seconds(option: str, seconds: object) -> None:
    """A time limit is a positive number.

    Raises:
        InvalidOptionError: It is not.
    """
    if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds <= MAX_SECONDS):
        raise InvalidOptionError(option, seconds, "a number of seconds above 0, at most ten years")


def check_io(io: str) -> IoMode:
    """Which streams a session gets.

    Raises:
        InvalidOptionError: There is no such mode.
    """
    try:
        return IoMode(io)
    except ValueError:
        raise InvalidOptionError("io", io, " or ".join(repr(str(mode)) for mode in IoMode)) from None


def check_size(rows: int, columns: int) -> None:
    """A terminal has at least one cell.

    Raises:
        InvalidOptionError: It would have none, or far too many.
    """
    for option, value in (("rows", rows), ("columns", columns)):
        if not 1 <= value <= MAX_TERMINAL_SIDE:
            raise InvalidOptionError(option, value, f"1 to {MAX_TERMINAL_SIDE}")


def merge_environment(changes: Mapping[str, object] | None) -> dict[str, str]:
    """Our own environment with changes: a value sets a variable, None removes it.

    Raises:
        InvalidOptionError: A name or a value that no environment can hold.
    """
    env = dict(os.environ)
    for name, value in (changes or {}).items():
        if not name or "=" in name or "\0" in name:
            raise InvalidOptionError("env", name, "a variable's name without '=' and NUL")
        if value is None:
            env.pop(name, None)
        elif not isinstance(value, str) or "\0" in value:
            raise InvalidOptionError("env", f"{name}=…", "text without NUL, or None")
        else:
            env[name] = value
    return env
