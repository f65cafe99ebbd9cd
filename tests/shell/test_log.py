"""A session's output as numbered lines: counted, read, cleaned, searched, whatever it consists of."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shell.fake_manager import FakeManager, FakeSession
from vibesbox_kernel.models import OutputChunk, StreamName
from vibesbox_kernel.shell import log_index, log_reader
from vibesbox_kernel.shell.log_index import LogIndex, LogMark
from vibesbox_kernel.shell.log_lines import Gatherer, Kind, LogLine, RawLine
from vibesbox_kernel.shell.log_query import LogQuery, QueryError
from vibesbox_kernel.shell.log_reader import LogReader
from vibesbox_kernel.shell.log_scan import LogState
from vibesbox_kernel.shell.log_search import LogSearch
from vibesbox_kernel.shell.sgr import carried

pytestmark = pytest.mark.anyio

PIECES = st.sampled_from(
    [
        *(b"one\n", b"two", b"\n", b"\r\n", b"50%\r", b"\x1b[31mred", b"\x1b[0m", "é😀\n".encode(), b"\xff", b"\x1b"),
        *(b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?1h", b"\x1b[H", b"\x1b[?1l", b"\x1b[", b"drawn\n"),
    ]
)
STREAMS = st.lists(PIECES, max_size=30).map(b"".join)


class Log:
    """A session without processes whose output is gone over."""

    def __init__(self, output: bytes = b"", *, eof: bool = True) -> None:
        self.fake = FakeManager()
        self.session: FakeSession = self.fake.add()
        self.fake.write(self.session, output, eof=eof)
        self.manager: Any = cast("Any", self.fake)
        self.id = self.session.info.session_id
        self.index = LogIndex(self.manager, self.id)
        self.reader = LogReader(self.manager, self.id, self.index)

    async def count(self) -> LogIndex:
        while await self.index.advance():
            pass
        return self.index

    async def drop(self, oldest: int) -> None:
        self.session.oldest = oldest
        await self.index.drop_oldest(oldest)

    async def lines(self, first: int = 0, count: int = 1000) -> list[LogLine]:
        await self.count()
        return await self.reader.lines(first, count)

    async def texts(self, first: int = 0, count: int = 1000) -> list[str]:
        return [line.plain for line in await self.lines(first, count)]

    async def search(self, text: str, **options: bool) -> LogSearch:
        await self.count()
        search = LogSearch(self.manager, self.id, self.index, LogQuery(text, **options))
        while await search.step():
            pass
        return search


def shown(line: LogLine) -> list[tuple[Kind, str | int]]:
    return [(one.kind, one.text if one.kind.is_text else one.count) for one in line.segments]


# Colours


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("plain", ""),
        ("\x1b[31mred", "\x1b[31m"),
        ("\x1b[31mred\x1b[0m", ""),
        ("\x1b[31mred\x1b[mno\x1b[1mbold", "\x1b[1m"),
        ("\x1b[1;31;42mall\x1b[39m", "\x1b[1;42m"),
        ("\x1b[38;5;208m\x1b[48;2;1;2;3mlong", "\x1b[38;5;208;48;2;1;2;3m"),
        ("\x1b[38:2::1:2:3mcolons\x1b[4:3m", "\x1b[38:2::1:2:3;4:3m"),
        ("\x1b[1m\x1b[2m\x1b[3m\x1b[22m", "\x1b[3m"),
        ("\x1b[38;5mbroken\x1b[97m", "\x1b[97m"),
        ("\x1b[999mno colour", ""),
    ],
)
def test_what_is_on_behind_a_text_is_carried_on(text, style):
    assert carried("", text) == style
    assert carried(style, "more") == style


def test_a_line_begins_in_the_colours_of_those_before_it_and_keeps_them_in_small():
    style = ""
    for number in range(1000):
        style = carried(style, f"\x1b[{30 + number % 8}m\x1b[1m\x1b[48;5;{number % 256}m")
    assert len(style) < 30


# Screens


def drawn(data: bytes, *cuts: int) -> tuple[bytes, int]:
    """What is text of some bytes that come in pieces, and how many of the others there are."""
    state, at, text, other = LogState(), 0, b"", 0
    for end in [*cuts, len(data)]:
        chunk = OutputChunk(cursor=at, data=data[at:end], next_cursor=end)
        spans, at = state.feed(chunk)
        text += b"".join(span.data for span in spans)
        other += sum(span.size for span in spans if span.draws)
    return text, other


def test_what_is_drawn_on_a_screen_is_no_text():
    assert drawn(b"a\n\x1b[?1049hfoo\nbar\x1b[?1049lb\n") == (b"a\nb\n", 23)
    assert drawn(b"a\x1b[?1h\x1b[Hdrawn\n\x1b[?1lb") == (b"a\x1b[?1hb", 14)


@settings(deadline=None)
@given(STREAMS, st.lists(st.integers(0, 200), max_size=8))
def test_any_output_cut_anywhere_is_the_same_text(data, cuts):
    places = sorted(min(cut, len(data)) for cut in cuts)
    assert drawn(data, *places) == drawn(data)


# Lines


@settings(deadline=None)
@given(STREAMS, st.lists(st.integers(0, 200), max_size=8))
def test_the_lines_are_as_many_as_were_counted_and_hold_every_byte(data, cuts):
    places = sorted({*(min(cut, len(data)) for cut in cuts), len(data)})
    counted = LogState()
    ends = sum(
        span.data.count(b"\n") for span in counted.feed(OutputChunk(cursor=0, data=data, next_cursor=len(data)))[0]
    )
    gatherer = Gatherer(LogMark(0, 0))
    lines: list[RawLine] = []
    for end in places:
        chunk = OutputChunk(cursor=gatherer.cursor, data=data[gatherer.cursor : end], next_cursor=end)
        lines += gatherer.feed(chunk, final=end == len(data))
    assert [line.number for line in lines] == list(range(ends))
    assert gatherer.line.number == ends
    assert sum(line.size for line in [*lines, gatherer.line]) + ends == len(data)


async def test_a_line_is_found_from_any_mark(monkeypatch):
    monkeypatch.setattr(log_index, "STEP_BYTES", 64)
    monkeypatch.setattr(log_reader, "_READ_BYTES", 48)
    log = Log(b"".join(b"line %d\n" % number for number in range(500)))
    await log.count()
    for first in (0, 1, 7, 250, 498, 499):
        assert (await log.texts(first, 2)) == [f"line {n}" for n in (first, first + 1) if n < 500]
    assert await log.texts(500) == []


async def test_marks_stay_few(monkeypatch):
    monkeypatch.setattr(log_index, "STEP_BYTES", 16)
    monkeypatch.setattr(log_index, "MAX_MARKS", 8)
    log = Log(b"".join(b"%05d\n" % number for number in range(2000)))
    await log.count()
    assert len(log.index._marks) <= 8
    assert await log.texts(1234, 2) == ["01234", "01235"]


async def test_a_line_that_grows_is_read_again():
    log = Log(b"done\nhalf", eof=False)
    assert await log.texts() == ["done", "half"]
    assert (log.index.ends, log.index.total, log.index.is_open) == (1, 2, True)
    log.fake.write(log.session, b" and half\n")
    assert await log.texts() == ["done", "half and half"]
    assert (log.index.total, log.index.is_open) == (2, False)


async def test_lines_show_what_a_terminal_shows_in_the_end():
    output = b"1%\r2%\r100%\nabc\b\bX\r\n\x1b]0;title\x07text\x07\nbad \xff byte\n"
    assert await Log(output).texts() == ["100%", "aXc", "text", "bad \ufffd byte"]


async def test_a_character_that_is_cut_in_two_waits_for_its_rest():
    log = Log("caf\u00e9".encode()[:-1], eof=False)
    assert await log.texts() == ["caf"]
    log.fake.write(log.session, "\u00e9".encode()[-1:])
    assert await log.texts() == ["caf\u00e9"]
    assert await Log("caf\u00e9".encode()[:-1]).texts() == ["caf\ufffd"]


async def test_each_line_has_its_own_colours():
    first, second, third = await Log(b"\x1b[31mred\nstill red\x1b[0m\nplain").lines()
    assert shown(second) == [(Kind.STDOUT, "\x1b[31mstill red\x1b[0m")]
    assert first.plain == "red"
    assert shown(third) == [(Kind.STDOUT, "plain")]


async def test_stderr_is_told_apart_and_has_colours_of_its_own():
    log = Log(b"\x1b[32mout \x1b[31merr\nmore")
    log.session.errors = [(9, 18)]
    first, second = await log.lines()
    assert shown(first) == [(Kind.STDOUT, "\x1b[32mout "), (Kind.STDERR, "\x1b[31merr")]
    assert shown(second) == [(Kind.STDOUT, "\x1b[32mmore")]


async def test_where_a_program_drew_stands_a_note():
    first, second = await Log(b"before\n\x1b[?1049hfoo\nbar\x1b[?1049lafter").lines()
    assert first.plain == "before"
    assert shown(second) == [(Kind.SCREEN, 23), (Kind.STDOUT, "after")]


async def test_where_output_was_dropped_stands_a_note_and_lines_keep_their_numbers(monkeypatch):
    monkeypatch.setattr(log_index, "STEP_BYTES", 64)
    log = Log(b"".join(b"line %03d\n" % number for number in range(100)))
    await log.count()
    await log.drop(9 * 40 + 3)
    assert (log.index.first, log.index.oldest) == (40, 363)
    first, second = await log.lines(0, 2)
    assert (first.number, second.number) == (40, 41)
    assert shown(first) == [(Kind.DROPPED, 363), (Kind.STDOUT, "e 040")]
    assert second.plain == "line 041"
    fresh = Log(bytes(log.session.output))
    fresh.session.oldest = 363
    first, second = await fresh.lines(0, 2)
    assert shown(first) == [(Kind.DROPPED, 363), (Kind.STDOUT, "e 040")]
    await log.drop(900)
    assert log.index.first == log.index.total == 100


async def test_of_a_long_line_the_ends_are_shown_and_the_rest_in_pieces(monkeypatch):
    monkeypatch.setattr(log_index, "STEP_BYTES", 4096)
    text = "".join(f"{number:07d}." for number in range(125_000))
    log = Log(f"short\n{text}\nlast\n".encode())
    short, long, last = await log.lines()
    assert (short.plain, last.plain, long.size) == ("short", "last", 1_000_000)
    (_, start), (kind, between), (_, end) = shown(long)
    assert kind is Kind.CUT
    assert text.startswith(str(start))
    assert text.endswith(str(end))
    assert len(str(start)) + int(between) + len(str(end)) == 1_000_000
    whole, offset = "", 0
    while offset < 1_000_000:
        piece = await log.reader.piece(1, offset)
        assert piece is not None
        whole += piece.text
        offset = piece.end
    assert whole == text
    assert await log.reader.piece(3, 0) is None


async def test_of_a_long_progress_bar_its_last_frame_is_shown():
    log = Log(b"".join(b"\r%6d of 100000" % number for number in range(20_000)) + b"\nnext\n")
    assert await log.texts() == [" 19999 of 100000", "next"]


async def test_many_long_lines_come_in_several_windows():
    log = Log((b"x" * 8000 + b"\n") * 100)
    first = await log.lines(0, 100)
    assert 20 < len(first) < 30
    assert [line.number for line in await log.lines(len(first), 1)] == [len(first)]


# Searching


async def test_every_line_that_has_a_text_is_found():
    log = Log(b"".join(b"line %d%s\n" % (n, b" Error" if n % 100 == 7 else b"") for n in range(20_000)))
    search = await log.search("error")
    assert search.count == 200
    assert search.is_done
    assert search.find(-1, back=False) == (7, 1)
    assert search.find(7, back=False) == (107, 2)
    assert search.find(7, back=True) == (19_907, 200)
    assert search.find(19_907, back=False) == (7, 1)
    assert (await log.search("error", case=True)).count == 0
    assert (await log.search(r"e\w+r$", regex=True)).count == 200
    assert (await log.search("nowhere")).find(0, back=False) is None


async def test_colours_frames_and_screens_hide_nothing_from_a_search():
    log = Log(b"a\n\x1b[?1049hneedle\n\x1b[?1049l\nne\x1b[31medle\x1b[0m\nold\rneedle\nX needl\be\b\bdle\nneedle")
    search = await log.search("needle")
    hits = [hit for hit, _ in (cast("Any", search.find(at, back=False)) for at in (-1, 2, 3, 4))]
    assert hits == [2, 3, 4, 5]
    assert (await log.texts(2, 1)) == ["needle"]


async def test_a_search_goes_on_with_what_comes():
    log = Log(b"needle\nnee", eof=False)
    search = await log.search("needle")
    assert search.count == 1
    for more, count in ((b"dle", 2), (b"\nno\n", 2), (b"needle", 3)):
        log.fake.write(log.session, more)
        await log.count()
        while await search.step():
            pass
        assert search.count == count
    assert search.find(1, back=False) == (3, 3)


async def test_a_match_in_a_line_of_megabytes_is_found_once():
    log = Log(b"first\n" + b"x" * 500_000 + b"needle" + b"x" * 500_000 + b"\nneedle\n")
    search = await log.search("needle")
    assert [search.find(at, back=False) for at in (-1, 1)] == [(1, 1), (2, 2)]


async def test_what_was_dropped_is_not_found_any_more(monkeypatch):
    monkeypatch.setattr(log_index, "STEP_BYTES", 64)
    log = Log(b"needle %03d\n" * 100 % tuple(range(100)))
    search = await log.search("needle")
    await log.drop(11 * 60)
    assert search.count == 40
    assert search.find(-1, back=False) == (60, 1)


async def test_a_search_that_finds_too_much_stops():
    search = await Log(b"y\n" * 150_000).search("y")
    assert search.is_full
    assert search.count == 100_000


def test_matches_are_marked_as_a_browser_counts():
    assert LogQuery("b").marks("aBb") == [(1, 2), (2, 3)]
    assert LogQuery("b", case=True).marks("aBb") == [(2, 3)]
    assert LogQuery("x").marks("😀x") == [(2, 3)]
    assert LogQuery("x*", regex=True).marks("aaxxa") == [(2, 4)]
    assert LogQuery("").marks("abc") == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"(a|aa)*b",
        r"((ab)*c)*",
        r"(?:x{2,})+",
        r"(\w+\s?){20,}",
        "(a*b){3,}",
        r"(?<=>)(a+)+>",
        r"(?P<x>a*)*",
        "(?i:a+)*",
    ],
)
def test_a_pattern_that_could_take_for_ever_is_refused(pattern):
    with pytest.raises(QueryError, match="for ever"):
        LogQuery(pattern, regex=True).pattern  # noqa: B018


@pytest.mark.parametrize(
    "pattern", [r"error|warn", r"(\d+)-(\d+)", r"[()|*+]+", r"\(a+\)+", r"(?i:abc)+", r"(a+){2}", r"a{,5}"]
)
def test_other_patterns_are_taken(pattern):
    assert LogQuery(pattern, regex=True).pattern.pattern == pattern


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<x", "\\", "a{2,1}", "x" * 2000])
def test_what_is_no_regular_expression_says_why(pattern):
    with pytest.raises(QueryError, match=r"regular expression|longer"):
        LogQuery(pattern, regex=True).pattern  # noqa: B018


def test_the_streams_of_a_chunk_go_on_each_by_itself():
    state = LogState()
    data = b"\x1b[31mout\x1b[32merr"
    state.feed(OutputChunk(cursor=0, data=data, next_cursor=len(data), errors=((8, len(data)),)))
    assert [state.style(name) for name in StreamName] == ["\x1b[31m", "\x1b[32m"]
