"""Output that is rewritten over several lines, as bars of progress do it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shell.test_stream import ERR, OUT, in_split, stage
from vibesbox_kernel.shell.ansi import OutputFilter
from vibesbox_kernel.shell.grid import REACH_ROWS, Grid
from vibesbox_kernel.shell.outgoing import Outgoing
from vibesbox_kernel.shell.rewriting import MAX_ROWS

pytestmark = pytest.mark.anyio

UP = b"\x1b[A"


def drawn(*pieces: str) -> str:
    grid = Grid()
    for piece in pieces:
        grid.feed(OutputFilter(terminal=True, moves=True).feed(piece.encode(), final=True))
    return grid.text


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("one\ntwo\x1b[A\rONE", "ONE\ntwo"),
        ("one\ntwo\n\x1b[2A\x1b[2Kx\x1b[2B\rthree", "x\ntwo\nthree"),
        ("long line\rshort\x1b[K", "short"),
        ("abc\x1b[3Dx\x1b[Cy", "xby"),
        ("a\n\nb\x1b[2F!\x1b[1EX", "!\nX\nb"),
        ("abc\x1b[2GX", "aXc"),
        ("a\nb\nc\x1b[2A\r\x1b[J", ""),
        ("a\tb\b\bc", "a      cb"),
        ("\x1b[31mred\x1b[0m plain\r\x1b[32mg", "\x1b[32mg\x1b[0m\x1b[31med\x1b[0m plain"),
        ("\x1b[9999A\x1b[9999Bx", "\n" * REACH_ROWS + "x"),
    ],
)
def test_moves_are_performed_as_a_terminal_does(output, shown):
    """ECMA-48: CUU, CUD, CUF, CUB, CNL, CPL, CHA, ED, EL."""
    assert drawn(output) == shown


@given(
    st.text(alphabet="ab\n\r\b\t", max_size=30),
    st.lists(st.sampled_from(["\x1b[A", "\x1b[3B", "\x1b[K", "\x1b[2J", "\x1b[5D", "\x1b[7G"])),
)
def test_any_moves_leave_a_grid_that_can_be_shown(text, moves):
    for move in moves:
        text = text[: len(text) // 2] + move + text[len(text) // 2 :]
    grid = Grid()
    grid.feed(text)
    assert grid.text.count("\n") == len(grid.rows) - 1


async def test_lines_that_are_rewritten_become_a_block_that_is_replaced():
    async with stage() as on:
        on.write(b"before\nouter 0%\ninner 0%")
        await on.clock.advance(1)
        for done in (b"50%", b"100%"):
            on.write(UP + b"\router " + done + b"\n\rinner " + done)
            await on.clock.advance(1)
        on.write(b"\n", eof=True)
        await on.clock.advance(1)
        assert on.sink.all("text") == ["before\nouter 0%\ninner 0%"]
        assert on.sink.all("take back") == ["2"]
        assert on.sink.all("display")[-1] == "before\nouter 100%\ninner 100%"
        assert [update for _, update in on.sink.displays] == [False, *[True] * (len(on.sink.displays) - 1)]


async def test_what_was_not_sent_yet_is_never_shown_as_text():
    async with stage() as on:
        on.write(b"one\ntwo\n" + UP + b"\rTWO\n", eof=True)
        await on.clock.advance(1)
        assert on.sink.all("text") == []
        assert on.sink.all("display") == ["one\nTWO"]


async def test_going_up_is_seen_wherever_the_bytes_are_cut():
    for cut in range(1, 12):
        async with stage() as on:
            data = b"one\n" + b"\x1b[1A" + b"\rONE\n"
            on.write(data[:cut])
            await on.clock.advance(1)
            on.write(data[cut:], eof=True)
            await on.clock.advance(1)
            assert on.sink.all("display")[-1] == "ONE"
            assert "\x1b" not in on.sink.shown


async def test_many_lines_after_the_last_rewriting_are_text_again():
    async with stage() as on:
        on.write(b"bar\n" + UP + b"\rBAR\n")
        on.write(b"".join(b"%d\n" % number for number in range(200)), eof=True)
        await on.clock.advance(2)
        assert on.sink.all("display")[-1].startswith("BAR\n0\n")
        assert on.sink.shown.endswith("199\n")
        shown = on.sink.all("display")[-1].split() + on.sink.shown.split()
        assert shown == ["BAR", *map(str, range(200))]


async def test_a_block_does_not_grow_for_ever():
    """Ours: a bar below a log is one block for each hundred lines, and no line of the log is lost."""
    async with stage() as on:
        for number in range(400):
            on.write(b"\r\x1b[Kline %d\nbar %d\n" % (number, number) + UP)
            if number % 20 == 0:
                await on.clock.advance(0.3)
        on.write(b"", eof=True)
        await on.clock.advance(3)
        last = dict(zip([name for name, _ in on.sink.displays], on.sink.all("display"), strict=True))
        assert all(text.count("\n") <= MAX_ROWS for text in last.values())
        lines = [line for text in last.values() for line in text.split("\n") if line.startswith("line")]
        assert lines == [f"line {number}" for number in range(400)]


async def test_the_other_streams_output_is_not_taken_into_a_block():
    async with stage() as on:
        on.write(in_split(on.session, (ERR, b"bar 0\n"), (OUT, b"text\n"), (ERR, UP + b"\rbar 1\n")), eof=True)
        await on.clock.advance(1)
        assert "text\n" in on.sink.all("text")
        assert on.sink.all("display")[-1] == "bar 1"


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab\n", max_size=6), max_size=6), st.integers(0, 4))
def test_taking_back_leaves_whole_lines(texts, lines):
    waiting = Outgoing()
    for text in texts:
        waiting.add(OUT, text)
    whole = "".join(texts)
    left = waiting.take_back(OUT, lines)
    kept = "".join(text for _, text in waiting.take())
    assert whole.startswith(kept)
    assert kept == "" or kept.endswith("\n")
    taken = whole[len(kept) :].count("\n")
    assert taken == lines if left is None else left == lines - taken


async def test_the_other_streams_text_stands_behind_a_block_that_came_first():
    async with stage() as on:
        on.write(in_split(on.session, (ERR, b"bar\n" + UP + b"\rBAR\n"), (OUT, b"text\n")), eof=True)
        await on.clock.advance(1)
        assert [kind for _, kind, _ in on.sink.got if kind != "take back"] == ["display", "text"]
