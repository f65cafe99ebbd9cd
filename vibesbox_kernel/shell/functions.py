"""The functions of a shell, told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_HEAD = b" () \n{ \n"
_RESERVED = b"function "


def split_functions(text: bytes, names: Sequence[bytes]) -> Mapping[bytes, bytes]:
    """The text of each function.

    Args:
        text: What ``declare -f`` says.
        names: Of the functions, in the same order.

    Returns:
        The texts by name; nothing if they can not be told apart (a here-document in one may look like another).
    """
    parts = text.split(_HEAD)
    if not names or len(parts) != len(names) + 1:
        return {}
    starts = [part.rpartition(b"\n")[2] for part in parts[:-1]]
    if any(start.removeprefix(_RESERVED) != name for start, name in zip(starts, names, strict=True)):
        return {}
    bodies = [part[: len(part) - len(after)] for part, after in zip(parts[1:], [*starts[1:], b""], strict=True)]
    return {name: start + _HEAD + body for name, start, body in zip(names, starts, bodies, strict=True)}
