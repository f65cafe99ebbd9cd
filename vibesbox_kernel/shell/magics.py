"""The table of magics, and the parser that every front door shares.

Adding a magic is adding one entry to ``MAGICS``, and what it takes to ``magic_args`` and ``magic_options``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell import code_options, session_options, vibesbox_options
from vibesbox_kernel.shell import magic_options as options
from vibesbox_kernel.shell.magic_args import (
    BgArgs,
    CellOptions,
    FgArgs,
    InfoArgs,
    MagicArgs,
    PsArgs,
    RenameArgs,
    RerunArgs,
)
from vibesbox_kernel.shell.magic_parser import HELP_OPTIONS, MagicParser, nearest
from vibesbox_kernel.shell.words import iterate_words

EXPAND = "--expand"
_LINE = re.compile(r"\s*(%%?)([^\s?%]*)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Magic:
    """One magic: its name without ``%``, one line on what it does, and how its arguments are read.

    Attributes:
        cell: Whether it may also stand as ``%%name`` over a cell.
        options_end: Whether its options end at the first other word, and the rest of the line is one command.
        takes_body: Whether it stands over a cell only, whose text it is about.
    """

    name: str
    summary: str
    add_arguments: Callable[[MagicParser], None]
    build: Callable[[Mapping[str, Any]], MagicArgs]
    cell: bool = False
    options_end: bool = False
    takes_body: bool = False

    @cached_property
    def parser(self) -> MagicParser:
        """The parser of its arguments, built when it is first needed."""
        parser = MagicParser(f"{'%%' if self.cell else '%'}{self.name}", self.summary)
        self.add_arguments(parser)
        return parser


@dataclass(frozen=True)
class CellBody:
    """The cell below a magic that is about it: magics of its own, and a script.

    Attributes:
        head: The magics' lines, as they stand there.
        options: Of its ``%%session`` line, if there is one.
        script: The rest.
        script_line: The line at which that begins, as the user sees it.
    """

    head: str
    options: CellOptions | None
    script: str
    script_line: int


@dataclass(frozen=True)
class MagicCall:
    """A magic line that was understood.

    Attributes:
        name: The magic's name without ``%``.
        args: What was asked for; None when only help was.
        cell: Whether it was written with ``%%``.
        body: What it stands over, if it is about that.
    """

    name: str
    args: MagicArgs | None
    cell: bool = False
    body: CellBody | None = None

    @property
    def wants_help(self) -> bool:
        """Whether the line was ``%magic?`` or had ``-h``."""
        return self.args is None


def parse_magic(line: str) -> MagicCall:
    """Parse one line that begins with ``%`` or ``%%`` (blanks around it are allowed).

    Raises:
        MagicError: No such magic or option, or a value that can not be; nothing was run.
    """
    match = _LINE.fullmatch(line.rstrip())
    if match is None:
        raise MagicError(f"{line.strip()[:40]!r} is not a magic line; it must begin with %")
    percents, name, rest = match.groups()
    return parse_call(name, rest, cell=percents == "%%")


def parse_call(name: str, rest: str, *, cell: bool = False, expand: Callable[[str], str] | None = None) -> MagicCall:
    """Parse the arguments of a magic whose name is already known, as IPython hands them over.

    Args:
        name: The magic's name without ``%``.
        rest: The rest of its line.
        cell: Whether it stood with ``%%`` over a cell.
        expand: Puts values into its words and its command, if ``--expand`` is among its options.

    Raises:
        MagicError: As ``parse_magic``.
    """
    magic = find_magic(name, cell=cell)
    shown = f"{'%%' if cell else '%'}{name}"
    if rest.strip() == "?":
        return MagicCall(name, None, cell)
    if cell and not magic.cell:
        raise MagicError(f"{shown} takes no cell", magic=shown, suggestion=f"%{name}")
    words, command = _split(magic, rest, cell=cell, shown=shown)
    if expand is not None and EXPAND in words:
        words, command = [expand(word) for word in words], command and expand(command)
    if _asks_for_help(words):
        return MagicCall(name, None, cell)
    if magic.takes_body and not cell:
        raise MagicError(f"{shown} stands over a cell", magic=shown, suggestion=f"%%{name}")
    values = vars(magic.parser.parse(words))
    values.pop("help")
    if magic.options_end and not cell:
        if not command:
            raise MagicError(f"{shown} needs a command to run", magic=shown, suggestion=f"%{shown}")
        values["command"] = command
    return MagicCall(name, magic.build(values), cell)


def command_offset(line: str) -> int | None:
    """Where in a line such as ``%session --bg make`` the command begins; None if there is none, or not yet."""
    match = _LINE.fullmatch(line)
    magic = None if match is None else MAGICS.get(match.group(2))
    if match is None or magic is None or not magic.options_end or match.group(1) == "%%":
        return None
    rest = match.group(3)
    try:
        start = _command_start(magic.parser, rest)
    except ValueError:
        return None
    return match.start(3) + start if start < len(rest) else None


def find_magic(name: str, *, cell: bool = False) -> Magic:
    """The magic of this name (without ``%``).

    Raises:
        MagicError: There is none; the message names the nearest.
    """
    magic = MAGICS.get(name)
    if magic is not None:
        return magic
    percents = "%%" if cell else "%"
    near = nearest(name, MAGICS)
    known = "" if near else f"; known: {', '.join(f'%{one}' for one in MAGICS)}"
    suggestion = None if near is None else f"{'%%' if cell and MAGICS[near].cell else '%'}{near}"
    raise MagicError(f"no magic {percents}{name[:40]}{known}", magic=f"{percents}{name}", suggestion=suggestion)


def help_text(name: str) -> str:
    """How a magic is written and what it does, ready to print.

    Raises:
        MagicError: There is no such magic.
    """
    return find_magic(name).parser.format_help()


def overview() -> str:
    """One line for each magic."""
    width = max(len(magic.parser.prog) for magic in MAGICS.values())
    lines = (f"{magic.parser.prog:<{width}}  {magic.summary}" for magic in MAGICS.values())
    return "\n".join([*lines, "%magic? or %magic -h says more about one of them"]) + "\n"


def _split(magic: Magic, rest: str, *, cell: bool, shown: str) -> tuple[list[str], str | None]:
    """The words to parse, and for a one-line command the rest of the line as it stands."""
    try:
        if magic.options_end and not cell:
            start = _command_start(magic.parser, rest)
            return [word for word in _words(rest[:start]) if word != "--"], rest[start:].strip()
        return _words(rest), None
    except ValueError as error:
        raise MagicError(f"{shown}: {error}", magic=shown) from error


def _words(text: str) -> list[str]:
    return [word.text for word in iterate_words(text)]


def _command_start(parser: MagicParser, rest: str) -> int:
    """Where the first word stands that is neither an option nor the value of one."""
    value_follows = False
    for word in iterate_words(rest):
        if not value_follows and not word.text.startswith("-"):
            return word.start
        if not value_follows and word.text == "--":
            return word.end
        value_follows = not value_follows and parser.wants_value(word.text) is True
    return len(rest)


def _asks_for_help(words: Sequence[str]) -> bool:
    before_dashes = words[: words.index("--")] if "--" in words else words
    return any(word in HELP_OPTIONS for word in before_dashes)


_TABLE = (
    Magic("ps", "the sessions and how they are", options.add_ps, lambda values: PsArgs(**values)),
    Magic("kill", "end sessions, every process of them", options.add_kill, options.build_kill),
    Magic("tail", "the last lines of a session's output", options.add_tail, options.build_tail),
    Magic("wait", "until sessions are over", options.add_wait, options.build_wait),
    Magic("send", "type into a session", options.add_send, options.build_send),
    Magic(
        "fg",
        "wait for a session as for a cell: output, input, interrupts; or a terminal on it",
        options.add_fg,
        lambda values: FgArgs(**values),
    ),
    Magic("bg", "stop waiting for a cell: it goes on", options.add_bg, lambda values: BgArgs(**values)),
    Magic("rerun", "run a session's command again", options.add_rerun, lambda values: RerunArgs(**values)),
    Magic("info", "everything known of one session", options.add_info, lambda values: InfoArgs(**values)),
    Magic("durable", "let sessions outlive this kernel or program", options.add_durable, options.build_durable),
    Magic("rename", "give a session another name", options.add_rename, lambda values: RenameArgs(**values)),
    Magic("adopt", "take over durable sessions that nobody owns", options.add_adopt, options.build_adopt),
    Magic(
        "parallel",
        "how many sessions may run at a time, and which limits are in force",
        options.add_parallel,
        options.build_parallel,
    ),
    Magic(
        "session",
        "run this cell as a session of its own kind",
        session_options.add_session,
        session_options.build_session,
        cell=True,
        options_end=True,
    ),
    Magic(
        "lint",
        "what shellcheck has to say of this cell, of which nothing is run",
        code_options.add_lint,
        code_options.build_lint,
        cell=True,
        takes_body=True,
    ),
    Magic(
        "fmt",
        "this cell as shfmt would write it, in its place",
        code_options.add_fmt,
        code_options.build_fmt,
        cell=True,
        takes_body=True,
    ),
    Magic(
        "vibesbox",
        "the magics, which Vibesbox this is, how it is (doctor), and the state of the shell",
        vibesbox_options.add_vibesbox,
        vibesbox_options.build_vibesbox,
    ),
)

MAGICS: Mapping[str, Magic] = MappingProxyType({magic.name: magic for magic in _TABLE})
