"""What each magic takes: its options and arguments, and the rules between them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.models import IoMode, OnFull, OnLeftovers
from vibesbox_kernel.shell.magic_args import (
    AdoptArgs,
    CellOptions,
    DurableArgs,
    KillArgs,
    ParallelArgs,
    SendArgs,
    TailArgs,
    WaitArgs,
    cpu_limit,
    duration,
    environment_pair,
    line_count,
    niceness,
    not_empty,
    parallel_limit,
    signal_number,
    size,
    time_limit,
)
from vibesbox_kernel.shell.magic_parser import MagicParser, nearest

SUBCOMMANDS: Mapping[str, str] = MappingProxyType(
    {"version": "which Vibesbox this is", "doctor": "what is guaranteed on this machine, and what is weaker"}
)
"""What may follow ``%vibesbox``, and what it says."""

_Choice = TypeVar("_Choice", bound=StrEnum)

_REF_HELP = "a session's name, pid or id (or the beginning of its id)"


def build_session(values: Mapping[str, Any]) -> CellOptions:
    """The options, with an environment that can not be changed, and each session that it follows once."""
    fixed = {"env": MappingProxyType(dict(values["env"])), "after": tuple(dict.fromkeys(values["after"]))}
    return CellOptions(**{**values, **fixed})


def add_ps(parser: MagicParser) -> None:
    """``%ps``."""
    parser.add_argument(
        "-a",
        "--all",
        action="store_true",
        help="with every session that is remembered, and those of your other notebooks and programs",
    )
    parser.add_argument("-w", "--widget", action="store_true", help="as a live table with buttons")
    parser.add_argument("--json", action="store_true", help="as JSON")


def add_kill(parser: MagicParser) -> None:
    """``%kill``."""
    parser.add_argument("refs", nargs="*", metavar="REF", help=_REF_HELP)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-9", "--force", action="store_true", help="SIGKILL at once, without asking nicely first")
    how.add_argument("-s", "--signal", type=signal_number, metavar="SIG", help="send this one signal and nothing more")
    parser.add_argument("--all", action="store_true", help="every session of ours that runs or is queued")


def build_kill(values: Mapping[str, Any]) -> KillArgs:
    """References or ``--all``, one of both."""
    args = KillArgs(**{**values, "refs": tuple(dict.fromkeys(values["refs"]))})
    if bool(args.refs) == args.all:
        wrong = "--all leaves no room for a REF" if args.all else "name a session (REF), or give --all"
        raise MagicError(f"%kill: {wrong}", magic="%kill")
    return args


def add_tail(parser: MagicParser) -> None:
    """``%tail``."""
    parser.add_argument("ref", metavar="REF", help=_REF_HELP)
    parser.add_argument("-n", "--lines", type=line_count, default=10, metavar="N", help="how many lines (10)")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the session ends; an interrupt only stops looking"
    )
    parser.add_argument("--save", type=not_empty, metavar="FILE", help="write the whole output to FILE instead")


def build_tail(values: Mapping[str, Any]) -> TailArgs:
    """Follow or save, not both."""
    if values["follow"] and values["save"] is not None:
        raise MagicError("%tail: -f and --save do not go together", magic="%tail")
    return TailArgs(**values)


def add_wait(parser: MagicParser) -> None:
    """``%wait``."""
    parser.add_argument("refs", nargs="+", metavar="REF", help=_REF_HELP)
    parser.add_argument("-t", "--timeout", type=duration, metavar="S", help="at most this long (90, 1.5, 2m, 1h)")


def add_send(parser: MagicParser) -> None:
    """``%send``."""
    parser.add_argument("ref", metavar="REF", help=_REF_HELP)
    parser.add_argument(
        "text", nargs="*", metavar="TEXT", help="is typed, with Enter after it; quote it to keep its blanks"
    )
    parser.add_argument("--eof", action="store_true", help="end the input (after TEXT, if there is any)")


def build_send(values: Mapping[str, Any]) -> SendArgs:
    """A text, the end of input, or both."""
    text = " ".join(values["text"]) if values["text"] else None
    if text is None and not values["eof"]:
        raise MagicError("%send: give a TEXT to send, or --eof", magic="%send")
    return SendArgs(ref=values["ref"], text=text, eof=values["eof"])


def add_info(parser: MagicParser) -> None:
    """``%info``."""
    parser.add_argument("ref", metavar="REF", help=_REF_HELP)


def add_durable(parser: MagicParser) -> None:
    """``%durable``."""
    parser.add_argument("refs", nargs="+", metavar="REF", help=_REF_HELP)
    parser.add_argument("--off", action="store_true", help="no: they shall end with this program")


def build_durable(values: Mapping[str, Any]) -> DurableArgs:
    """Each reference once."""
    return DurableArgs(**{**values, "refs": tuple(dict.fromkeys(values["refs"]))})


def add_rename(parser: MagicParser) -> None:
    """``%rename``."""
    parser.add_argument("ref", metavar="REF", help=_REF_HELP)
    parser.add_argument(
        "name", type=not_empty, metavar="NAME", help="its new name; no other running session may have it"
    )


def add_adopt(parser: MagicParser) -> None:
    """``%adopt``."""
    parser.add_argument("refs", nargs="+", metavar="REF", help=f"{_REF_HELP}; %%ps -a lists what there is elsewhere")


def build_adopt(values: Mapping[str, Any]) -> AdoptArgs:
    """Each reference once."""
    return AdoptArgs(tuple(dict.fromkeys(values["refs"])))


_SHOW = object()
"""Stands for a number that was not given; None is one: any."""


def add_parallel(parser: MagicParser) -> None:
    """``%parallel``."""
    parser.numbers_are_values = True
    parser.add_argument(
        "limit",
        nargs="?",
        type=parallel_limit,
        default=_SHOW,
        metavar="N",
        help="so many at a time, the others wait in the queue; 0: any number; without it: which limits are in force",
    )
    parser.add_argument(
        "-g",
        "--group",
        type=not_empty,
        metavar="G",
        help="of those with --group G; without it: of all sessions together",
    )


def build_parallel(values: Mapping[str, Any]) -> ParallelArgs:
    """Without a number it is a question."""
    if values["limit"] is _SHOW:
        return ParallelArgs(None, values["group"], show=True)
    return ParallelArgs(**values)


def add_session(parser: MagicParser) -> None:
    """``%session`` and ``%%session``."""
    parser.usage = "%%%%session [options] over a cell, or %%session [options] COMMAND"
    parser.add_argument(
        "--bg", action="store_true", dest="background", help="do not wait for it; its output still comes here"
    )
    parser.add_argument("--name", type=not_empty, metavar="N", help="a name to call it by")
    parser.add_argument("--timeout", type=time_limit, metavar="S", help="end it after this long (90, 1.5, 2m, 1h)")
    parser.add_argument(
        "--io", type=_choice_of(IoMode), choices=list(IoMode), metavar="pty|pipe", help="a terminal, or pipes"
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
    parser.add_argument("--shell", type=not_empty, metavar="PATH", help="the shell or interpreter to run it with")
    parser.add_argument(
        "--durable", action="store_true", help="it survives the end and the restart of this kernel or program"
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
            near = nearest(text, kind)
            hint = f"; did you mean {near}?" if near else ""
            raise argparse.ArgumentTypeError(f"{text!r} is neither {' nor '.join(kind)}{hint}") from None

    return choice


def add_vibesbox(parser: MagicParser) -> None:
    """``%vibesbox``."""
    parser.add_argument(
        "subcommand",
        nargs="?",
        type=_subcommand,
        metavar="|".join(SUBCOMMANDS),
        help="; ".join((*(f"{name}: {does}" for name, does in SUBCOMMANDS.items()), "without it: the list of magics")),
    )


def _subcommand(text: str) -> str:
    if text not in SUBCOMMANDS:
        near = nearest(text, SUBCOMMANDS)
        hint = f"; did you mean {near}?" if near else f"; there is: {', '.join(SUBCOMMANDS)}"
        raise argparse.ArgumentTypeError(f"no sub-command {text!r}{hint}")
    return text


def build_wait(values: Mapping[str, Any]) -> WaitArgs:
    """Each reference once."""
    return WaitArgs(**{**values, "refs": tuple(dict.fromkeys(values["refs"]))})
