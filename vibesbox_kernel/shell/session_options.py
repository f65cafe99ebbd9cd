"""What ``%session`` and ``%%session`` take: how a cell is to run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.models import IoMode, OnFull, OnLeftovers
from vibesbox_kernel.shell.magic_args import (
    CellOptions,
    cpu_limit,
    environment_pair,
    niceness,
    not_empty,
    size,
    time_limit,
    variable_name,
)
from vibesbox_kernel.shell.magic_parser import MagicParser, did_you_mean

_Choice = TypeVar("_Choice", bound=StrEnum)


def add_session(parser: MagicParser) -> None:
    """``%session`` and ``%%session``."""
    parser.usage = "%%%%session [options] over a cell, or %%session [options] COMMAND"
    parser.add_argument(
        "--bg", action="store_true", dest="background", help="do not wait for it; its output still comes here"
    )
    parser.add_argument("--name", type=not_empty, metavar="N", help="a name to call it by")
    parser.add_argument("--timeout", type=time_limit, metavar="S", help="end it after this long (90, 1.5, 2m, 1h)")
    parser.add_argument(
        "--io",
        type=_choice_of(IoMode),
        choices=list(IoMode),
        metavar="|".join(IoMode),
        help="a terminal (pty), a second one for stderr (split), a pipe, or two (split-pipe)",
    )
    parser.add_argument("--cwd", type=not_empty, metavar="D", help="the directory to run in")
    parser.add_argument(
        "--env",
        type=environment_pair,
        action="append",
        default=[],
        metavar="K=V",
        help="set a variable; may be repeated",
    )
    parser.add_argument(
        "--expand",
        action="store_true",
        help="in IPython and Python notebooks: {x} and $x in options and script are Python's; {{ }} $$ the shell's",
    )
    parser.add_argument(
        "--secret-env",
        type=variable_name,
        action="append",
        default=[],
        metavar="K",
        help="set a variable to what you are asked for in a masked box; the value is shown and kept nowhere",
    )
    parser.add_argument("--shell", type=not_empty, metavar="PATH", help="the shell or interpreter to run it with")
    parser.add_argument(
        "--durable", action="store_true", help="it survives the end and the restart of this kernel or program"
    )
    parser.add_argument(
        "--notify",
        action="store_true",
        help="tell when it ends: by a notification of the browser or the terminal, and in the next %%ps",
    )
    _add_queue(parser.add_argument_group("when it runs"))
    _add_limits(parser.add_argument_group("its limits"))


def _add_queue(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--after",
        type=not_empty,
        action="append",
        default=[],
        metavar="REF",
        help="when that session has succeeded; may be repeated",
    )
    group.add_argument(
        "--group",
        type=not_empty,
        metavar="G",
        help="one of a group, of which %%parallel lets only so many run at a time",
    )


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--idle-timeout", type=time_limit, metavar="S", help="end it after this long without output and input"
    )
    group.add_argument("--nice", type=niceness, metavar="N", help="lower priority, 0 to 19")
    group.add_argument(
        "--mem", type=size, dest="max_memory_bytes", metavar="SIZE", help="end it if its processes use more (512M, 2G)"
    )
    group.add_argument(
        "--cpu", type=cpu_limit, dest="max_cpu_seconds", metavar="S", help="CPU time that each of its processes may use"
    )
    group.add_argument(
        "--leftovers",
        type=_choice_of(OnLeftovers),
        choices=list(OnLeftovers),
        dest="on_leftovers",
        metavar="|".join(OnLeftovers),
        help="what to do with processes that it leaves running (keep)",
    )
    group.add_argument(
        "--output", type=size, dest="max_output_bytes", metavar="SIZE", help="disk space for its output (256M)"
    )
    group.add_argument(
        "--on-full",
        type=_choice_of(OnFull),
        choices=list(OnFull),
        metavar="|".join(OnFull),
        help="what to do when that is used up: drop the oldest output and count it (the default), or let it wait",
    )


def _choice_of(kind: type[_Choice]) -> Callable[[str], _Choice]:
    """Reads one of a few words; the error names the nearest."""

    def choice(text: str) -> _Choice:
        try:
            return kind(text)
        except ValueError:
            hint = did_you_mean(text, kind)
            raise argparse.ArgumentTypeError(f"{text!r} is neither {' nor '.join(kind)}{hint}") from None

    return choice


def build_session(values: Mapping[str, Any]) -> CellOptions:
    """The options, with an environment that can not be changed, and each session that it follows once."""
    env, secrets = MappingProxyType(dict(values["env"])), tuple(dict.fromkeys(values["secret_env"]))
    twice = [name for name in secrets if name in env]
    if twice:
        raise MagicError(f"%%session: {twice[0]} has a value by --env; --secret-env asks for one", magic="%%session")
    fixed = {"env": env, "secret_env": secrets, "after": tuple(dict.fromkeys(values["after"]))}
    return CellOptions(**{**values, **fixed})
