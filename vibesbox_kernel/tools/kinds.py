"""Which MIME type a file is of: as the user says, by what it begins with, or by its name."""

from __future__ import annotations

from vibesbox_kernel.tools.protocol import is_json, is_mime_type

TEXT = "text/plain"
CSV = "text/csv"
TSV = "text/tab-separated-values"
SVG = "image/svg+xml"

BY_NAME = {
    "bmp": "image/bmp",
    "csv": CSV,
    "geojson": "application/geo+json",
    "gif": "image/gif",
    "htm": "text/html",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "latex": "text/latex",
    "log": TEXT,
    "markdown": "text/markdown",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": SVG,
    "tex": "text/latex",
    "text": TEXT,
    "tsv": TSV,
    "txt": TEXT,
    "webp": "image/webp",
}
"""What is said for ``--type``, and what files' names end in."""

BINARY = frozenset({"image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp", "application/pdf"})
"""What a bundle has in base64."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_BMP_RESERVED = slice(6, 10)


class UnknownKindError(ValueError):
    """Nothing says what something is, or it is nothing that a notebook shows; says what would help."""


def kind_by_word(word: str) -> str:
    """The MIME type that a user means.

    Raises:
        UnknownKindError: No such type.
    """
    found = BY_NAME.get(word.lower())
    if found is not None:
        return found
    if is_mime_type(word) and (word in BY_NAME.values() or is_json(word) or word.startswith("text/")):
        return word
    known = ", ".join(sorted(BY_NAME))
    raise UnknownKindError(f"a notebook shows no {word!r}; it shows {known}, and MIME types that end in +json")


def kind_of(name: str, data: bytes) -> str:
    """The MIME type of a file.

    Raises:
        UnknownKindError: It is neither known nor text.
    """
    signed = kind_by_signature(data)
    if signed is not None:
        return signed
    _, dot, ending = name.rpartition(".")
    named = BY_NAME.get(ending.lower()) if dot else None
    if named is not None and named not in BINARY:
        return named
    if named is not None:
        raise UnknownKindError(f"it is no {named}, though its name says so")
    if _is_text(data):
        return SVG if data.lstrip()[:4].lower() == b"<svg" else TEXT
    raise UnknownKindError("it is neither text nor a picture that a notebook shows (PNG, JPEG, GIF, WebP, BMP, SVG)")


def kind_by_signature(data: bytes) -> str | None:
    """The MIME type of a file that says by its first bytes what it is."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:2] == b"BM" and data[_BMP_RESERVED] == bytes(4):  # or it may be a text that begins so
        return "image/bmp"
    return next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), None)


def _is_text(data: bytes) -> bool:
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
