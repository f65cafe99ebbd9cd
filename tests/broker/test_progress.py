"""Reports of progress: found in output however it is cut, and told on at a bearable pace."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.broker.parts import HandLoop, a_session
from vibesbox_kernel.broker.progress import PAUSE_SECONDS, ProgressBoard
from vibesbox_kernel.broker.progress_reports import Report, find_reports

BEL, ST = b"\x07", b"\x1b\\"


def fold(chunks: list[bytes]) -> list[Report]:
    """The reports in what several reads gave."""
    reports, begun = [], b""
    for chunk in chunks:
        found, begun = find_reports(chunk, begun)
        reports += found
    return reports


@pytest.mark.parametrize(
    ("data", "report"),
    [
        (b"\x1b]9;4;1;40" + BEL, Report("normal", 0.4)),
        (b"\x1b]9;4;1;40" + ST, Report("normal", 0.4)),
        (b"\x1b]9;4;1" + BEL, Report("normal", 0.0)),
        (b"\x1b]9;4;1;250" + BEL, Report("normal", 1.0)),
        (b"\x1b]9;4;2;90" + BEL, Report("error", 0.9)),
        (b"\x1b]9;4;2" + ST, Report("error")),
        (b"\x1b]9;4;3;0;" + BEL, Report("indeterminate", 0.0)),
        (b"\x1b]9;4;4;" + BEL, Report("paused")),
        (b"\x1b]9;4;0;" + BEL, Report("none")),
        (b"\x1b]9;4;0;0" + ST, Report("none", 0.0)),
    ],
)
def test_each_state_is_read_as_terminals_read_it(data, report):
    assert find_reports(b"before" + data + b"after", b"") == ([report], b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain",
        b"\x1b[31mred\x1b[0m",
        b"]9;4;1;40\x07",
        b"\x1b]9;4;7;1\x07",
        b"\x1b]9;5;1\x07",
        b"\x1b]9;4;1;4x\x07",
    ],
)
def test_what_is_no_report_is_none(data):
    assert find_reports(data, b"") == ([], b"")


def test_what_never_ends_is_not_kept():
    begun = b"\x1b]9;4;1;"
    for _ in range(1000):
        found, begun = find_reports(b"1", begun)
        assert (found, len(begun) < 32) == ([], True)
    assert begun == b""


PIECES = st.sampled_from(
    [
        b"\x1b]9;4;1;40" + BEL,
        b"\x1b]9;4;3" + ST,
        b"\x1b]9;4;0;" + BEL,
        b"x",
        b"\x1b",
        b"\x1b[0m",
        b"\x1b]0;t" + BEL,
        b"]9;4;",
    ]
)


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 120), max_size=10))
def test_however_a_stream_is_cut_its_reports_are_found(pieces, cuts):
    whole = b"".join(pieces)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    chunks = [whole[start:end] for start, end in pairwise(places)]
    assert fold(chunks) == fold([whole])


def test_of_very_many_reports_in_one_read_the_last_is_found():
    flood = b"".join(b"\x1b]9;4;1;%d\x07" % (number % 101) for number in range(6000))
    reports, _ = find_reports(flood, b"")
    assert reports[-1] == Report("normal", (5999 % 101) / 100)
    assert len(reports) < 50


class Told:
    """A board whose pauses end when the test says, and what clients were told."""

    def __init__(self, directory) -> None:
        self.loop = HandLoop()
        self.session = a_session(directory)
        self.told: list[object] = []
        self.board = ProgressBoard(self.loop, on_changed=lambda session: self.told.append(session.progress))

    def report(self, *reports: Report) -> None:
        self.board.take(self.session, reports)


@pytest.fixture
def board(tmp_path) -> Told:
    return Told(tmp_path)


def normal(fraction: float, text: str = "") -> dict[str, object]:
    return {"state": "normal", "fraction": fraction, "text": text}


def test_the_first_report_is_told_at_once_and_then_the_last_of_each_pause(board):
    for percent in range(100):
        board.report(Report("normal", percent / 100))
    assert board.told == [normal(0.0)]
    assert board.loop.delays == [pytest.approx(PAUSE_SECONDS, rel=0.5)]
    board.loop.fire()
    assert board.told == [normal(0.0), normal(0.99)]
    board.loop.fire()
    assert (len(board.told), board.loop.delays) == (2, [])  # nothing new: nobody is woken


def test_what_says_nothing_new_is_not_told(board):
    board.report(Report("normal", 0.5))
    board.report(Report("normal", 0.5))
    board.loop.fire()
    assert board.told == [normal(0.5)]


def test_what_a_report_leaves_out_stands(board):
    board.report(Report("normal", 0.5, "epoch  3\n"), Report("error"))
    assert board.session.progress == {"state": "error", "fraction": 0.5, "text": "epoch 3"}
    board.report(Report("indeterminate", 0.2), Report("paused", None, ""))
    assert board.session.progress == {"state": "paused", "fraction": None, "text": ""}
    board.report(Report("none"))
    assert board.session.progress is None


def test_a_text_is_one_line_of_bounded_length_without_what_does_not_print(board):
    board.report(Report("normal", 0.5, "a\tb\x1b[31m\ud800" + "x" * 500))
    text = board.session.progress["text"]
    assert text.startswith("a b?[31m?x")
    assert len(text) == 200


def test_a_session_that_is_over_or_not_listed_reports_nothing(board):
    board.session.over = True
    board.report(Report("normal", 0.5))
    board.session.over, board.session.listed = False, False
    board.report(Report("normal", 0.5))
    assert (board.session.progress, board.told) == (None, [])


def test_at_its_end_nothing_of_it_is_left_to_tell(board):
    board.report(Report("normal", 0.5))
    board.report(Report("normal", 0.6))
    board.board.forget(board.session)
    board.loop.fire()
    assert (board.session.progress, len(board.told)) == (None, 1)
