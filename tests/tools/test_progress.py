"""What the words of ``vibesbox-progress`` mean."""

from __future__ import annotations

import pytest

from vibesbox_kernel.broker import wire
from vibesbox_kernel.tools import progress, protocol
from vibesbox_kernel.tools.progress import AmountError, Report, make_report, parse_amount


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("40/100", 0.4),
        ("1/3", 1 / 3),
        ("1.5/2", 0.75),
        ("40%", 0.4),
        ("40 %", 0.4),
        ("0.4", 0.4),
        (".5", 0.5),
        ("1", 1.0),
    ],
)
def test_an_amount_is_a_part_a_percentage_or_a_fraction(text, fraction):
    assert parse_amount(text) == pytest.approx(fraction)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "say how far it has come: 40/100, 40% or 0.4"),
        ("many", "'many' is no amount; write 40/100"),
        ("40", "40 is more than the whole; for 40 percent write 40%"),
        ("120%", "120% is more than the whole"),
        ("3/2", "3/2 is more than the whole"),
        ("3/0", "nothing can be a part of 0"),
        ("-1", "no amount"),
        ("nan", "no amount"),
    ],
)
def test_what_is_no_amount_says_what_would_be_one(text, hint):
    with pytest.raises(AmountError) as caught:
        parse_amount(text)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("state", "words", "report"),
    [
        ("normal", ["40%"], Report("normal", 0.4, None)),
        ("normal", ["40%", "epoch", " 3\n"], Report("normal", 0.4, "epoch 3")),
        ("normal", ["40%", ""], Report("normal", 0.4, "")),
        ("error", [], Report("error", None, None)),
        ("error", ["disk", "full"], Report("error", None, "disk full")),
        ("error", ["40%", "disk full"], Report("error", 0.4, "disk full")),
        ("paused", ["1/2"], Report("paused", 0.5, None)),
        ("indeterminate", ["3", "left"], Report("indeterminate", None, "3 left")),
        ("none", [], Report("none", None, None)),
    ],
)
def test_a_command_line_is_a_report(state, words, report):
    assert make_report(state, words) == report


def test_done_takes_no_text():
    with pytest.raises(AmountError, match="takes the bar away"):
        make_report("none", ["trained"])


def test_the_command_and_the_broker_mean_the_same():
    assert protocol.BROKER_VARIABLE == wire.BROKER_VARIABLE
    assert progress.MAX_TEXT_CHARACTERS == wire.MAX_PROGRESS_TEXT
