"""What ``%vibesbox`` takes: its sub-commands, and what each of them takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.sessions.purging import PURGE_SECONDS
from vibesbox_kernel.shell.magic_args import ConfigArgs, PurgeArgs, StateAction, StateArgs, VibesboxArgs, duration
from vibesbox_kernel.shell.magic_parser import MagicParser, did_you_mean, nearest
from vibesbox_kernel.shell.settings import SETTINGS

SUBCOMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "version": "which Vibesbox this is",
        "doctor": "what is guaranteed on this machine, and what is weaker",
        "config": "the settings, their meaning and where each value comes from; `config NAME=VALUE` sets one for this "
        "kernel or program, `config reset [NAME]` takes that back",
        "state": "what cells hand on to the next; `state reset`: begin again as after your start-up files; "
        "`state back [N]`: as it was N cells ago (1)",
        "purge": "delete what sessions have left that ended more than a day ago, ours and those of programs that are "
        "gone",
    }
)
"""What may follow ``%vibesbox``, and what it does."""

WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "state": tuple(action for action in StateAction if action is not StateAction.SHOW),
        "config": ("reset", *(f"{name}=" for name in SETTINGS)),
        "purge": ("--all", "--older-than", "--dry-run"),
    }
)
"""What may follow a sub-command."""


def add_vibesbox(parser: MagicParser) -> None:
    """``%vibesbox``."""
    parser.numbers_are_values = True
    parser.add_argument(
        "subcommand",
        nargs="?",
        type=_subcommand,
        metavar="|".join(SUBCOMMANDS),
        help="; ".join((*(f"{name}: {does}" for name, does in SUBCOMMANDS.items()), "without it: the list of magics")),
    )
    parser.add_argument("words", nargs="*", metavar="…", help=argparse.SUPPRESS)
    group = parser.add_argument_group("what is purged")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every session that has ended, however recently")
    which.add_argument("--older-than", type=duration, metavar="D", help="what ended more than so long ago (12h, 2d)")
    group.add_argument("-n", "--dry-run", action="store_true", help="only say what would be deleted")


def build_vibesbox(values: Mapping[str, Any]) -> VibesboxArgs | StateArgs | ConfigArgs | PurgeArgs:
    """Each sub-command takes its own words, and one of them options."""
    subcommand, words = values["subcommand"], tuple(values["words"])
    if subcommand == "purge":
        return _build_purge(values)
    given = next((option for option in ("all", "older_than", "dry_run") if values[option]), None)
    if given is not None:
        option, shown = f"--{given.replace('_', '-')}", f"%vibesbox {subcommand or ''}".rstrip()
        raise MagicError(f"{shown}: {option} belongs to %vibesbox purge", magic="%vibesbox")
    build = _BUILD.get(subcommand)
    if build is not None:
        return build(words)
    if words:
        raise MagicError(f"%vibesbox {subcommand}: {words[0]!r} is one argument too many", magic="%vibesbox")
    return VibesboxArgs(subcommand)


def _build_state(words: Sequence[str]) -> StateArgs:
    if not words:
        return StateArgs()
    action, *rest = words
    known = WORDS["state"]
    if action not in known:
        near = nearest(action, known)
        suggestion = f"%vibesbox state {near}" if near else None
        may_follow = "" if near else f"; there is: {', '.join(known)}"
        raise MagicError(
            f"%vibesbox state: no such word as {action!r}{may_follow}", magic="%vibesbox", suggestion=suggestion
        )
    if action == StateAction.BACK and rest:
        count, *rest = rest
    else:
        count = "1"
    if rest:
        raise MagicError(f"%vibesbox state {action}: {rest[0]!r} is one argument too many", magic="%vibesbox")
    return StateArgs(StateAction(action), _cell_count(count))


def _cell_count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < len(text) <= 6 or int(text) == 0:
        raise MagicError(f"%vibesbox state back: {text!r} is not a number of cells; give 1 or more", magic="%vibesbox")
    return int(text)


def _build_purge(values: Mapping[str, Any]) -> PurgeArgs:
    if values["words"]:
        raise MagicError(
            f"%vibesbox purge: {values['words'][0]!r} is one argument too many; --older-than says how old",
            magic="%vibesbox",
        )
    older_than = 0.0 if values["all"] else values["older_than"]
    return PurgeArgs(PURGE_SECONDS if older_than is None else older_than, values["dry_run"])


def _build_config(words: Sequence[str]) -> ConfigArgs:
    reset = words[:1] == ("reset",)
    split = [word.partition("=") for word in (words[1:] if reset else words)]
    names = tuple(dict.fromkeys(name for name, equals, _ in split if not equals))
    changes = tuple((name, value) for name, equals, value in split if equals)
    if reset and changes:
        raise MagicError(f"%vibesbox config reset: give names only, not {'='.join(changes[0])}", magic="%vibesbox")
    return ConfigArgs(names, changes, reset)


_BUILD: Mapping[str, Callable[[Sequence[str]], StateArgs | ConfigArgs]] = MappingProxyType(
    {"state": _build_state, "config": _build_config}
)


def _subcommand(text: str) -> str:
    if text not in SUBCOMMANDS:
        hint = did_you_mean(text, SUBCOMMANDS) or f"; there is: {', '.join(SUBCOMMANDS)}"
        raise argparse.ArgumentTypeError(f"no sub-command {text!r}{hint}")
    return text
