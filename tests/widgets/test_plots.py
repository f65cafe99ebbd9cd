"""A session's figures as lines."""

from __future__ import annotations

from vibesbox_kernel.models import ProcessInfo, Usage
from vibesbox_kernel.widgets.details import as_tree
from vibesbox_kernel.widgets.last_lines import last_line
from vibesbox_kernel.widgets.plots import plot, spark


def usage(at: float, cpu: float = 0.0, rss: int = 0, output: int = 0) -> Usage:
    return Usage(at=at, cpu=cpu, rss=rss, processes=1, read_bytes=0, written_bytes=0, output_bytes=output)


def test_what_only_grows_is_drawn_as_its_rate() -> None:
    lines = plot([usage(1, 0.5, 10, 100), usage(2, 1.5, 30, 100)])
    assert lines == {"at": [1.0, 2.0], "cpu": [50.0, 100.0], "rss": [10, 30], "output": [100.0, 0.0]}


def test_a_long_quiet_time_is_drawn_as_one() -> None:
    lines = plot([usage(1, 1.0, 10), usage(100, 2.0, 10)])
    assert lines["at"] == [1.0, 99.0, 100.0]
    assert lines["cpu"] == [100.0, 0.0, 100.0]


def test_of_very_many_points_few_are_left_and_no_peak_of_memory_is_lost() -> None:
    points = [usage(at, at, 10 if at != 777 else 99) for at in range(1, 1001)]
    lines = plot(points, most=100)
    assert len(lines["at"]) <= 101
    assert max(lines["rss"]) == 99
    assert lines["at"][-1] == 1000


def test_nothing_is_drawn_of_nothing() -> None:
    assert plot([])["at"] == []
    assert spark([], 0.0) == ([], [])


def test_a_spark_has_one_value_for_each_of_the_last_seconds() -> None:
    cpu, rss = spark([usage(at, at * 0.5, 7) for at in range(1, 101)], 100.0)
    assert (len(cpu), len(rss)) == (60, 60)
    assert set(cpu) == {50}
    assert set(rss) == {7}


def test_a_tree_has_each_process_behind_its_parent() -> None:
    processes = [ProcessInfo(pid=pid, parent=parent) for pid, parent in ((5, 1), (9, 1), (7, 5), (8, 7), (6, 5))]
    assert [(depth, one.pid) for depth, one in as_tree(processes)] == [(0, 5), (1, 7), (2, 8), (1, 6), (0, 9)]


def test_a_last_line_is_the_last_that_says_something_in_plain_text() -> None:
    assert last_line("one\n\x1b[31mtwo\x1b[0m\n \n") == "two"
    assert last_line("") == ""
    assert last_line("a\tb\u202e\x07") == "a b??"
    assert last_line("x" * 300) == "…" + "x" * 199
