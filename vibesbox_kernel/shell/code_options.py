"""What ``%%lint`` and ``%%fmt`` take."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from vibesbox_kernel.shell.magic_args import FmtArgs, LintArgs, Severity, finding_code, indentation
from vibesbox_kernel.shell.magic_parser import MagicParser, did_you_mean


def add_lint(parser: MagicParser) -> None:
    """``%%lint``."""
    parser.usage = "%%%%lint [options] over a cell"
    parser.add_argument(
        "-S",
        "--severity",
        type=_severity,
        choices=list(Severity),
        default=Severity.STYLE,
        metavar="|".join(Severity),
        help="leave out what is less severe (style: leave out nothing)",
    )
    parser.add_argument(
        "-e",
        "--exclude",
        type=finding_code,
        action="append",
        default=[],
        metavar="CODE",
        help="not this finding; may be repeated",
    )


def build_lint(values: Mapping[str, Any]) -> LintArgs:
    """Each finding once."""
    return LintArgs(severity=values["severity"], exclude=tuple(dict.fromkeys(values["exclude"])))


def add_fmt(parser: MagicParser) -> None:
    """``%%fmt``."""
    parser.usage = "%%%%fmt [options] over a cell"
    parser.add_argument(
        "-i", "--indent", type=indentation, default=2, metavar="N", help="blanks of a block (2); 0: TABs"
    )


def build_fmt(values: Mapping[str, Any]) -> FmtArgs:
    """As they are."""
    return FmtArgs(**values)


def _severity(text: str) -> Severity:
    try:
        return Severity(text)
    except ValueError:
        hint = did_you_mean(text, Severity)
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(Severity)}{hint}") from None
