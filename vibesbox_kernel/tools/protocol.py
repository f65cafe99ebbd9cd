"""What a command inside a session and the session's notebook say to each other, over a socket of the notebook's.

A command sends a header, one line of JSON, and then the parts of a display one after another, as many bytes of each as
the header says. It gets one line of JSON back when that is shown: ``{}``, or ``{"error": WHY}``.

    {"session": ID, "id": null, "parts": [["image/png", 5120], ["text/plain", 24]]}

Each part is the UTF-8 text that a MIME bundle has of it: base64 for pictures, JSON for what is JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

SOCKET_VARIABLE = "VIBESBOX_DISPLAY"
"""Names the notebook's socket, in the environment of its sessions."""

PYTHON_VARIABLE = "VIBESBOX_PYTHON"
"""Names the notebook's interpreter, which the launchers use."""

BROKER_VARIABLE = "VIBESBOX_BROKER"
"""Names the socket of the broker that has the session."""

SESSION_VARIABLE = "VIBESBOX_SESSION"

MAX_HEADER_BYTES = 1 << 14
MAX_PARTS = 8
MAX_DISPLAY_BYTES = 16 << 20
"""Of all parts together."""

MAX_ID_CHARACTERS = 100
_MIME_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9.+_-]{0,100}")


class ProtocolError(ValueError):
    """A header that is not as it must be; says how."""


class Header(NamedTuple):
    """What a command asks for.

    Attributes:
        session: The session that it says it is of.
        display_id: A name by which what is shown can be replaced later, or None.
        parts: MIME types and how many bytes there are of each.
    """

    session: str
    display_id: str | None
    parts: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(size for _, size in self.parts)

    def encode(self) -> bytes:
        """The line that says it."""
        facts = {"session": self.session, "id": self.display_id, "parts": self.parts}
        return json.dumps(facts).encode() + b"\n"


def decode_header(line: bytes) -> Header:
    """Read a header, each field checked: a process of the same user sent it, but it may be broken.

    Raises:
        ProtocolError: It is not as it must be.
    """
    try:
        facts = json.loads(line)
        parts = tuple((_mime_type(kind), _size(size)) for kind, size in facts["parts"])
        header = Header(_text(facts["session"]), None if facts["id"] is None else _text(facts["id"]), parts)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"a request that can not be read: {error}") from None
    if not 0 < len(parts) <= MAX_PARTS:
        raise ProtocolError(f"{len(parts)} parts; 1 to {MAX_PARTS} can be shown")
    if header.size > MAX_DISPLAY_BYTES:
        raise ProtocolError(f"{header.size} bytes; at most {MAX_DISPLAY_BYTES} can be shown")
    return header


def decode_part(mime_type: str, data: bytes) -> Any:
    """What a MIME bundle has of a part.

    Raises:
        ProtocolError: It is not UTF-8, or not JSON though its type says so.
    """
    try:
        text = data.decode()
        return json.loads(text) if is_json(mime_type) else text
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{mime_type} that can not be read: {error}") from None


def is_json(mime_type: str) -> bool:
    """Whether a bundle has an object for this type, not text."""
    return mime_type == "application/json" or mime_type.endswith("+json")


def is_mime_type(text: str) -> bool:
    """Whether this is a MIME type."""
    return _MIME_TYPE.fullmatch(text) is not None


def _mime_type(value: object) -> str:
    if not isinstance(value, str) or not is_mime_type(value):
        raise ValueError(f"no MIME type: {value!r}")
    return value


def _size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"no size: {value!r}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARACTERS or not value.isprintable():
        raise ValueError(f"no id: {value!r}")
    return value
