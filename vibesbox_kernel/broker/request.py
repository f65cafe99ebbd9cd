"""Reading a request: each field checked before anything is done with it.

A client is a process of the same user, but it may be broken; what it sends must never bring down the
broker, which other clients' sessions hang on.
"""

from __future__ import annotations

import math
import os
import stat
from typing import NoReturn

from vibesbox_kernel.broker.launch import Launch
from vibesbox_kernel.broker.policy import Policy
from vibesbox_kernel.broker.progress_reports import NONE, Report
from vibesbox_kernel.broker.session import DEFAULT, Unattended
from vibesbox_kernel.broker.wire import (
    BROKER_VARIABLE,
    IO_KINDS,
    MAX_COMMAND_BYTES,
    MAX_PROGRESS_TEXT,
    PROGRESS_STATES,
    SESSION_MARKER,
    Message,
    unpack_bytes,
)

MAX_TERMINAL_SIDE = 65_535
MAX_NICE = 19
MAX_DESCRIPTOR = 1 << 20
MAX_WHOLE = 1 << 50
MAX_SECONDS = 10.0 * 366 * 24 * 3600
_SESSION_ID_CHARACTERS = 36
_HEX_AND_DASH = frozenset("0123456789abcdef-")


class RefusedError(Exception):
    """A request that can not be carried out.

    Attributes:
        kind: A word that the client maps to an error class.
        facts: What else the client may want to know.
    """

    def __init__(self, kind: str, message: str, **facts: object) -> None:
        self.kind = kind
        self.facts = facts
        super().__init__(message)


def session_id(request: Message, field: str = "session_id") -> str:
    """The session that a request is about; also the name of its directory, so nothing but a UUID."""
    value = text(request, field)
    if len(value) != _SESSION_ID_CHARACTERS or not _HEX_AND_DASH.issuperset(value):
        _refuse(field, "a UUID in lower case")
    return value


def session_ids(request: Message) -> list[str]:
    """Several sessions."""
    values = request.get("session_ids")
    if not isinstance(values, list):
        _refuse("session_ids", "a list")
    return [str(value) for value in values]


def text(request: Message, field: str) -> str:
    """A text without NUL."""
    value = request.get(field)
    if not isinstance(value, str) or "\0" in value:
        _refuse(field, "text without NUL")
    return value


def text_or_none(request: Message, field: str) -> str | None:
    """A text, or nothing."""
    return None if request.get(field) is None else text(request, field)


def flag(request: Message, field: str) -> bool:
    """Yes or no."""
    value = request.get(field)
    if not isinstance(value, bool):
        _refuse(field, "true or false")
    return value


def optional_flag(request: Message, field: str) -> bool:
    """Yes or no; no where nothing is said."""
    return field in request and flag(request, field)


def integer(request: Message, field: str, low: int, high: int) -> int:
    """A whole number within bounds."""
    value = request.get(field)
    if not isinstance(value, int) or not low <= value <= high:
        _refuse(field, f"a whole number from {low} to {high}")
    return value


def integers(request: Message, field: str, low: int, high: int, *, at_most: int) -> list[int]:
    """Several whole numbers within bounds."""
    values = request.get(field)
    if not isinstance(values, list) or len(values) > at_most:
        _refuse(field, f"a list of at most {at_most}")
    if not all(isinstance(value, int) and low <= value <= high for value in values):
        _refuse(field, f"whole numbers from {low} to {high}")
    return values


def seconds_or_none(request: Message, field: str) -> float | None:
    """A time limit, or nothing."""
    value = request.get(field)
    if value is None:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0 < value <= MAX_SECONDS:
        _refuse(field, "seconds above 0")
    return float(value)


def optional_integer(request: Message, field: str, low: int, high: int) -> int | None:
    """A whole number within bounds, or nothing."""
    return None if request.get(field) is None else integer(request, field, low, high)


def report(request: Message) -> Report:
    """What a session says of its progress."""
    state = request.get("state")
    if state != NONE and state not in PROGRESS_STATES:
        _refuse("state", f"one of {', '.join((NONE, *PROGRESS_STATES))}")
    fraction, said = request.get("fraction"), text_or_none(request, "text")
    if fraction is not None and (isinstance(fraction, bool) or not isinstance(fraction, int | float)):
        _refuse("fraction", "a number from 0 to 1, or null")
    if fraction is not None and not 0 <= fraction <= 1:
        _refuse("fraction", "a number from 0 to 1, or null")
    if said is not None and len(said) > MAX_PROGRESS_TEXT:
        _refuse("text", f"at most {MAX_PROGRESS_TEXT} characters")
    return Report(str(state), None if fraction is None else float(fraction), said)


def texts(request: Message, field: str) -> tuple[str, ...]:
    """Several texts."""
    values = request.get(field, [])
    if not isinstance(values, list) or not all(_is_plain(value) for value in values):
        _refuse(field, "a list of texts without NUL")
    return tuple(values)


def policy(request: Message) -> Policy:
    """The limits of a session; what is not given has its default."""
    given = request.get("policy", {})
    if not isinstance(given, dict):
        _refuse("policy", "an object")
    for field, choices in (("on_full", ("drop_oldest", "block")), ("on_leftovers", ("keep", "kill"))):
        if given.get(field, choices[0]) not in choices:
            _refuse(field, " or ".join(choices))
    if not given:
        return DEFAULT
    return Policy(
        timeout=seconds_or_none(given, "timeout"),
        idle_timeout=seconds_or_none(given, "idle_timeout"),
        nice=optional_integer(given, "nice", 0, MAX_NICE) or 0,
        max_cpu_seconds=optional_integer(given, "max_cpu_seconds", 1, MAX_WHOLE),
        max_memory_bytes=optional_integer(given, "max_memory_bytes", 1, MAX_WHOLE),
        max_output_bytes=optional_integer(given, "max_output_bytes", 1, MAX_WHOLE),
        on_full=given.get("on_full", "drop_oldest"),
        on_leftovers=given.get("on_leftovers", "keep"),
        max_restarts=optional_integer(given, "max_restarts", 0, MAX_WHOLE) or 0,
        group=text_or_none(given, "group"),
        after=texts(given, "after"),
    )


def unattended(request: Message) -> Unattended | None:
    """How a session is settled when nobody owns it, if its client has said so."""
    given = request.get("unattended")
    if given is None:
        return None
    if not isinstance(given, dict):
        _refuse("unattended", "an object")
    return Unattended(verdict=text(given, "verdict"), certain=texts(given, "certain"), go=text(given, "go"))


def packed(request: Message, field: str) -> bytes:
    """Bytes."""
    try:
        return unpack_bytes(text(request, field))
    except ValueError:
        _refuse(field, "base64")


def command(request: Message) -> str:
    """A command that is not too long to keep, in the frame or in a file; bytes that are no UTF-8 become surrogates."""
    path = text_or_none(request, "command_file")
    value = packed(request, "command") if path is None else _file(path, at_most=MAX_COMMAND_BYTES + 1)
    if len(value) > MAX_COMMAND_BYTES or b"\0" in value:
        _refuse("command", f"at most {MAX_COMMAND_BYTES} bytes, without NUL")
    return value.decode("utf-8", "surrogateescape")


def launch_order(request: Message, *, prepared: bool, door: str, umask: int, limit: int) -> Launch:
    """How to start the leader that a request asks for.

    Args:
        prepared: It waits for its control pipe.
        door: Where the session finds the broker.
        umask: Its umask.
        limit: Its soft limit of open descriptors.
    """
    if request.get("io") not in IO_KINDS:
        _refuse("io", f"one of {', '.join(IO_KINDS)}")
    return Launch(
        argv=_arguments(request),
        env={**_environment(request), SESSION_MARKER: session_id(request), BROKER_VARIABLE: door},
        cwd=text(request, "cwd"),
        io=text(request, "io"),
        feed=flag(request, "feed"),
        control=prepared,
        rows=integer(request, "rows", 1, MAX_TERMINAL_SIDE),
        columns=integer(request, "columns", 1, MAX_TERMINAL_SIDE),
        umask=umask,
        descriptor_limit=limit,
    )


def _arguments(request: Message) -> list[str]:
    words = request.get("argv")
    if not isinstance(words, list) or not words or not all(_is_plain(word) for word in words):
        _refuse("argv", "a program and its arguments, without NUL")
    return words


def _environment(request: Message) -> dict[str, str]:
    env = request.get("env")
    if not isinstance(env, dict) or not all(_is_plain(value) for pair in env.items() for value in pair):
        _refuse("env", "names and values, without NUL")
    if any(not name or "=" in name for name in env):
        _refuse("env", "names without '='")
    return env


def _is_plain(value: object) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def _file(path: str, *, at_most: int) -> bytes:
    """The beginning of a plain file; nothing here waits, as a FIFO would have us do."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                _refuse("command_file", "a plain file")
            return os.read(descriptor, at_most)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        _refuse("command_file", f"a file that can be read ({error})")


def _refuse(field: str, wanted: str) -> NoReturn:
    raise RefusedError("request", f"{field} must be {wanted}")
