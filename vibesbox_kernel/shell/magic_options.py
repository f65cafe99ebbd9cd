"""What each magic takes: its options and arguments, and the rules between them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.models import IoMode
from vibesbox_kernel.shell.magic_args import (
    KillArgs,
    SendArgs,
    SessionOptions,
    TailArgs,
    WaitArgs,
    duration,
    environment_pair,
    line_count,
    not_empty,
    signal_number,
    time_limit,
)
from vibesbox_kernel.shell.magic_parser import MagicParser, nearest

_REF_HELP = "a session's name, pid or id (or the beginning of its id)"


def build_session(values: Mapping[str, Any]) -> SessionOptions:
    """The options, with an environment that can not be changed."""
    return SessionOptions(**{**values, "env": MappingProxyType(dict(values["env"]))})


def add_ps(parser: MagicParser) -> None:
    """``%ps``."""
    parser.add_argument(
        "-a", "--all", action="store_true", help="with every session that is remembered, not only the newest ended"
    )
    parser.add_argument("-w", "--widget", action="store_true", help="as a live table with buttons")
    parser.add_argument("--json", action="store_true", help="as JSON")


def add_kill(parser: MagicParser) -> None:
    """``%kill``."""
    parser.add_argument("refs", nargs="*", metavar="REF", help=_REF_HELP)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-9", "--force", action="store_true", help="SIGKILL at once, without asking nicely first")
    how.add_argument("-s", "--signal", type=signal_number, metavar="SIG", help="send this one signal and nothing more")
    parser.add_argument("--all", action="store_true", help="every running session")


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


def add_session(parser: MagicParser) -> None:
    """``%session`` and ``%%session``."""
    parser.usage = "%%%%session [options] over a cell, or %%session [options] COMMAND"
    parser.add_argument(
        "--bg", action="store_true", dest="background", help="do not wait for it; its output still comes here"
    )
    parser.add_argument("--name", type=not_empty, metavar="N", help="a name to call it by")
    parser.add_argument("--timeout", type=time_limit, metavar="S", help="end it after this long (90, 1.5, 2m, 1h)")
    parser.add_argument("--io", type=_io_mode, choices=list(IoMode), metavar="pty|pipe", help="a terminal, or pipes")
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


def _io_mode(text: str) -> IoMode:
    try:
        return IoMode(text)
    except ValueError:
        near = nearest(text, IoMode)
        hint = f"; did you mean {near}?" if near else ""
        raise argparse.ArgumentTypeError(f"{text!r} is neither pty nor pipe{hint}") from None


def add_vibesbox(parser: MagicParser) -> None:
    """``%vibesbox``."""
    parser.add_argument(
        "subcommand",
        nargs="?",
        type=_subcommand,
        metavar="version",
        help="which Vibesbox this is; without it: the list of magics",
    )


def _subcommand(text: str) -> str:
    if text != "version":
        near = nearest(text, ["version"])
        hint = f"; did you mean {near}?" if near else "; there is: version"
        raise argparse.ArgumentTypeError(f"no sub-command {text!r}{hint}")
    return text


def build_wait(values: Mapping[str, Any]) -> WaitArgs:
    """Each reference once."""
    return WaitArgs(**{**values, "refs": tuple(dict.fromkeys(values["refs"]))})
