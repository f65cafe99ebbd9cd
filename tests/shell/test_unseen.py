"""Characters that nobody sees in a cell."""

from __future__ import annotations

import pytest

from vibesbox_kernel.shell.unseen import without_unseen


@pytest.mark.parametrize("script", ["", "echo a\n", "printf 'a\rb'\n", "echo \t!x\u2028\ufeff", "echo '\udce9'"])
def test_an_ordinary_cell_stays_as_it_is(script: str) -> None:
    assert without_unseen(script) == (script, ())


def test_nul_is_left_out_as_bash_does_it_and_that_is_said() -> None:
    assert without_unseen("ec\0ho\0") == ("echo", ("the cell has 2 NUL characters, which bash leaves out",))


def test_a_byte_order_mark_is_left_out_and_that_is_said() -> None:
    script, (notice,) = without_unseen("\ufeffecho \ufeff")
    assert script == "echo \ufeff"
    assert "U+FEFF" in notice


@pytest.mark.parametrize(
    ("script", "where"),
    [("a\nb\r\n", "line 6 ends"), ("a\r\nb\r", "lines 5, 6 end"), ("a\r\n" * 9, "lines 5, 6, 7 and others end")],
)
def test_the_line_ends_of_windows_stay_and_are_said_by_line(script: str, where: str) -> None:
    same, (notice,) = without_unseen(script, first_line=5)
    assert same == script
    assert notice.startswith(f"{where} in a carriage return")


def test_half_a_character_becomes_one_that_can_be_written() -> None:
    script, (notice,) = without_unseen("echo \ud83d")
    assert script.encode() == "echo \ufffd".encode()
    assert "1 half character" in notice
