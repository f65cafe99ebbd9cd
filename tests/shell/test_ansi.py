"""Terminal output as text for a front-end."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel.shell.ansi import OutputFilter
from vibesbox_kernel.shell.overwrite import clean, drop_overwritten

# Bytes that a terminal program sends, and all sorts of broken ones.
PIECES = st.sampled_from(
    [
        *(b"\r", b"\n", b"\r\n", b"\b", b"\t", b"\x00", b"\x07", b"\x0b", b"\x7f", b" ", b"abc", b"50%"),
        *(b"\x1b[0m", b"\x1b[1;31m", b"\x1b[K", b"\x1b[2K", b"\x1b[1K", b"\x1b[2J", b"\x1b[?25l", b"\x1b(B"),
        *(b"\x1b]0;title\x07", b"\x1b]8;;http://x\x1b\\", b"\x1b]", b"\x1bP", b"\x1b\\", b"\x1b"),
        *("é".encode(), "€".encode(), "😀".encode(), b"\xc3", b"\xff", b"\xc2\x9b31m"),
        b"\x1b[" + b"1;" * 120 + b"m",
    ]
)
STREAMS = st.lists(PIECES | st.binary(max_size=4), max_size=25).map(b"".join)


def show(data: bytes, **options: bool) -> str:
    return OutputFilter(**options).feed(data, final=True)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=12), st.booleans())
def test_any_bytes_cut_anywhere_give_the_same_text(data, cuts, terminal):
    whole = show(data, terminal=terminal)
    output = OutputFilter(terminal=terminal)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [output.feed(data[begin:end]) for begin, end in pairwise(places)]
    pieces.append(output.feed(b"", final=True))
    assert "".join(pieces) == whole
    assert not any(piece.endswith("\r") for piece in pieces)


@given(STREAMS)
def test_nothing_is_left_that_jupyterlab_would_show_as_garbage(data):
    text = re.sub(r"\x1b\[[0-9;:]*m", "", show(data))
    assert not re.search(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]", text)


@given(STREAMS)
def test_the_filter_knows_what_the_front_end_keeps(data):
    output = OutputFilter()
    kept = jupyterlab(output.feed(data))
    assert output.line.lines == kept.count("\n")
    assert output.line.length == len(kept.rpartition("\n")[2].encode("utf-16-le")) // 2


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_printable_text_comes_out_as_it_went_in(text):
    assert show(text.encode()) == text


@given(STREAMS)
def test_dropping_what_is_overwritten_changes_nothing_that_is_seen(data):
    text = show(data)
    assert jupyterlab(drop_overwritten(text), "before") == jupyterlab(text, "before")


def jupyterlab(text: str, before: str = "") -> str:
    """What JupyterLab keeps of a stream (its ``processText``)."""
    kept = [before.encode("utf-16-le")[at : at + 2] for at in range(0, 2 * len(before), 2)]
    index = len(kept)
    newline, back, left = ("\n".encode("utf-16-le"), "\r".encode("utf-16-le"), "\b".encode("utf-16-le"))
    raw = text.encode("utf-16-le")
    for unit in (raw[at : at + 2] for at in range(0, len(raw), 2)):
        if unit == newline:
            kept.append(unit)
            index = len(kept)
        elif unit == back:
            while index > 0 and kept[index - 1] != newline:
                index -= 1
        elif unit == left:
            if index > 0 and kept[index - 1] != newline:
                kept[index - 1 : index + 1] = []
                index -= 1
        else:
            kept[index : index + 1] = [unit]
            index += 1
    return b"".join(kept).decode("utf-16-le", "replace")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\tb!\n", "a\tb!\n"),
        (b"a\rb\n", "a\rb\n"),
        (b"a\r\nb\r\r\nc", "a\nb\nc"),
        (b"-\b\\\b|", "-\b\\\b|"),
        (b"\x1b[1;31mred\x1b[0m\n", "\x1b[1;31mred\x1b[0m\n"),
        (b"\x1b[38;5;208mo\x1b[38;2;1;2;3mp\x1b[m", "\x1b[38;5;208mo\x1b[38;2;1;2;3mp\x1b[m"),
        (b"\x1b]0;a title\x07x\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "xlink"),
        (b"\x1b[2J\x1b[H\x1b[?25l\x1b(Bx\x1b=\x1b7\x1b[1A", "x"),
        (b"\x07a\x0bb\x0cc\x00d\x7f", "abcd"),
        (b"\x1bPsixel\x1b\\a\x1b_kitty\x1b\\b", "ab"),
        (b"\x1b]lost its end\nnext", "\nnext"),
        (b"\xffa\xe2\x82", "�a�"),
        (b"x\x1b[>4;2my", "xy"),
        (b"100%\r", "100%"),
    ],
)
def test_what_is_kept_and_what_is_taken_out(data, text):
    assert show(data) == text


def test_a_shorter_line_that_erases_a_longer_one_leaves_nothing_of_it():
    text = show(b"downloading 99%\r\x1b[Kdone\n")
    assert jupyterlab(text).rstrip() == "done"
    assert jupyterlab(show(b"abcdef\b\b\b\x1b[Kx")) == "abcx"


def test_a_coloured_line_is_never_overwritten_in_the_middle_of_its_codes():
    text = show(b"\x1b[32m50%\x1b[0m\r\x1b[32m60%\x1b[0m\rok\n")
    assert jupyterlab(text).rstrip() == "ok"


def test_a_coloured_spinner_shows_its_last_state():
    frames = b"".join(b"\x1b[32m%c\x1b[0m\b" % char for char in b"|/-\\|")
    shown = jupyterlab(show(b"wait " + frames + b"done"))
    assert re.sub(r"\x1b\[\d*m", "", shown) == "wait done"


def test_a_terminal_gets_its_erasing_itself():
    assert show(b"long\r\x1b[Kx\r\n", terminal=True) == "long\r\x1b[Kx\r\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"10%\r20%\n", "20%\n"),
        (b"longer\rno\n", "nonger\n"),
        (b"longer\r\x1b[Kno\n", "no\n"),
        (b"ab\b\x1b[1mc\x1b[0m", "a\x1b[1mc\x1b[0m"),
        (b"abc\x1b[1K\rx", "x  "),
        (b"a\r\nb\r\n", "a\nb\n"),
    ],
)
def test_clean_text_is_what_a_terminal_shows_in_the_end(data, text):
    assert clean(data) == text
