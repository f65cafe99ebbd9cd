"""The texts by which a bash takes on a state.

The order in which things are taken on is most of the art:

* Aliases stay off until everything has been read, or they would be expanded into the functions. Functions come last,
  so that one that is called ``declare`` or ``alias`` is not in our way.
* What would disturb the driver waits until its last command, ``begin_text``: the directory, ``-e``, ``-u``, ``-x``,
  traps, limits, disabled builtins.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vibesbox_kernel.shell.quoting import quote
from vibesbox_kernel.shell.recall import recall_text
from vibesbox_kernel.shell.state import Limits, ShellState
from vibesbox_kernel.shell.tool_path import add_tools

# What a bash with an empty environment has anyway, and a user may have unset.
_DEFAULTS = tuple(b"HOME HOSTNAME HOSTTYPE IFS MACHTYPE OPTERR OPTIND OSTYPE PATH PS4 SHELL SHLVL TERM".split())

_DEFAULT_OPTIONS = (b"braceexpand", b"hashall", b"interactive-comments")
_LATE_OPTIONS = (
    b"functrace",
    b"errtrace",
    b"keyword",
    b"noglob",
    b"physical",
    b"allexport",
    b"histexpand",
    b"monitor",
    b"nounset",
    b"errexit",
    b"posix",
)
_NOISY_OPTIONS = (b"verbose", b"xtrace")
# `noexec` and `onecmd` would run nothing of the next cell, `privileged` would ignore what it is given. `history` bash
# takes back when it has sourced the text that turns it on: all that it would remember are lines of ours.
_NEVER_OPTIONS = (b"noexec", b"onecmd", b"privileged", b"history")

# `expand_aliases` must be off as long as functions are read, and `sourcepath` until the cell is sourced; `extdebug`
# sets options; the other two can not be set.
_OTHER_SHOPTS = frozenset({b"expand_aliases", b"extdebug", b"login_shell", b"restricted_shell", b"sourcepath"})


# Bash closes a descriptor in its children only if it was made from one that is like that. Such is what it sets aside
# for a redirection, at the lowest free number from 10 on: here its standard input, which is the one in question.
# Not by `builtin`, under which `exec` changes nothing for good; no function of the user's is there yet.
_HIDE = b"""{
    for __vb_each in %s; do
        \\exec 0<&"$__vb_each"
        __vb_free=10
        while [[ -e /dev/fd/$__vb_free ]]; do ((__vb_free += 1)); done
        { \\eval "\\exec $__vb_each<&$__vb_free"; } </dev/null
    done
} </dev/null
"""


def hide_text(descriptors: Sequence[int]) -> bytes:
    """What keeps open descriptors from the children of a bash; to be sourced before the state."""
    return _HIDE % b" ".join(b"%d" % number for number in descriptors) if descriptors else b""


def functions_text(files: Iterable[str], removed: Sequence[bytes] = ()) -> bytes:
    """What gives a bash the functions of a state besides those that it has.

    Args:
        files: Those that it lacks are in these files.
        removed: Functions that it has and shall not have.
    """
    lines = [b"builtin unset -f -- " + b" ".join(map(quote, removed))] if removed else []
    lines += [b"builtin . -- " + quote(os.fsencode(file)) for file in files]
    return b"\n".join(lines)


def library_text(others: Iterable[bytes], *, fewer: bool) -> bytes:
    """What tells a bash that has read a library what it has to look at when it writes down its functions.

    Args:
        others: Functions that are not of the library.
        fewer: It does not keep all of that; files ``names`` and ``list`` say what it keeps.
    """
    kept = b"\n__vb_library=$__vb_cell; builtin mapfile -t __vb_functions <names" if fewer else b""
    return b"\n__vb_others=(" + b" ".join(map(quote, others)) + b")" + kept


def restore_text(state: ShellState, functions: bytes = b"builtin . functions") -> bytes:
    """What a waiting bash sources.

    Args:
        functions: What brings the functions; otherwise a file of that name beside it must hold ``state.functions``.
    """
    return b"\n".join(_restore(state, functions)) + b"\n"


def begin_text(
    state: ShellState,
    *,
    status: int,
    directory: bytes,
    exports: Mapping[str, str] | None = None,
    inherited: Limits | None = None,
    exit_trap: bool = False,
    recalled: Sequence[str] = (),
) -> bytes:
    """What is sourced from the cell's own first line, as the driver's last act.

    Args:
        state: What the cell starts from.
        status: What ``$?`` shall be at the cell's first command.
        directory: Where the cell shall begin; it must exist.
        exports: Variables for this cell alone.
        inherited: The limits that the bash has anyway; None if they are not known.
        exit_trap: The cell sets an EXIT trap of its own.
        recalled: What ``history`` shall know.
    """
    first = [b'builtin . "$__vb_driver/exit-trap.sh"'] if exit_trap else []
    first += [recall_text(recalled)] if recalled else []
    return b"\n".join((*first, *_begin(state, status, directory, exports or {}, inherited))) + b"\n"


def _restore(state: ShellState, functions: bytes) -> Iterator[bytes]:
    yield b"builtin shopt -u ${BASHOPTS//:/ }"
    yield b" ".join((b"builtin shopt -s", *sorted(state.shopts - _OTHER_SHOPTS)))
    yield state.umask
    missing = [name for name in _DEFAULTS if name not in state.variables]
    if missing:
        yield b"builtin unset -v " + b" ".join(missing)
    yield from state.variables.values()
    yield add_tools()  # before the hashed commands, which bash forgets when PATH changes
    yield b" ".join((b"builtin set --", *state.parameters))
    for name in _DEFAULT_OPTIONS:
        if name not in state.options:
            yield b"builtin set +o " + name
    yield from _turn_on(
        sorted(state.options.difference(_LATE_OPTIONS, _NOISY_OPTIONS, _NEVER_OPTIONS, _DEFAULT_OPTIONS))
    )
    # Reversed, because `pushd -n` puts a directory right below the working directory.
    for directory in reversed(state.stack):
        yield b"builtin pushd -n " + directory + b" >/dev/null"
    yield state.completions
    if state.commands:
        yield state.commands
        yield b'for __vb_each in "${!__vb_commands[@]}"; do'
        yield b'    builtin hash -p "${__vb_commands[$__vb_each]}" -- "$__vb_each"'
        yield b"done"
    yield state.aliases
    # A function may have been read when more patterns were allowed than are now.
    if b"extglob" not in state.shopts:
        yield b"builtin shopt -s extglob"
    yield functions
    if b"extglob" not in state.shopts:
        yield b"builtin shopt -u extglob"
    if b"expand_aliases" in state.shopts:
        yield b"builtin shopt -s expand_aliases"


def _begin(
    state: ShellState, status: int, directory: bytes, exports: Mapping[str, str], inherited: Limits | None
) -> Iterator[bytes]:
    yield b"\\builtin cd -- " + quote(directory) + b" || \\builtin cd /"
    yield b"\\builtin " + (state.old_directory or b"unset -v OLDPWD")
    for variable, value in exports.items():
        yield f"\\builtin declare -x {variable}=".encode() + quote(os.fsencode(value))
    if state.limits != inherited:
        yield from _ulimits(state.limits)
    traps = dict(state.traps)
    debug, interrupt = traps.pop(b"DEBUG", None), traps.pop(b"INT", None)
    for name, command in traps.items():
        yield b"\\builtin trap -- " + command + b" " + name
    if b"extdebug" in state.shopts:  # before the options: it sets some
        yield b"\\builtin shopt -s extdebug"
    yield from _turn_on(name for name in _LATE_OPTIONS if name in state.options)
    if b"posix" in state.options and b"expand_aliases" not in state.shopts:  # after the options: `posix` turns it on
        yield b"\\builtin shopt -u expand_aliases"
    if b"sourcepath" in state.shopts:
        yield b"\\builtin shopt -s sourcepath"
    # Up to here an interrupt was only noted, from here on it is the cell's. First the one, then the look at what was
    # noted: the other way round an interrupt between the two would be noted and never seen.
    yield b"\\builtin trap - INT" if interrupt is None else b"\\builtin trap -- " + interrupt + b" INT"
    yield b'[[ ! $__vb_early ]] || \\builtin . "$__vb_driver/early.sh"'
    yield state.disabled
    if debug is not None:
        yield b"\\builtin trap -- " + debug + b" DEBUG"
    yield from _turn_on(name for name in _NOISY_OPTIONS if name in state.options)
    yield f"\\builtin return {status}".encode()


def _turn_on(options: Iterable[bytes]) -> Iterator[bytes]:
    return (b"\\builtin set -o " + name for name in options)


def _ulimits(limits: Limits) -> Iterator[bytes]:
    # Soft before hard: a soft limit may not lie above a hard one.
    for flag, values in ((b"-S", limits.soft), (b"-H", limits.hard)):
        for letter, value in values.items():
            yield b"\\builtin ulimit " + flag + b" -" + letter + b" " + value
