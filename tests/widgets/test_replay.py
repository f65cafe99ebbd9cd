"""What a terminal is given that opens in the midst of a session: the modes in force, then the end of the output."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel.models import OutputChunk
from vibesbox_kernel.widgets import replay as replaying
from vibesbox_kernel.widgets.replay import Modes, Replay, replay

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


class Spool:
    """The output of a session, of which the first bytes may be gone."""

    def __init__(self, output: bytes, dropped: int = 0) -> None:
        self._output = output
        self._dropped = dropped

    async def read(self, _session_id: str, cursor: int, *, max_bytes: int) -> OutputChunk:
        start = max(cursor, self._dropped)
        data = self._output[start : start + min(max_bytes, 7000)]
        return OutputChunk(cursor=cursor, data=data, next_cursor=start + len(data), dropped=start - cursor)


def replayed(output: bytes, dropped: int = 0) -> Replay:
    return asyncio.run(replay(cast("Any", Spool(output, dropped)), "a session", len(output)))


def modes_of(*pieces: bytes) -> Modes:
    modes, cursor = Modes(), 0
    for piece in pieces:
        modes.feed(piece, cursor)
        cursor += len(piece)
    return modes


def test_a_short_output_is_replayed_as_it_is():
    made = replayed(b"one\ntwo" + ENTER + b"drawn")
    assert made == Replay(b"one\ntwo" + ENTER + b"drawn", made.cursor, whole=True, drawn_before=False)


def test_of_a_long_output_the_last_whole_lines_are_replayed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replaying, "REPLAY_BYTES", 1000)
    output = b"".join(b"line %d\n" % number for number in range(5000))
    made = replayed(output)
    assert 0 < len(made.data) <= 1000
    assert output.endswith(b"\n" + made.data)
    assert (made.cursor, made.whole) == (len(output), False)


def test_what_was_dropped_begins_with_a_whole_line():
    made = replayed(b"gone\nhalf a line\nwhole\n", dropped=9)
    assert (made.data, made.whole) == (b"whole\n", False)


def test_a_screen_drawn_long_ago_comes_with_its_modes_and_with_what_was_there_before(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replaying, "REPLAY_BYTES", 1000)
    drawn = b"\x1b[1;1Hframe" * 500
    made = replayed(b"$ htop\n" + ENTER + b"\x1b[?1000;1006h\x1b[?25l\x1b=" + drawn)
    before, entered, after = made.data.partition(ENTER)
    assert before == b"$ htop\n"
    assert entered
    assert after.startswith(b"\x1b[?25l\x1b[?1000h\x1b[?1006h\x1b=\x1b[1;1H")
    assert (made.drawn_before, made.whole) == (True, False)


def test_a_screen_that_was_left_is_not_entered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replaying, "REPLAY_BYTES", 1000)
    made = replayed(ENTER + b"drawn" + LEAVE + b"text\n" * 1000)
    assert made.data == b"text\n" * (len(made.data) // 5)
    assert not made.drawn_before


@pytest.mark.parametrize(
    ("output", "sequence"),
    [
        (b"plain", b""),
        (b"\x1b[?2004h", b"\x1b[?2004h"),
        (b"\x1b[?2004h\x1b[?2004l", b""),
        (b"\x1b[?1;2004h\x1b=", b"\x1b[?1h\x1b[?2004h\x1b="),
        (b"\x1b[?2004h\x1bc", b""),
        (b"\x1b[?47h\x1b[?1049h", ENTER),
        (b"\x1b[?12345h\x1b[31m\x1b]0;title\x07", b""),
    ],
)
def test_modes_in_force(output: bytes, sequence: bytes):
    assert modes_of(output).sequence == sequence


@given(
    st.lists(st.sampled_from([ENTER, LEAVE, b"\x1b[?2004h", b"\x1b[?1;25l", b"\x1bc", b"\x1b", b"[?", b"x\n"])),
    st.lists(st.integers(1, 5)),
)
def test_where_the_output_is_cut_makes_no_difference(parts: list[bytes], sizes: list[int]):
    output = b"".join(parts)
    pieces, at = [], 0
    for size in sizes:
        pieces.append(output[at : at + size])
        at += size
    cut, whole = modes_of(*pieces, output[at:]), modes_of(output)
    assert (cut.sequence, cut.entered) == (whole.sequence, whole.entered)
