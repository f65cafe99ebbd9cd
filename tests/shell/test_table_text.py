"""The table of sessions as text and as HTML."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shell.fake_manager import BEGIN, FakeManager
from vibesbox_kernel.models import EndReason, Progress, ProgressState, SessionInfo
from vibesbox_kernel.shell.progress_text import progress_bar
from vibesbox_kernel.shell.table_text import HEADINGS, columns, html_table, text_table

NOW = BEGIN + timedelta(seconds=185)


def running(command: str = "make", **facts: Any) -> SessionInfo:
    return FakeManager().add(command, **facts).info


def ended(reason: EndReason, **facts: Any) -> SessionInfo:
    return running(status=reason.status, end_reason=reason, ended_at=BEGIN + timedelta(seconds=7), **facts)


def test_a_row_says_everything_in_aligned_columns():
    table = text_table(
        [
            running("python3 -m http.server", name="web", pid=4242, cpu=1.25, rss=24_500_000, output_bytes=1234),
            ended(EndReason.EXITED, exit_code=3, pid=7, rss=5),
        ],
        now=NOW,
        width=120,
    )
    assert table.splitlines() == [
        "name   pid  status   exit  elapsed    CPU  memory  output  command",
        "web   4242  running         3m 05s  1.2 s   24 MB  1.2 kB  python3 -m http.server",
        "         7  exited   3       7.0 s                    0 B  make",
    ]


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (running(waiting_for_input=True), "waits for input"),
        (ended(EndReason.KILLED, signal=9), "killed SIGKILL"),
        (ended(EndReason.TERMINATED, signal=2), "killed SIGINT"),
        (ended(EndReason.TIMED_OUT, signal=2), "timed out SIGINT"),
        (ended(EndReason.LOST), "lost"),
        (running(exit_code=0), "running 0"),
    ],
)
def test_the_status_is_in_words(info, words):
    assert words in " ".join(text_table([info], now=NOW, width=200).split())


def test_without_sessions_the_table_says_so():
    assert text_table([], now=NOW, width=80) == "no sessions\n"
    assert "no sessions" in html_table([], now=NOW)


def test_a_long_command_is_cut_and_says_so():
    lines = text_table([running("x" * 500)], now=NOW, width=80).splitlines()
    assert columns(lines[1]) == 80
    assert lines[1].endswith("x…")


def test_of_a_script_the_first_line_is_shown():
    assert text_table([running("\n\n  cd /tmp\nmake\n")], now=NOW, width=120).splitlines()[1].endswith("  cd /tmp …")


def test_a_wide_character_counts_as_two_columns():
    assert columns("日本") == 4
    assert columns("é") == columns("e\u0301") == 1


@given(st.lists(st.tuples(st.text(max_size=40), st.text(min_size=1, max_size=60)), max_size=4), st.integers(1, 130))
def test_whatever_is_in_it_no_line_wraps_and_there_is_one_for_each_session(rows, width):
    sessions = [running(command, name=name or None) for name, command in rows]
    table = text_table(sessions, now=NOW, width=width)
    lines = table.splitlines()
    assert len(lines) == len(rows) + 1 if rows else table == "no sessions\n"
    assert not rows or all(columns(line) <= width for line in lines)


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


@given(st.text(max_size=60), st.text(min_size=1, max_size=60))
def test_html_shows_what_the_user_wrote_and_never_becomes_part_of_the_page(name, command):
    cells = Cells()
    cells.feed(html_table([running(f"<script>&{command}", name=f"<b>{name}")], now=NOW))
    assert set(cells.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td", "code"}
    assert any(text.startswith("<script>&") for text in cells.texts)


def test_html_has_the_semantics_of_a_table():
    page = html_table([running(name="web")], now=NOW, caption="Sessions of today")
    assert "<caption>Sessions of today</caption>" in page
    assert page.count('scope="col"') == len(HEADINGS)
    assert page.count('scope="row"') == 1


def test_where_a_session_reports_its_progress_there_is_a_column_for_it():
    training = Progress(fraction=0.42, text="epoch 3 <b>")
    sessions = [running("make"), running("python train.py", name="train", progress=training)]
    lines = text_table(sessions, now=NOW, width=160).splitlines()
    assert lines[0].split()[-2:] == ["progress", "command"]
    assert "[####------] 42 % epoch 3 <b>  python train.py" in lines[2]
    assert "[####------] 42 % epoch 3 &lt;b&gt;</td>" in html_table(sessions, now=NOW)
    assert "progress" not in html_table(sessions[:1], now=NOW)


def test_a_long_text_of_progress_leaves_room_for_the_rest():
    lines = text_table([running(progress=Progress(fraction=0.5, text="x" * 200))], now=NOW, width=120).splitlines()
    assert "x…  make" in lines[1]


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (Progress(fraction=0.0), "[----------] 0 %"),
        (Progress(fraction=0.999, text="nearly"), "[#########-] 99 % nearly"),
        (Progress(fraction=0.29), "[##--------] 29 %"),
        (Progress(fraction=1.0), "[##########] 100 %"),
        (Progress(fraction=0.4, state=ProgressState.ERROR, text="disk full"), "[####------] 40 % error: disk full"),
        (Progress(state=ProgressState.PAUSED), "[??????????] paused"),
        (Progress(state=ProgressState.INDETERMINATE), "[??????????] working"),
        (Progress(state=ProgressState.INDETERMINATE, text="resolving"), "[??????????] resolving"),
        (None, ""),
    ],
)
def test_a_bar_says_how_far_and_how_it_goes(progress, shown):
    assert progress_bar(progress) == shown
