"""What a cell's text is without its last lines."""

from __future__ import annotations

from vibesbox_kernel.frontends.journal import MAX_CHARACTERS, Journal


def journal(*messages: tuple[str, str]) -> Journal:
    made = Journal()
    assert all(made.add(name, text) for name, text in messages)
    return made


def test_the_last_lines_are_left_out_and_one_that_is_not_ended():
    texts = journal(("stdout", "one\ntwo\n"), ("stdout", "three\nfour"))
    assert texts.without_last(0) == [("stdout", "one\ntwo\nthree\n")]
    assert texts.without_last(2) == [("stdout", "one\n")]
    assert texts.without_last(3) == texts.without_last(9) == []


def test_lines_of_the_other_stream_stay():
    assert journal(("stderr", "warning\n"), ("stdout", "bar")).without_last(3) == [("stderr", "warning\n")]


def test_nothing_to_leave_out_is_no_reason_to_clear_a_cell():
    assert journal().without_last(3) is None
    assert journal(("stdout", "one\n")).without_last(0) is None


def test_of_much_text_there_is_no_journal():
    made = Journal()
    assert made.add("stdout", "x" * MAX_CHARACTERS)
    assert not made.add("stdout", "x")
