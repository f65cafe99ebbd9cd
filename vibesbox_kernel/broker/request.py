"""Reading a request: each field checked before anything is done with it.

A client is a process of the same user, but it may be broken; what it sends must never bring down the
broker, which other clients' sessions hang on.
"""

from __future__ import annotations

import math
import os
from typing import NoReturn

from vibesbox_kernel.broker.launch import Launch
from vibesbox_kernel.broker.wire import MAX_COMMAND_BYTES, SESSION_MARKER, Message, unpack_bytes

MAX_TERMINAL_SIDE = 65_535
MAX_SECONDS = 10.0 * 366 * 24 * 3600
_SESSION_ID_CHARACTERS = 36
_HEX_AND_DASH = frozenset("0123456789abcdef-")


class RefusedError(Exception):
    """A request that can not be carried out.

    Attributes:
        kind: A word that the client maps to an error class.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


def session_id(request: Message) -> str:
    """The session that a request is about; also the name of its directory, so nothing but a UUID."""
    value = text(request, "session_id")
    if len(value) != _SESSION_ID_CHARACTERS or not _HEX_AND_DASH.issuperset(value):
        _refuse("session_id", "a UUID in lower case")
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


def integer(request: Message, field: str, low: int, high: int) -> int:
    """A whole number within bounds."""
    value = request.get(field)
    if not isinstance(value, int) or not low <= value <= high:
        _refuse(field, f"a whole number from {low} to {high}")
    return value


def seconds_or_none(request: Message, field: str) -> float | None:
    """A time limit, or nothing."""
    value = request.get(field)
    if value is None:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0 < value <= MAX_SECONDS:
        _refuse(field, "seconds above 0")
    return float(value)


def packed(request: Message, field: str) -> bytes:
    """Bytes."""
    try:
        return unpack_bytes(text(request, field))
    except ValueError:
        _refuse(field, "base64")


def command(request: Message) -> str:
    """A command that is not too long to keep."""
    value = text(request, "command")
    if len(value.encode("utf-8", "surrogateescape")) > MAX_COMMAND_BYTES:
        _refuse("command", f"at most {MAX_COMMAND_BYTES} bytes")
    return value


def launch_order(request: Message, *, prepared: bool, umask: int, limit: int) -> Launch:
    """How to start the leader that a request asks for.

    Args:
        prepared: It waits for its control pipe.
        umask: Its umask.
        limit: Its soft limit of open descriptors.
    """
    if request.get("io") not in ("pipe", "pty"):
        _refuse("io", "pipe or pty")
    return Launch(
        argv=_arguments(request),
        env={**_environment(request), SESSION_MARKER: session_id(request)},
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


def _refuse(field: str, wanted: str) -> NoReturn:
    raise RefusedError("request", f"{field} must be {wanted}")
