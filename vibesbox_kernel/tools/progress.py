"""``vibesbox-progress``: say how far a session has come, from inside it.

It asks the broker, which lives as long as the session does, whatever becomes of the notebook; and the broker takes the
report for the session that this process is of, by its pid: nothing that could be said here would make it another's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from vibesbox_kernel.tools.protocol import BROKER_VARIABLE

MAX_TEXT_CHARACTERS = 200
MAX_ANSWER_BYTES = 8 << 20
ANSWER_SECONDS = 10.0
_HEADER_BYTES = 4
_EXAMPLES = "40/100, 40% or 0.4"
_OF = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)/(\d{1,18}(?:\.\d{1,9})?)")
_PERCENT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?%")
_NUMBER = re.compile(r"\d{1,18}(?:\.\d{0,17})?|\.\d{1,17}")


class ReportError(Exception):
    """A report that did not reach the broker; says why."""


class AmountError(ValueError):
    """No amount; says what would be one."""


class Report(NamedTuple):
    """What is said; None leaves what was said last.

    Attributes:
        state: ``normal``, ``error``, ``paused``, ``indeterminate`` or ``none``.
        fraction: How far, 0 to 1.
        text: What is being done.
    """

    state: str
    fraction: float | None
    text: str | None


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status: 0 when the report has arrived, 1 when not, 2 when it is none."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        report = make_report(given.state, given.words)
    except AmountError as error:
        parser.error(str(error))
    try:
        _tell(report)
    except ReportError as error:
        print(f"vibesbox-progress: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def make_report(state: str, words: Sequence[str]) -> Report:
    """What the words of a command line say.

    Raises:
        AmountError: They do not say how far.
    """
    first, *others = words or [""]
    text = " ".join(others) if others else None
    if state == "none":
        if words:
            raise AmountError("--done takes the bar away, and with it any text: say nothing more")
        return Report(state, None, None)
    if state == "indeterminate":
        return Report(state, None, _line(" ".join(words)))
    if state == "normal" or _looks_like_amount(first):
        return Report(state, parse_amount(first), None if text is None else _line(text))
    return Report(state, None, _line(" ".join(words)) if words else None)


def parse_amount(text: str) -> float:
    """The fraction that ``40/100``, ``40%`` or ``0.4`` means.

    Raises:
        AmountError: It is none, or more than the whole.
    """
    if not text:
        raise AmountError(f"say how far it has come: {_EXAMPLES}")
    fraction = _fraction(text)
    if fraction is None:
        raise AmountError(f"{text!r} is no amount; write {_EXAMPLES}")
    if fraction > 1:
        hint = f"; for {text} percent write {text}%" if _NUMBER.fullmatch(text) and fraction <= 100 else ""
        raise AmountError(f"{text} is more than the whole{hint}")
    return fraction


def _fraction(text: str) -> float | None:
    if (match := _OF.fullmatch(text)) is not None:
        done, whole = float(match[1]), float(match[2])
        if whole == 0:
            raise AmountError(f"{text}: nothing can be a part of 0; write {_EXAMPLES}")
        return done / whole
    if (match := _PERCENT.fullmatch(text)) is not None:
        return float(match[1]) / 100
    return float(text) if _NUMBER.fullmatch(text) is not None else None


def _looks_like_amount(text: str) -> bool:
    return any(pattern.fullmatch(text) for pattern in (_OF, _PERCENT, _NUMBER))


def _line(text: str) -> str:
    return " ".join(text.split())[:MAX_TEXT_CHARACTERS]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vibesbox-progress",
        usage="vibesbox-progress AMOUNT [TEXT]\n"
        "       vibesbox-progress --error|--pause [AMOUNT] [TEXT]\n"
        "       vibesbox-progress --indeterminate [TEXT]\n"
        "       vibesbox-progress --done",
        description="Say how far this session has come: %ps, %info and the process table show it. Nothing is printed, "
        "and it works whether or not the notebook is still there.",
        epilog="What is left out stays as it was; an empty TEXT takes the text away. Programs that tell a terminal how "
        "far they are (OSC 9;4) are understood without this command.",
    )
    how = f"how far: {_EXAMPLES}; and what is being done, on one line"
    parser.add_argument("words", nargs="*", metavar="AMOUNT TEXT", help=how.replace("%", "%%"))
    states = parser.add_mutually_exclusive_group()
    parser.set_defaults(state="normal")
    for name, state, meaning in (
        ("--done", "none", "take the bar away"),
        ("--error", "error", "it has met an error"),
        ("--pause", "paused", "it pauses"),
        ("--indeterminate", "indeterminate", "it works, and nobody knows how far it is"),
    ):
        states.add_argument(name, dest="state", action="store_const", const=state, help=meaning)
    return parser


def _tell(report: Report) -> None:
    path = os.environ.get(BROKER_VARIABLE)
    if not path:
        raise ReportError("this is no session of Vibesbox: nobody asks for its progress")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(path)
            connection.sendall(_frame({"id": 1, "op": "report", **report._asdict()}))
            answer = _answer(connection)
    except TimeoutError:
        raise ReportError(f"its broker has not answered for {ANSWER_SECONDS:g} s") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise ReportError("the broker that had this session is gone") from None
    except OSError as error:
        raise ReportError(f"its broker can not be reached: {error.strerror or error}") from None
    if "error" in answer:
        raise ReportError(f"the broker refuses it: {answer['error'].get('message')}")


def _frame(message: dict[str, Any]) -> bytes:
    body = json.dumps(message).encode()
    return len(body).to_bytes(_HEADER_BYTES, "big") + body


def _answer(connection: socket.socket) -> dict[str, Any]:
    """The broker's answer: it tells of other things in between."""
    with connection.makefile("rb") as stream:
        while True:
            length = int.from_bytes(stream.read(_HEADER_BYTES), "big")
            if not 0 < length <= MAX_ANSWER_BYTES:
                raise ReportError("its broker has ended the conversation")
            message = json.loads(stream.read(length))
            if isinstance(message, dict) and message.get("id") == 1:
                return message
