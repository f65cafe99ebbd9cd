"""What a front-end is given to show a file: one thing in several forms, of which it takes the richest that it can."""

from __future__ import annotations

import base64
import json

from vibesbox_kernel.tools.kinds import BINARY, CSV, SVG, TEXT, TSV, kind_by_signature
from vibesbox_kernel.tools.protocol import is_json

MAX_PICTURE_BYTES = 10_000_000
MAX_TEXT_BYTES = 2_000_000
MAX_TABLE_BYTES = 100_000_000
"""Of which only the beginning is shown."""

_MARKUP = frozenset({"text/html", SVG})
"""What nobody wants to read as it is written."""

Bundle = list[tuple[str, bytes]]
"""MIME types, and what a MIME bundle has of each, as UTF-8."""


class NotShowableError(ValueError):
    """Something can not be shown; says why."""


def max_bytes(kind: str) -> int:
    """How large a file of this type may be."""
    if kind in BINARY:
        return MAX_PICTURE_BYTES
    return MAX_TABLE_BYTES if kind in (CSV, TSV) else MAX_TEXT_BYTES


def make_bundle(kind: str, data: bytes, *, name: str) -> Bundle:
    """All forms of a file.

    Args:
        kind: Its MIME type.
        data: What is in it.
        name: What it is called where only text can be shown.

    Raises:
        NotShowableError: It is too large, or not of that type.
    """
    if len(data) > max_bytes(kind):
        raise NotShowableError(f"{len(data):,} bytes; of {kind} at most {max_bytes(kind):,} can be shown")
    if not data:
        raise NotShowableError("it is empty")
    if kind in BINARY and kind_by_signature(data) != kind:
        raise NotShowableError(f"it is no {kind}")
    if kind in BINARY:
        return [(kind, base64.b64encode(data)), (TEXT, f"[{kind}, {len(data):,} bytes: {name}]".encode())]
    text = _text(kind, data)
    if kind in (CSV, TSV):
        return _table(text, delimiter="\t" if kind == TSV else None)
    if is_json(kind):
        return _json(kind, text)
    if kind == TEXT:
        return [(TEXT, text.encode())]
    plain = f"[{kind}, {len(data):,} bytes: {name}]" if kind in _MARKUP else text
    return [(kind, text.encode()), (TEXT, plain.encode())]


def _text(kind: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte {error.start:,} is 0x{data[error.start]:02x}"
        raise NotShowableError(f"it is not UTF-8, as {kind} must be: {where}") from None


def _table(text: str, *, delimiter: str | None) -> Bundle:
    from vibesbox_kernel.tools.tables import read_table  # only where a table is wanted: the command is to be quick

    try:
        table = read_table(text, delimiter=delimiter)
    except ValueError as error:
        raise NotShowableError(str(error)) from None
    return [("text/html", table.to_html().encode()), (TEXT, table.to_text().encode())]


def _json(kind: str, text: str) -> Bundle:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotShowableError(f"it is not JSON: {error}") from None
    if not isinstance(value, dict | list):
        # A page shows objects and arrays as a tree; what else is JSON is a word or a number.
        return [(TEXT, json.dumps(value, ensure_ascii=False).encode())]
    return [(kind, text.encode()), (TEXT, json.dumps(value, indent=2, ensure_ascii=False).encode())]
