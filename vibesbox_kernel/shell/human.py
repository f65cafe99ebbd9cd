"""Sizes and durations as people read and write them."""

from __future__ import annotations

import math
import re

_BYTE_UNITS = ("kB", "MB", "GB", "TB")
_PREFIXES = " kmgt"
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([kmgt]?)(i?)(b?)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h|d)?")


def format_bytes(count: int) -> str:
    """A size in at most three digits and a decimal unit: ``0 B``, ``999 B``, ``1.2 kB``, ``169 MB``."""
    if count < 1000:
        return f"{count} B"
    size, step = count / 1000, 0
    while size >= 999.5 and step + 1 < len(_BYTE_UNITS):
        size, step = size / 1000, step + 1
    unit = _BYTE_UNITS[step]
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:.0f} {unit}"


def parse_bytes(text: str) -> int:
    """Bytes from ``1000000``, ``512M``, ``2G``, ``1.5GiB`` or ``800kB``.

    A letter alone is binary, as systemd and Docker have it: ``1M`` and ``1MiB`` are 1,048,576, ``1MB`` is 1,000,000.

    Raises:
        ValueError: The text is none of these.
    """
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"{text!r} is not a size; write 512M, 2G or 1.5GiB (or MB, GB for powers of 1000)")
    number, prefix, binary, byte = match.groups()
    unit: int = (1000 if byte and not binary else 1024) ** _PREFIXES.index(prefix.lower() or " ")
    return round(float(number) * unit)


def format_duration(seconds: float) -> str:
    """A duration in its two largest units: ``0.3 s``, ``12 s``, ``3m 05s``, ``2h 07m``, ``4d 11h``."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def parse_duration(text: str) -> float:
    """Seconds from ``90``, ``1.5``, ``500ms``, ``2m``, ``1h``, ``2d`` or ``1h30m``.

    Raises:
        ValueError: The text is none of these, or larger than any float.
    """
    parts = list(_PART.finditer(text))
    whole = "".join(part.group() for part in parts) == text
    several_need_units = len(parts) == 1 or all(part.group(2) for part in parts)
    if not parts or not whole or not several_need_units:
        raise ValueError(f"{text!r} is not a duration; write seconds (90, 1.5) or units (500ms, 2m, 1h, 1h30m)")
    seconds = sum(float(part.group(1)) * _SECONDS[part.group(2) or "s"] for part in parts)
    if not math.isfinite(seconds):
        raise ValueError(f"{text[:20]!r}… is longer than any clock can count")
    return seconds
