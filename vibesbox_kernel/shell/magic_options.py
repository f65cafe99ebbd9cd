"""What each magic takes: its options and arguments, and the rules between them (``session_options``: the cells')."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.magic_args import (
    AdoptArgs,
    DurableArgs,
    KillArgs,
    ParallelArgs,
    SendArgs,
    TailArgs,
    WaitArgs,
    duration,
    line_count,
    not_empty,
    parallel_limit,
    signal_number,
)
from vibesbox_kernel.shell.magic_parser import MagicParser

_REF_HELP = "a session's name, pid or id (or the beginning of its id)"


def add_ps(parser: MagicParser) -> None:
    """``%ps``."""
    parser.add_argument(
        "-a",
        "--all",
        action="store_true",
        help="with every session that is remembered, and those of your other notebooks and programs",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "-f", "--follow", action="store_true", help="as a table that follows what happens until it is interrupted"
    )
    how.add_argument("-w", "--widget", action="store_true", help="as a live table with buttons")
    how.add_argument("--json", action="store_true", help="as JSON")


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
    parser.add_argument(
        "-w",
        "--widget",
        action="store_true",
        help="as a live log with search, from the first line to the last; where there are no widgets only these lines",
    )
    parser.add_argument("--save", type=not_empty, metavar="FILE", help="write the whole output to FILE instead")


def build_tail(values: Mapping[str, Any]) -> TailArgs:
    """Follow, show as a widget or save: one of them."""
    given = {"-f": values["follow"], "-w": values["widget"], "--save": values["save"] is not None}
    both = [option for option, is_given in given.items() if is_given]
    if len(both) > 1:
        why = "; the log of -w follows by itself" if both == ["-f", "-w"] else ""
        raise MagicError(f"%tail: {' and '.join(both)} do not go together{why}", magic="%tail")
    return TailArgs(**values)


def add_wait(parser: MagicParser) -> None:
    """``%wait``."""
    parser.add_argument("refs", nargs="+", metavar="REF", help=_REF_HELP)
    parser.add_argument("-t", "--timeout", type=duration, metavar="S", help="at most this long (90, 1.5, 2m, 1h)")


def build_wait(values: Mapping[str, Any]) -> WaitArgs:
    """Each reference once."""
    return WaitArgs(**{**values, "refs": tuple(dict.fromkeys(values["refs"]))})


def add_send(parser: MagicParser) -> None:
    """``%send``."""
    parser.add_argument("ref", metavar="REF", help=_REF_HELP)
    parser.add_argument(
        "text", nargs="*", metavar="TEXT", help="is typed, with Enter after it; quote it to keep its blanks"
    )
    parser.add_argument("--eof", action="store_true", help="end the input (after TEXT, if there is any)")
    parser.add_argument("--secret", action="store_true", help="ask for the text, masked; it is shown and kept nowhere")
    parser.add_argument(
        "-n", "--no-enter", dest="enter", action="store_false", help="type TEXT alone, for programs that take keys"
    )


def build_send(values: Mapping[str, Any]) -> SendArgs:
    """A text, the end of input, or both; the text of a secret is still to be asked for."""
    text = " ".join(values["text"]) if values["text"] else None
    if text is not None and values["secret"]:
        raise MagicError("%send: --secret asks for the text, so that it stands nowhere; leave TEXT out", magic="%send")
    if text is None and not (values["eof"] or values["secret"]):
        raise MagicError("%send: give a TEXT to send, or --secret, or --eof", magic="%send")
    return SendArgs(**{**values, "text": text})


def add_bg(parser: MagicParser) -> None:
    """``%bg``."""
    parser.add_argument(
        "ref",
        nargs="?",
        metavar="REF",
        help=f"{_REF_HELP} that a cell waits for; not needed if there is only one. While a cell runs, this magic has to"
        " come from elsewhere: from a subshell (in JupyterLab: New Subshell Console for Notebook)",
    )


def add_fg(parser: MagicParser) -> None:
    """``%fg``."""
    parser.add_argument("ref", metavar="REF", help=_REF_HELP)
    parser.add_argument(
        "-n", "--lines", type=line_count, default=10, metavar="N", help="how many of its last lines to begin with (10)"
    )
    parser.add_argument(
        "-w",
        "--widget",
        action="store_true",
        help="as a terminal in the notebook, for programs that take the whole screen (vim, htop, a REPL); it waits for"
        " nothing, so other cells can run. Ctrl+Shift+Escape leaves it. The session must have a terminal (--io pty)",
    )


def add_rerun(parser: MagicParser) -> None:
    """``%rerun``."""
    parser.add_argument("ref", metavar="REF", help=_REF_HELP)
    parser.add_argument("--bg", action="store_true", dest="background", help="do not wait for it")


def add_info(parser: MagicParser) -> None:
    """``%info``."""
    parser.add_argument("ref", metavar="REF", help=_REF_HELP)
    parser.add_argument(
        "-w", "--widget", action="store_true", help="as a live view: its figures as a plot, its processes, and buttons"
    )


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
