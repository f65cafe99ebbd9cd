"""The state of a shell as data: what one cell hands on to the next.

``ShellState.from_dump`` reads what a bash has written down; the texts of ``restore`` make the next one know it again.
The state is kept as text that bash itself wrote to be read back by bash; only names are looked at. Everything is bytes:
a variable may hold any but NUL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from vibesbox_kernel.errors import ShellStateError
from vibesbox_kernel.shell.dump import TRAPS, Dump, traps_in
from vibesbox_kernel.shell.functions import as_names, attributes, join_functions, split_functions
from vibesbox_kernel.shell.quoting import unquote
from vibesbox_kernel.shell.tool_path import without_tools

SESSION_MARKER = "VIBESBOX_SESSION"

_VARIABLE = re.compile(rb"declare -([-a-zA-Z]+) ([A-Za-z_][A-Za-z_0-9]*)(?==|$)", re.MULTILINE)
_ALIAS_NAME = re.compile(rb"(?m)^alias (?:-- )?([^=\n]+)=")
_FUNCTION_NAME = re.compile(rb"(?m)^declare -[-a-zA-Z]+ (.+)$")

# What bash makes itself, for each process anew, or what is the next cell's own. OLDPWD, the directory stack and the
# hashed commands are carried in their own way; POSIXLY_CORRECT comes with `set -o posix`; BASH_XTRACEFD names a
# descriptor that the next cell does not have.
_NOT_CARRIED = re.compile(
    rb"""BASH|BASHOPTS|BASHPID|BASH_(?:ALIASES|ARGC|ARGV0?|CMDS|COMMAND|EXECUTION_STRING|LINENO|SOURCE|SUBSHELL|VERSINFO)
    |BASH_VERSION|BASH_XTRACEFD|COMP_WORDBREAKS|DIRSTACK|EPOCHREALTIME|EPOCHSECONDS|EUID|FUNCNAME|GROUPS|HISTCMD|HISTFILE
    |LINENO|OLDPWD|PIPESTATUS|POSIXLY_CORRECT|PPID|PWD|RANDOM|SHELLOPTS|SRANDOM|UID|VIBESBOX_(?:BROKER|DISPLAY|PYTHON|SESSION)|_|__vb_\w*""",
    re.VERBOSE,
)

# Set by `checkwinsize` after each command, from a terminal that the next cell may not have.
_TERMINAL_SIZE = frozenset({b"LINES", b"COLUMNS"})

_INTERACTIVE_OPTIONS = frozenset({b"emacs", b"histexpand", b"history", b"monitor", b"vi"})

# Not `-R`: by that limit the broker knows whose a process is.
_LIMITS = b"cdefilmnqrstuvx"
_CPU_TIME = b"t"
_LIMIT = re.compile(rb"(?m)-(\w)\) +(\S+)$")


@dataclass(frozen=True)
class Limits:
    """Values of ``ulimit -S`` and ``ulimit -H``, by letter."""

    soft: Mapping[bytes, bytes] = field(default_factory=dict)
    hard: Mapping[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def from_text(cls, soft: bytes, hard: bytes) -> Limits:
        """Read what ``ulimit -a`` says of both."""
        return cls(_limits(soft), _limits(hard))


@dataclass(frozen=True)
class ShellState:
    """Everything that one cell hands on to the next.

    Attributes:
        directory: The working directory, with the symbolic links by which it was reached.
        variables: What declares each variable, by its name, in bash's own words.
        functions: The text that defines all functions.
        function_names: Their names.
        aliases: The text that defines all aliases.
        options: What is on, of ``set -o``.
        shopts: What is on, of ``shopt``.
        traps: Commands (quoted) by signal (`INT`, `DEBUG`), without EXIT: that is the cell's own.
        stack: The directory stack below the working directory, each quoted.
        parameters: ``$1`` and so on, each quoted.
        completions: The text that defines them.
        disabled: The text that disables builtins.
        limits: What ``ulimit`` says.
        umask: The text that sets it.
        old_directory: What declares ``OLDPWD``; empty when it is unset.
        commands: What declares where hashed commands were found, by command; empty when there are none.
    """

    directory: bytes
    variables: Mapping[bytes, bytes] = field(default_factory=dict)
    functions: bytes = b""
    function_names: tuple[str, ...] = ()
    aliases: bytes = b""
    options: frozenset[bytes] = frozenset()
    shopts: frozenset[bytes] = frozenset()
    traps: Mapping[bytes, bytes] = field(default_factory=dict)
    stack: tuple[bytes, ...] = ()
    parameters: tuple[bytes, ...] = ()
    completions: bytes = b""
    disabled: bytes = b""
    limits: Limits = field(default_factory=Limits)
    umask: bytes = b""
    old_directory: bytes = b""
    commands: bytes = b""

    @classmethod
    def from_dump(cls, dump: Dump, previous: ShellState, kept: Mapping[bytes, bytes] | None = None) -> ShellState:
        """Read a state back.

        Args:
            dump: What the cell's bash wrote down.
            previous: The state that the cell began with, for what could not be seen at its end.
            kept: The functions that are meant where it says that some are as they were.

        Raises:
            ShellStateError: A section is missing.
        """
        try:
            return _read(dump.sections, previous, kept or {})
        except KeyError as error:
            raise ShellStateError(f"the shell's state has no section {error}") from error

    @property
    def variable_names(self) -> tuple[str, ...]:
        """Names of the variables, as bash orders them."""
        return tuple(os.fsdecode(name) for name in self.variables)

    @property
    def alias_names(self) -> tuple[str, ...]:
        """Names of the aliases, as bash orders them."""
        return tuple(os.fsdecode(name) for name in _ALIAS_NAME.findall(self.aliases))

    @cached_property
    def functions_by_name(self) -> Mapping[bytes, bytes]:
        """What defines each function; empty where their texts can not be told apart."""
        return split_functions(self.functions, as_names(self.function_names))

    @property
    def cwd(self) -> str:
        """The working directory."""
        return os.fsdecode(self.directory)

    def value(self, name: str) -> str | None:
        """The value of a variable that is no array; None if it has none."""
        declaration = self.variables.get(name.encode(), b"")
        return os.fsdecode(_value(declaration)) if b"=" in declaration else None

    def is_as(self, other: ShellState) -> bool:
        """Whether a user would say that nothing has changed: time has passed, and bash has found commands."""
        return self._without_what_passes() == other._without_what_passes()

    def _without_what_passes(self) -> ShellState:
        variables = {name: text for name, text in self.variables.items() if name != b"SECONDS"}
        return replace(self, variables=variables, commands=b"")

    def for_program(self) -> ShellState:
        """What of the state another program is started with: nothing that would run commands before it, or stop it."""
        ignored = {name: command for name, command in self.traps.items() if command == b"''"}
        return replace(self, options=frozenset(), traps=ignored, disabled=b"", shopts=frozenset())

    def for_cells(self) -> ShellState:
        """The first state: without what only makes sense at a prompt, and with aliases, which only a prompt has on."""
        options = self.options - _INTERACTIVE_OPTIONS
        shopts = self.shopts | {b"expand_aliases"}
        traps = {name: command for name, command in self.traps.items() if name != b"DEBUG"}  # prompt decorators
        return replace(self, options=options, shopts=shopts, traps=traps)

    def without_exports(self, base: ShellState, exports: Mapping[str, str]) -> ShellState:
        """The state without variables that were only a cell's own; those that the cell has changed stay.

        Args:
            base: What the cell started from: where a variable goes back to.
            exports: What the cell was given.
        """
        variables = dict(self.variables)
        for name, value in exports.items():
            key = name.encode()
            if _value(variables.get(key, b"")) == os.fsencode(value):
                del variables[key]
                if key in base.variables:
                    variables[key] = base.variables[key]
        return replace(self, variables=variables)

    def with_variables_of(self, base: ShellState, names: Iterable[str]) -> ShellState:
        """The state with some variables as they were in another, whatever has become of them."""
        keys = [name.encode() for name in names]
        variables = {key: value for key, value in self.variables.items() if key not in keys}
        variables |= {key: base.variables[key] for key in keys if key in base.variables}
        return replace(self, variables=variables)

    def with_cpu_limit_of(self, base: ShellState) -> ShellState:
        """The state with another's limit of CPU time: the cell's own was for it alone."""
        ours, theirs = self.limits, base.limits
        limits = Limits(_with(ours.soft, theirs.soft, _CPU_TIME), _with(ours.hard, theirs.hard, _CPU_TIME))
        return replace(self, limits=limits)


def _with(limits: Mapping[bytes, bytes], base: Mapping[bytes, bytes], letter: bytes) -> Mapping[bytes, bytes]:
    others = {key: value for key, value in limits.items() if key != letter}
    return {**others, letter: base[letter]} if letter in base else others


def _read(sections: Mapping[str, bytes], previous: ShellState, kept: Mapping[bytes, bytes]) -> ShellState:
    functions, function_names = _functions(sections, previous, kept)
    declarations = dict(_declarations(sections["variables"]))
    exported_size = {n for n in _TERMINAL_SIZE if declarations.get(n, b"").startswith(b"declare -x")}
    return ShellState(
        directory=sections["directory"].removesuffix(b"\n") or previous.directory,
        variables={
            name: text if name != b"PATH" else without_tools(text)
            for name, text in declarations.items()
            if not _NOT_CARRIED.fullmatch(name) and (name not in _TERMINAL_SIZE or name in exported_size)
        },
        functions=functions,
        function_names=function_names,
        aliases=sections["aliases"],
        options=frozenset(sections["options"].strip().split(b":")),
        shopts=frozenset(sections["shopt"].strip().split(b":")),
        traps=traps_in(sections[TRAPS]),
        stack=_words(sections["stack"]),
        parameters=_words(sections["parameters"]) if "parameters" in sections else previous.parameters,
        completions=sections["complete"],
        disabled=sections["disabled"],
        limits=Limits.from_text(sections["soft-limits"], sections["hard-limits"]),
        umask=sections["umask"].strip(),
        old_directory=declarations.get(b"OLDPWD", b""),
        commands=sections["commands"].replace(b" BASH_CMDS", b" __vb_commands", 1).rstrip(b"\n"),
    )


def _functions(
    sections: Mapping[str, bytes], previous: ShellState, kept: Mapping[bytes, bytes]
) -> tuple[bytes, tuple[str, ...]]:
    """The text of all functions, and their names."""
    text = sections["functions"]
    if "function-names" in sections:
        return text, tuple(os.fsdecode(match[1]) for match in _FUNCTION_NAME.finditer(sections["function-names"]))
    # All have the names and the attributes that they had; the text is of those that are not kept, without attributes.
    before = previous.functions_by_name
    others = {name: attributes(definition) for name, definition in before.items() if name not in kept}
    if text == b"".join(before[name].removesuffix(line) for name, line in others.items()):
        return previous.functions, previous.function_names
    definitions = split_functions(text, tuple(others))
    if not definitions:  # they can not be told apart, but stand together
        whole = b"".join((*kept.values(), text, *others.values()))
        return whole, tuple(map(os.fsdecode, (*kept, *others)))
    changed = {name: definition + others[name] for name, definition in definitions.items()}
    return join_functions(kept, changed)[0], previous.function_names


def _declarations(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What ``declare -p`` says of each variable.

    Bash 5.2 puts each on one line. Before it, newlines in values were printed as they are: a line that does not begin a
    declaration continues the last one.
    """
    name, lines = b"", list[bytes]()
    for line in text.rstrip(b"\n").split(b"\n"):
        match = _VARIABLE.match(line)
        if match is None:
            lines.append(line)
            continue
        if name:
            yield name, b"\n".join(lines)
        name, lines = match[2], [line]
    if name:
        yield name, b"\n".join(lines)


def _value(declaration: bytes) -> bytes:
    """The value of a variable that is no array."""
    return unquote(declaration.partition(b"=")[2])


def _limits(text: bytes) -> dict[bytes, bytes]:
    """What ``ulimit -a`` says; the words before the letter may be in any language."""
    return {match[1]: match[2] for match in _LIMIT.finditer(text) if match[1] in _LIMITS}


def _words(text: bytes) -> tuple[bytes, ...]:
    r"""The lines that ``printf '%q\n'`` has put out; it writes a newline in a word as ``\n``."""
    return tuple(line for line in text.split(b"\n") if line)
