"""The functions of a shell: told apart, and put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

_HEAD = b" () \n{ \n"
_RESERVED = b"function "
_NOTHING: Mapping[bytes, bytes] = MappingProxyType({})


@lru_cache(maxsize=8)
def split_functions(text: bytes, names: tuple[bytes, ...]) -> Mapping[bytes, bytes]:
    """The text of each function.

    Args:
        text: What ``declare -f`` says.
        names: Of the functions, in the same order.

    Returns:
        The texts by name; nothing if they can not be told apart (a here-document in one may look like another).
    """
    parts = text.split(_HEAD)
    if not names or len(parts) != len(names) + 1:
        return _NOTHING
    starts = [part.rpartition(b"\n")[2] for part in parts[:-1]]
    if any(start.removeprefix(_RESERVED) != name for start, name in zip(starts, names, strict=True)):
        return _NOTHING
    bodies = [part[: len(part) - len(after)] for part, after in zip(parts[1:], [*starts[1:], b""], strict=True)]
    return MappingProxyType(
        {name: start + _HEAD + body for name, start, body in zip(names, starts, bodies, strict=True)}
    )


def join_functions(*parts: Mapping[bytes, bytes]) -> tuple[bytes, tuple[bytes, ...]]:
    """The text and the names, in bash's order, of functions that are in several places."""
    every = {name: text for part in parts for name, text in part.items()}
    names = tuple(sorted(every))
    return b"".join(every[name] for name in names), names


def attributes(text: bytes) -> bytes:
    """The line after one function's body that says that it is exported, traced or read-only; empty if it is nothing."""
    start = text.rstrip(b"\n").rfind(b"\n") + 1
    return text[start:] if text.startswith(b"declare -f", start) else b""


def numbered_as_written(text: bytes) -> bytes:
    """The text of one function with its first brace on its first line, where most people write it.

    So its lines have in messages the numbers that they most likely had where it was written, counted from its name.
    """
    return text.replace(_HEAD, b" () { \n", 1)


def as_names(names: Sequence[str]) -> tuple[bytes, ...]:
    """Names of functions as bash has them."""
    return tuple(name.encode("utf-8", "surrogateescape") for name in names)
