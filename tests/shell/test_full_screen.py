"""Programs that draw on the whole screen: told once, left out, and no longer than they draw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shell.test_stream import stage
from vibesbox_kernel.models import IoMode, ProcessInfo
from vibesbox_kernel.shell.ansi import OutputFilter

# As they were recorded from the programs' own beginnings and ends.
LESS = (
    b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=root\r\n\x1b[7mfile\x1b[27m\x1b[K\r\x1b[K\x1b[?1l\x1b>\x1b[?1049l\x1b[23;0;0t"
)
TOP = (
    b"\x1b[?1h\x1b=\x1b[?25l\x1b[H\x1b[2J\x1b(B\x1b[mtop - 15\x1b[K\x1b[?1l\x1b>\x1b[25;1H\r\n\x1b[?12l\x1b[?25h\x1b[K"
)
WATCH = b"\x1b[?1049h\x1b[1;24r\x1b[4l\x1b[H\x1b[2JEvery 1.0s: date\x1b[24;1H\x1b[?1049l\x1b[23;0;0t\r\x1b[?1l\x1b>"
DRAWN = {"less": LESS, "top": TOP, "watch": WATCH}


@pytest.mark.parametrize("program", sorted(DRAWN))
@given(cut=st.integers(0, 150))
def test_what_is_drawn_is_left_out_wherever_the_bytes_are_cut(program, cut):
    data = b"before\n" + DRAWN[program] + b"\nafter\n"
    output = OutputFilter()
    text = output.feed(data[:cut]) + output.feed(data[cut:], final=True)
    assert text.replace("\r", "").split() == ["before", "after"]
    assert (output.screens.entered, output.screens.active) == (1, False)


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[H\x1b[2J\x1b[3J",  # clear
        b"\x1b[?2004hbash$ ls\r\n\x1b[?2004l\r",  # a line editor
        b"\x1b[?25l\x1b[1A\x1b[2K 50%\x1b[?25h",  # a progress bar that hides the cursor
        b"\x1b[?1h\x1b=prompt\x1b[?1l\x1b>",  # keypad codes alone
    ],
)
def test_what_moves_about_without_a_screen_of_its_own_is_shown(data):
    output = OutputFilter()
    assert output.feed(data + b"text", final=True).endswith("text")
    assert output.screens.entered == 0


async def _begin(on, name: str) -> None:
    on.manager.processes_of[on.session.info.session_id] = (ProcessInfo(pid=5, command=name),)
    on.write(b"before\n\x1b[?1049h\x1b[Hdrawn")
    await on.clock.advance(1)


@pytest.mark.anyio
async def test_it_is_said_once_what_draws_and_what_to_do():
    async with stage(name="web") as on:
        await _begin(on, "less file")
        on.write(b"\x1b[Hdrawn again")
        await on.clock.advance(3)
        on.write(b"\x1b[?1049lafter\n")
        await on.clock.advance(1)
        assert on.sink.shown == "before\nafter\n"
        (line,) = on.sink.all("line")
        assert line.startswith("[vibesbox: less file (pid 5) draws on the whole screen")
        assert "%kill web" in line
        assert "%send web" in line
        assert "%fg -w web" in line


@pytest.mark.anyio
@pytest.mark.parametrize(("io", "offers"), [(IoMode.PTY, 1), (IoMode.PIPE, 0)])
async def test_a_terminal_is_offered_once_where_the_session_has_one(io, offers):
    async with stage(io=io) as on:
        for _ in range(3):
            await _begin(on, "less file")
            on.write(b"\x1b[?1049l")
            await on.clock.advance(1)
        assert len(on.sink.all("line")) == 3
        assert on.sink.all("offer") == [on.session.info.session_id] * offers


@pytest.mark.anyio
async def test_a_program_that_is_killed_on_its_screen_takes_no_later_output_with_it():
    """Ours: a real terminal would be left on that screen; here what comes next must be seen."""
    async with stage() as on:
        await _begin(on, "vi")
        on.manager.processes_of.clear()
        on.write(b"after the kill\n", eof=True)
        await on.clock.advance(1)
        assert on.sink.shown == "before\nafter the kill\n"


@pytest.mark.anyio
async def test_a_shell_that_draws_by_itself_is_not_over_when_what_it_ran_is_gone():
    """CI: a cell that draws with printf was shown from the moment at which the seq that it ran was gone."""
    async with stage() as on:
        on.manager.processes_of[on.session.info.session_id] = (ProcessInfo(pid=5, command="seq"),)
        on.write(b"before\n\x1b[?1049h\x1b[Hdrawn")
        await on.clock.advance(0.1)
        on.manager.processes_of.clear()
        await on.clock.advance(1)
        on.write(b"drawn too")
        await on.clock.advance(1)
        on.write(b"\x1b[?1049lafter\n", eof=True)
        await on.clock.advance(1)
        assert on.sink.shown == "before\nafter\n"
        assert "a program draws" in on.sink.all("line")[0]


@pytest.mark.anyio
async def test_a_screen_that_is_over_at_once_is_not_worth_a_word():
    async with stage() as on:
        on.write(LESS + b"\rafter\n", eof=True)
        await on.clock.advance(1)
        assert on.sink.all("line") == []
        assert on.sink.shown.strip() == "after"


@pytest.mark.anyio
async def test_a_program_that_goes_up_on_its_screen_rewrites_nothing_of_the_cell():
    async with stage() as on:
        on.write(b"before\n\x1b[?1049h\x1b[5;1Hdrawn\x1b[2A over\x1b[A")
        await on.clock.advance(1)
        on.write(b"more\x1b[3A\x1b[?1049lafter\n", eof=True)
        await on.clock.advance(1)
        assert on.sink.shown == "before\nafter\n"
        assert on.sink.all("display") == on.sink.all("take back") == []
