"""zsh and fish: cells of theirs carry a state of their own from one to the next. Other shells carry none.

A state is text that the shell itself wrote to be read back by itself, as with bash, but less of it is looked at. Its
directory is its own too; umask and limits of the first cell are those of the bash cells.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import ShellStateError
from vibesbox_kernel.shell.dump import Dump, traps_in
from vibesbox_kernel.shell.quoting import quote

if TYPE_CHECKING:
    from vibesbox_kernel.shell.cell_files import CellDirectory
    from vibesbox_kernel.shell.program import Place

_OUR_TRAPS = frozenset({b"'exit 130'", b"'exit 143'"})
_NAME_OF_VARIABLE = re.compile(rb"^(?:export|typeset(?: -\S+)*|set -\S+) ([A-Za-z_]\w*)")
# As a bash cell's in prepare.sh; the directory is the private one of the cell.
_REFUSAL = rb"""__vb_message=$(%s -f -o extendedglob -n -- %s 2>&1) || {
    builtin printf '%%s\n' "$__vb_message" >&2
    builtin printf '\n%%s syntax\n%%s\n\n%%s end\n2 syntax\n' "$__vb_mark" "$__vb_message" "$__vb_mark" >>state
    builtin trap - EXIT
    builtin kill -STOP $$
    builtin exit 2
}"""
_CHANGES_THE_READING = re.compile(r"alias|setopt|emulate|source|(?m:^\s*\.\s)|\. ")

WITHOUT_STATE = frozenset({"ash", "bash", "busybox", "csh", "dash", "elvish", "ksh", "mksh", "nu", "pwsh", "rbash"}) | {
    "rc", "sh", "tcsh", "xonsh", "yash"
}  # fmt: skip
"""Shells of which one may expect that a cell's variables and functions are known in the next."""


@dataclass(frozen=True)
class OtherShell:
    """How a shell is told to run a cell and to hand over its state.

    Attributes:
        name: Of its program.
        driver: The file among our texts that it runs.
        first_arguments: What its very first cell is started with: it reads the start-up files of its scripts.
        arguments: What every other one is started with.
        opening: What stands on a cell's first line before its own text, with the directory where it shall begin.
        export: How it sets a variable for itself and its children.
        quote: How it quotes a word.
        reads_it_first: It looks for syntax errors in the whole cell by itself before it runs anything.
    """

    name: str
    driver: str
    first_arguments: tuple[str, ...]
    arguments: tuple[str, ...]
    opening: bytes
    export: bytes
    quote: Callable[[bytes], bytes]
    reads_it_first: bool = False


def _quote_for_fish(word: bytes) -> bytes:
    return b"'" + word.replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


_ALL = (
    OtherShell(
        "zsh",
        "zsh.zsh",
        first_arguments=("-f",),
        arguments=("-f",),
        opening=b"builtin cd -q -- %s; OLDPWD=$__vb_old;",
        export=b"export %s=%s\n",
        quote=quote,
    ),
    OtherShell(
        "fish",
        "fish.fish",
        first_arguments=(),
        arguments=("--no-config",),
        opening=b"builtin cd -- %s; set -g __vb_begun;",
        export=b"set -gx %s %s\n",
        quote=_quote_for_fish,
        reads_it_first=True,
    ),
)
OTHER_SHELLS: Mapping[str, OtherShell] = {shell.name: shell for shell in _ALL}


@dataclass(frozen=True)
class OtherState:
    """What one cell of such a shell hands on to the next.

    Attributes:
        directory: Where it was.
        variables: What declares each, by its name.
        early: What must be known before any of it is read.
        late: The rest.
    """

    directory: bytes
    variables: Mapping[bytes, bytes] = field(default_factory=dict)
    early: bytes = b""
    late: bytes = b""

    @classmethod
    def from_dump(cls, dump: Dump) -> OtherState:
        """Read a state back.

        Raises:
            ShellStateError: A section is missing.
        """
        try:
            sections = {name: dump.sections[name] for name in ("directory", "variables", "early", "late")}
        except KeyError as error:
            raise ShellStateError(f"the shell's state has no section {error}") from error
        traps = traps_in(dump.sections.get("traps-of-zsh", b""))
        late = b"".join(b"trap -- %s %s\n" % (run, on) for on, run in traps.items() if run not in _OUR_TRAPS)
        return cls(
            directory=sections["directory"].strip(b"\n"),
            variables=dict(_declarations(sections["variables"].splitlines())),
            early=sections["early"],
            late=sections["late"] + late,
        )

    @property
    def cwd(self) -> str:
        """The working directory."""
        return os.fsdecode(self.directory)

    def text(self) -> bytes:
        """What the next cell's shell reads."""
        return b"\n".join((self.early, *self.variables.values(), self.late))

    def without(self, names: Iterable[str], base: OtherState | None) -> OtherState:
        """The state with some variables as they were before the cell, whose own they were."""
        before = {} if base is None else base.variables
        own = {name.encode() for name in names}
        variables = {name: text for name, text in self.variables.items() if name not in own}
        variables |= {name: text for name, text in before.items() if name in own}
        return replace(self, variables=variables)


@dataclass(frozen=True)
class OtherShellCell:
    """How one cell is run by such a shell.

    Attributes:
        shell: Which.
        path: Of its program.
        base: What it starts from; None for the first, which starts from the environment of the bash cells.
    """

    shell: OtherShell
    path: str
    base: OtherState | None

    def lay_out(self, cell: CellDirectory, name: str, script: str, place: Place) -> tuple[str, bytes]:
        """Write what its shell reads; see ``program.Replacement``."""
        opening = self.shell.opening % self.shell.quote(place.directory)
        text = opening + b"\n" * (place.line - 1) + script.encode("utf-8", "surrogateescape") + b"\n"
        cell.write(name, text)
        if self.base is not None:
            carried = self.base.without(place.secrets, None)  # what they are is in the environment
            cell.write("carried", carried.text() + self._exports(place.exports))
        return "launch", self._launch_text(cell, name, script, place.secrets)

    def _exports(self, exports: Mapping[str, str]) -> bytes:
        return b"".join(
            self.shell.export % (name.encode(), self.shell.quote(os.fsencode(value))) for name, value in exports.items()
        )

    def _launch_text(self, cell: CellDirectory, name: str, script: str, secrets: Iterable[str]) -> bytes:
        arguments = self.shell.first_arguments if self.base is None else self.shell.arguments
        texts, file = cell.driver.directory, quote(os.fsencode(name))
        lines = [b"builtin cd -- " + quote(os.fsencode(cell.path))]
        if not (self.shell.reads_it_first or _CHANGES_THE_READING.search(script)):
            lines.append(_REFUSAL % (quote(os.fsencode(self.path)), file))
        if self.base is not None:  # the environment is a part of the state that was carried
            lines.append(b"IFS=$' \\t\\n'; builtin declare +x $(builtin compgen -X 'VIBESBOX_*' -e)")
            lines.extend(b"builtin declare -x " + secret.encode() for secret in secrets)
        told = (str(texts), str(cell.path), name, cell.mark, cell.driver.bash)
        words = (self.path, *arguments, str(texts / self.shell.driver), *told)
        command = b" ".join(quote(os.fsencode(word)) for word in words)
        lines.append(b"builtin exec -- " + command)
        return b"\n".join(lines) + b"\n"


class OtherStates:
    """The newest state of each such shell, and of which other shells the user knows that they have none."""

    def __init__(self) -> None:
        self._newest: dict[str, OtherState] = {}
        self._said: set[str] = set()

    def newest(self, name: str) -> OtherState | None:
        """What a shell's next cell starts from; None if it has had none."""
        return self._newest.get(name)

    def commit(self, cell: OtherShellCell, state: OtherState) -> bool:
        """Make a state the newest, unless another has come after the one that it was made from."""
        if self._newest.get(cell.shell.name) is not cell.base:
            return False
        self._newest[cell.shell.name] = state
        return True

    def reset(self) -> None:
        """Have the next cell of each such shell begin as its first did."""
        self._newest.clear()

    def notice_once(self, name: str) -> tuple[str, ...]:
        """Say of a shell, the first time, that its cells hand nothing on."""
        if name in self._said or name not in WITHOUT_STATE:
            return ()
        self._said.add(name)
        return (f"{name} cells hand nothing on: each starts from the state of the bash cells and leaves it as it is",)


def _declarations(lines: Iterable[bytes]) -> Iterable[tuple[bytes, bytes]]:
    for line in lines:
        match = _NAME_OF_VARIABLE.match(line)
        if match is not None:
            yield match[1], line
