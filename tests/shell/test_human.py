"""Sizes and durations as people read and write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel.shell.human import format_bytes, format_duration, parse_bytes, parse_duration


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *[(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_949, "9.9 kB"), (9_960, "10 kB"), (999_499, "999 kB")],
        *[(999_500, "1.0 MB"), (169_000_000, "169 MB"), (4_300_000_000, "4.3 GB"), (5 * 10**15, "5000 TB")],
    ],
)
def test_a_size_has_few_digits(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *[
            ("1000000", 10**6),
            ("1", 1),
            ("10B", 10),
            ("512M", 512 << 20),
            ("512MiB", 512 << 20),
            ("512MB", 512 * 10**6),
        ],
        *[
            ("2G", 2 << 30),
            ("2g", 2 << 30),
            ("1.5GiB", 3 << 29),
            ("800kB", 800_000),
            ("800k", 800 << 10),
            ("1T", 1 << 40),
        ],
    ],
)
def test_a_size_can_be_written_in_several_ways(text, count):
    """Ours: a letter alone is a power of 1024, as systemd and Docker have it."""
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "M", "1 M", "-1", "1iB", "i", "1X", "1MM", "1,5G", "inf", "1e9", ".5G", "9" * 16])
def test_anything_else_is_no_size(text):
    with pytest.raises(ValueError, match="is not a size"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0, "0.0 s"), (-1, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1m 00s")],
        *[(185, "3m 05s"), (3599.7, "1h 00m"), (7620, "2h 07m"), (86400 * 4 + 3600 * 11, "4d 11h")],
    ],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), (".5", 0.5), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1h30m", 5400), ("2d", 172800)],
)
def test_a_duration_can_be_written_in_several_ways(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1 h", "1h30", "m", "1e3", "1,5", "inf", "nan", "1m2", "9" * 400])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError):
        parse_duration(text)


@given(st.text(max_size=12))
def test_parsing_a_duration_raises_nothing_but_value_error(text):
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= 0
