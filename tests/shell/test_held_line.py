"""The unfinished last line of a cell's output: what is held back, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.shell.conversation import echo_of, last_line
from vibesbox_kernel.shell.held_line import HOLD_SECONDS, HeldLine

pytestmark = pytest.mark.anyio


class FakeSink:
    """Takes down what it is given to show."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @property
    def shown(self) -> str:
        return "".join(self.calls)

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        self.calls.append(text)

    def line(self, text: str) -> None:
        self.calls.append(text)

    def passing(self, text: str) -> None:
        self.calls.append(f"(passing {text})" if text else "")

    def take_back(self, lines: int) -> None:
        self.calls.append(f"({lines} lines back)")

    def offer_terminal(self, session_id: str) -> None:
        self.calls.append(f"(a terminal for {session_id})")

    def omitted(self, notice: str) -> None:
        self.calls.append(notice)

    def tail(self, text: str) -> None:
        self.calls.append(text)

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        self.calls.append(data["text/plain"])


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


async def test_whole_lines_pass_at_once(sink):
    """Ours: nothing that ends is a prompt."""
    line = HeldLine(sink)
    line.text("one\ntwo\n")
    assert sink.shown == "one\ntwo\n"


async def test_an_unfinished_line_passes_a_little_later(sink):
    """Ours: unless somebody takes it."""
    line = HeldLine(sink)
    line.text("one\nName: ")
    assert sink.shown == "one\n"
    await asyncio.sleep(2 * HOLD_SECONDS)
    assert sink.shown == "one\nName: "


@pytest.mark.parametrize(("is_prompt", "shown"), [(True, ""), (False, "Name: ")])
async def test_when_its_time_is_up_it_is_asked_whether_it_is_a_prompt(sink, is_prompt: bool, shown: str):
    """Ours: on a busy machine that takes longer to see."""
    line, asked = HeldLine(sink), asyncio.Event()

    async def decide() -> bool:
        asked.set()
        return is_prompt

    line.decide_by(decide)
    line.text("Name: ")
    async with asyncio.timeout(5):
        await asked.wait()
    await asyncio.sleep(0)
    assert sink.shown == shown
    line.close()
    assert sink.shown == "Name: "


async def test_what_goes_on_does_not_wait_for_ever(sink):
    """Ours: dots that come one by one are late by no more than one alone."""
    line = HeldLine(sink)
    async with asyncio.timeout(5):
        while not sink.shown:
            line.text(".")
            await asyncio.sleep(HOLD_SECONDS / 10)


async def test_a_prompt_that_was_answered_is_not_shown(sink):
    """Ours: the front-end shows it, with the answer."""
    line = HeldLine(sink)
    line.text("Name: ")
    line.lend()
    line.drop_lent()
    line.close()
    assert sink.shown == ""


async def test_a_prompt_that_nobody_has_answered_is_shown(sink):
    """Ours: before anything else that is said of the cell's end."""
    line = HeldLine(sink)
    line.text("Name: ")
    line.lend()
    assert sink.shown == ""
    line.close()
    assert sink.shown == "Name: "


async def test_progress_is_not_held(sink):
    r"""Ours: a line that returns to its start with ``\r`` is no prompt."""
    HeldLine(sink).text("\r 45 %")
    assert sink.shown == "\r 45 %"


async def test_the_echo_of_an_answer_is_left_out_however_it_is_cut(sink):
    """POSIX: a terminal echoes what is typed."""
    line = HeldLine(sink)
    line.expect_echo("Ada\n")
    for piece in ("A", "da", "\nhello ", "Ada\n"):
        line.text(piece)
    assert sink.shown == "hello Ada\n"


async def test_what_is_no_echo_is_shown_whole(sink):
    """Ours: rather an echo too many than output that is missing."""
    line = HeldLine(sink)
    line.expect_echo("yes\n")
    for piece in ("ye", "llow\n", "yes\n"):
        line.text(piece)
    assert sink.shown == "yellow\nyes\n"


@pytest.mark.parametrize(
    "other",
    [
        lambda line: line.text("!\n", StreamName.STDERR),
        lambda line: line.line("[vibesbox: a word]"),
        lambda line: line.omitted("much"),
        lambda line: line.tail("end"),
        lambda line: line.display({"text/plain": "a picture"}),
    ],
)
async def test_nothing_overtakes_what_is_held(sink, other: Callable[[HeldLine], None]):
    """Ours: the order of what is shown is that of the output."""
    line = HeldLine(sink)
    line.text("held")
    other(line)
    assert sink.calls[0] == "held"
    assert len(sink.calls) == 2


@given(st.lists(st.text("ab\r\n", max_size=4), max_size=12))
async def test_nothing_is_lost_or_changed(pieces: list[str]):
    """Ours: whatever the pieces."""
    sink = FakeSink()
    line = HeldLine(sink)
    for piece in pieces:
        line.text(piece)
    line.close()
    assert sink.shown == "".join(pieces)


@pytest.mark.parametrize(
    ("typed", "echoed"), [("a b\n", "a b\n"), ("tab\tä\n", "tab\tä\n"), ("\x1b[A\x7f\n", "^[[A^?\n"), ("\x01", "^A")]
)
async def test_control_characters_are_echoed_by_name(typed: str, echoed: str):
    """POSIX: termios, ECHOCTL."""
    assert echo_of(typed) == echoed


@pytest.mark.parametrize(
    ("output", "prompt"),
    [
        (b"one\nName: ", "Name: "),
        (b"one\n", ""),
        (b"", ""),
        (b"\x1b[1mBold?\x1b[0m ", "Bold? "),
        (b"old\rnew? ", "new? "),
        ("größer? ".encode(), "größer? "),
        (b"\x1b]0;title\x07$ ", "$ "),
    ],
)
async def test_a_prompt_is_the_last_line_as_plain_text(output: bytes, prompt: str):
    """Ours: what a person reads before the cursor."""
    assert last_line(output) == prompt
