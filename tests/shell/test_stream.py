"""A session's output on its way to a front-end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import anyio
import pytest

from tests.shell.fake_manager import FakeManager, FakeSession, VirtualClock, settle
from vibesbox_kernel.errors import DisplayRefusedError
from vibesbox_kernel.models import StreamName
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.displays import Display
from vibesbox_kernel.shell.stream import OutputPump

pytestmark = pytest.mark.anyio


@dataclass
class Recorder:
    """A sink that notes what it gets, and when."""

    clock: VirtualClock
    got: list[tuple[float, str, str]] = field(default_factory=list)
    streams: list[StreamName] = field(default_factory=list)
    displays: list[tuple[str | None, bool]] = field(default_factory=list)

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        assert text
        assert not text.endswith("\r")
        self.got.append((self.clock.now(), "text", text))
        self.streams.append(stream)

    def passing(self, text: str) -> None:
        self.got.append((self.clock.now(), "passing", text))

    def take_back(self, lines: int) -> None:
        self.got.append((self.clock.now(), "take back", str(lines)))

    def line(self, text: str) -> None:
        self.got.append((self.clock.now(), "line", text))

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        self.got.append((self.clock.now(), "display", str(data.get("text/plain"))))
        self.displays.append((display_id, update))

    def offer_terminal(self, session_id: str) -> None:
        self.got.append((self.clock.now(), "offer", session_id))

    def omitted(self, notice: str) -> None:
        assert "\n" not in notice
        self.got.append((self.clock.now(), "omitted", notice))

    def tail(self, text: str) -> None:
        self.got.append((self.clock.now(), "tail", text))

    def all(self, kind: str) -> list[str]:
        return [what for _, which, what in self.got if which == kind]

    def times(self, *kinds: str) -> list[float]:
        return [when for when, which, _ in self.got if not kinds or which in kinds]

    @property
    def shown(self) -> str:
        return "".join(self.all("text"))


@dataclass
class Stage:
    clock: VirtualClock
    manager: FakeManager
    session: FakeSession
    sink: Recorder
    pump: OutputPump
    task: asyncio.Task[None]

    def write(self, data: bytes, *, eof: bool = False) -> None:
        self.manager.write(self.session, data, eof=eof)


@asynccontextmanager
async def stage(*, name: str | None = "web", before: bytes = b"", start: int = 0, **facts: Any) -> AsyncIterator[Stage]:
    clock, manager = VirtualClock(), FakeManager()
    session = manager.add(name=name, **facts)
    manager.write(session, before)
    sink = Recorder(clock)
    pump = OutputPump(cast("SessionManager", manager), session.info.session_id, sink, start=start, clock=clock)
    task = asyncio.ensure_future(pump.run())
    try:
        with anyio.fail_after(5):
            yield Stage(clock, manager, session, sink, pump, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_first_bytes_are_shown_within_five_milliseconds():
    async with stage() as on:
        await on.clock.advance(1)
        on.write(b"hi\n")
        await on.clock.advance(0.005)
        assert on.sink.all("text") == ["hi\n"]


async def test_bytes_that_come_together_are_one_message():
    async with stage() as on:
        on.write(b"a")
        await settle()
        on.write(b"b")
        await on.clock.advance(0.005)
        assert on.sink.all("text") == ["ab"]


async def test_a_flush_shows_everything_at_once_without_time_passing():
    async with stage() as on:
        for number in range(20):  # uses up the burst
            on.write(b"%d\n" % number)
            await on.clock.advance(0.005)
        on.write(b"last")
        before = on.clock.now()
        await on.pump.flush_to(len(on.session.output))
        assert on.clock.now() == before
        assert on.sink.shown == "".join(f"{number}\n" for number in range(20)) + "last"


async def test_a_flush_before_the_pump_has_seen_anything_shows_everything():
    async with stage() as on:
        on.write(b"hi\n")
        await on.pump.flush_to(3)
        assert on.sink.all("text") == ["hi\n"]
        await on.clock.advance(1)
        assert on.sink.all("text") == ["hi\n"]


async def test_five_messages_at_once_then_one_every_fifth_of_a_second():
    """Ours: promise 5."""
    async with stage() as on:
        for number in range(1000):
            on.write(b"line %d\n" % number)
            await on.clock.advance(0.005)
        times = on.sink.times()
        for count, first in enumerate(times):
            for further, later in enumerate(times[count:]):
                assert further + 1 <= 5 + (later - first) / 0.2 + 1e-6
        assert len(times) > 20
        await on.pump.flush_to(len(on.session.output))
        assert on.sink.shown == on.session.output.decode()


async def test_the_last_message_of_an_ended_cell_is_within_the_limit_too():
    async with stage() as on:
        for number in range(8):
            on.write(b"%d" % number)
            await on.clock.advance(0.005)
        await on.pump.flush_to(8)
        assert on.sink.shown == "01234567"
        assert len(on.sink.got) <= 5


async def test_never_more_than_300_kilobytes_in_any_second():
    async with stage() as on:
        for number in range(400):  # a progress bar of ten thousand characters, never longer in the front-end
            on.write(b"\r" + b"%9d" % number * 1200)
            await on.clock.advance(0.01)
        sizes = [(when, len(what)) for when, _, what in on.sink.got]
        assert len(sizes) > 10
        for begin, _ in sizes:
            assert sum(size for when, size in sizes if begin <= when < begin + 1) <= 300_000


async def test_the_pump_ends_with_the_output():
    async with stage() as on:
        on.write(b"abc", eof=True)
        await on.clock.advance(1)
        assert on.task.done()
        assert on.sink.shown == "abc"


async def test_a_session_without_output_shows_nothing():
    async with stage() as on:
        on.write(b"", eof=True)
        await on.pump.flush_to(0)
        await on.clock.advance(1)
        assert on.task.done()
        assert on.sink.got == []


async def test_a_carriage_return_waits_for_what_follows():
    async with stage() as on:
        on.write(b"50%\r")
        await on.clock.advance(1)
        assert on.sink.all("text") == ["50%"]
        on.write(b"60%\r\n", eof=True)
        await on.clock.advance(1)
        assert on.sink.all("text") == ["50%", "\r60%\n"]


async def test_a_character_cut_in_two_comes_whole():
    async with stage() as on:
        on.write("é".encode()[:1])
        await on.clock.advance(1)
        assert on.sink.got == []
        on.write("é".encode()[1:])
        await on.clock.advance(1)
        assert on.sink.shown == "é"


async def test_a_pump_can_begin_in_the_middle():
    async with stage(before=b"old\nnew\n", start=4) as on:
        await on.clock.advance(1)
        assert on.sink.shown == "new\n"


async def test_dropped_output_is_said_in_its_place():
    async with stage() as on:
        on.write(b"begin")
        await on.clock.advance(1)
        on.session.oldest = 1005
        on.write(b"x" * 1000 + b"end\n")
        await on.clock.advance(1)
        assert on.sink.shown == "begin\n[vibesbox: 1000 bytes of output were dropped here]\nend\n"


async def test_a_fast_progress_bar_is_a_short_message():
    async with stage() as on:
        on.write(b"".join(b"\r%5d of 20000" % number for number in range(20_000)), eof=True)
        await on.pump.flush_to(len(on.session.output))
        await on.clock.advance(2)
        shown = on.sink.shown + "".join(on.sink.all("tail"))
        assert "19999 of 20000" in shown
        assert len(shown) < 1000


async def test_a_thousand_lines_are_text_and_nothing_else():
    async with stage() as on:
        lines = b"".join(b"%d\n" % number for number in range(1000))
        on.write(lines, eof=True)
        await on.clock.advance(5)
        assert on.task.done()
        assert on.sink.shown == lines.decode()
        assert len(on.sink.got) == len(on.sink.all("text"))


async def test_a_little_more_than_the_head_is_shown_whole():
    async with stage() as on:
        lines = b"".join(b"%d\n" % number for number in range(1150))
        on.write(lines)
        await settle()
        await on.pump.flush_to(len(lines))
        assert on.sink.shown == lines.decode()
        assert len(on.sink.got) == len(on.sink.all("text"))


async def test_a_flood_shows_head_notice_and_tail_and_counts_what_is_left_out():
    async with stage() as on:
        flood = b"".join(b"%d\n" % number for number in range(200_000))
        on.write(flood, eof=True)
        await on.pump.flush_to(len(flood))
        await on.clock.advance(3)
        assert on.task.done()
        kinds = [kind for _, kind, _ in on.sink.got]
        assert kinds == ["text", "omitted", "tail"]
        assert on.sink.shown == "".join(f"{number}\n" for number in range(1000))
        (tail,) = on.sink.all("tail")
        assert tail == "".join(f"{number}\n" for number in range(199_800, 200_000))
        left_out = len(flood) - len(on.sink.shown) - len(tail)
        (notice,) = on.sink.all("omitted")
        assert f"{left_out:,} bytes" in notice
        assert "%tail web -n 200" in notice


async def test_the_notice_of_an_unnamed_session_gives_its_pid():
    async with stage(name=None) as on:
        on.write(b"x\n" * 5000, eof=True)
        await on.clock.advance(3)
        assert "%tail 100 -n 200" in on.sink.all("omitted")[-1]


async def test_a_running_flood_costs_nearly_nothing_and_its_tail_moves_once_a_second():
    async with stage() as on:
        block = b"".join(b"%07d\n" % number for number in range(5000))  # 40 kB
        for number in range(500):  # 20 MB in 5 s
            on.session.output += block + b"%d\n" % number
            on.session.news.set()
            await on.clock.advance(0.01)
        assert on.manager.bytes_read < 1_500_000
        tails = on.sink.times("tail")
        assert 3 <= len(tails) <= 6
        assert all(later - earlier > 0.999 for earlier, later in pairwise(tails))
        assert len(on.sink.all("omitted")) == 1
        on.write(b"the end\n", eof=True)
        await on.clock.advance(2)
        assert on.task.done()
        assert on.sink.all("tail")[-1].endswith("0004999\n499\nthe end\n")
        assert len(on.sink.all("omitted")) == 2
        left_out = len(on.session.output) - len(on.sink.shown) - len(on.sink.all("tail")[-1])
        assert f"{left_out:,} bytes" in on.sink.all("omitted")[-1]


async def test_a_long_line_without_end_is_cut_between_characters():
    async with stage() as on:
        on.write("é".encode() * 200_000, eof=True)
        await on.clock.advance(3)
        assert set(on.sink.shown) == {"é"}
        assert len(on.sink.shown) <= 100_000
        assert set(on.sink.all("tail")[-1]) == {"é"}


async def test_a_200_kilobyte_line_comes_whole():
    async with stage() as on:
        line = b"x" * 200_000 + b"\n"
        on.write(line, eof=True)
        await on.clock.advance(5)
        assert on.sink.shown == line.decode()


async def test_a_flood_of_nothing_to_show_ends_the_head():
    async with stage() as on:
        on.write(b"\0" * 5_000_000, eof=True)
        await on.pump.flush_to(5_000_000)
        await on.clock.advance(10)
        assert on.task.done()
        assert on.manager.bytes_read < 2_000_000
        assert on.sink.shown == ""


async def test_background_output_after_a_flush_still_comes():
    async with stage() as on:
        on.write(b"foreground\n")
        await on.pump.flush_to(11)
        on.write(b"background\n", eof=True)
        await on.clock.advance(1)
        assert on.sink.shown == "foreground\nbackground\n"
        assert on.task.done()


async def test_a_background_flood_after_a_flushed_flood_is_counted_to_the_byte():
    async with stage() as on:
        flood = b"%06d\n" * 1 % 7 * 50_000
        on.write(flood)
        await on.pump.flush_to(len(flood))
        on.write(flood, eof=True)
        await on.clock.advance(3)
        assert on.task.done()
        left_out = len(on.session.output) - len(on.sink.shown) - len(on.sink.all("tail")[-1])
        assert f"{left_out:,} bytes" in on.sink.all("omitted")[-1]


async def test_a_tail_performs_what_overwrites():
    async with stage() as on:
        on.write(b"x\n" * 5000 + b"10%\r20%\r\x1b[Kdone\n", eof=True)
        await on.clock.advance(3)
        assert on.sink.all("tail")[-1].endswith("x\ndone\n")


async def test_a_cancelled_pump_can_still_be_flushed():
    async with stage() as on:
        on.write(b"a")
        await on.clock.advance(1)
        on.task.cancel()
        await settle()
        on.write(b"b")
        await on.pump.flush_to(2)
        assert on.sink.shown == "ab"


def in_split(session: FakeSession, *pieces: tuple[StreamName, bytes]) -> bytes:
    """Output of both streams, which a session notes as such; returns it."""
    data = b""
    for stream, piece in pieces:
        begin = len(session.output) + len(data)
        data += piece
        if stream is StreamName.STDERR:
            session.errors.append((begin, begin + len(piece)))
    return data


OUT, ERR = StreamName.STDOUT, StreamName.STDERR


async def test_two_streams_come_apart_and_in_their_order():
    async with stage() as on:
        on.write(in_split(on.session, (OUT, b"one\n"), (ERR, b"two\n"), (OUT, b"three\n")), eof=True)
        await on.clock.advance(1)
        assert on.sink.all("text") == ["one\n", "two\n", "three\n"]
        assert on.sink.streams == [OUT, ERR, OUT]


async def test_a_character_cut_in_two_by_the_other_stream_comes_whole():
    """Ours: each stream has its own half characters and escape sequences."""
    async with stage() as on:
        on.write(in_split(on.session, (OUT, b"\xc3"), (ERR, b"!"), (OUT, b"\xa9\n")), eof=True)
        await on.clock.advance(1)
        assert on.sink.all("text") == ["!", "é\n"]


async def test_streams_that_go_to_and_fro_for_ever_become_few_messages():
    """Ours: a page shows fifty outputs of a cell, and hides what is beyond."""
    async with stage() as on:
        for _ in range(400):
            on.write(in_split(on.session, (OUT, b"out\n"), (ERR, b"err\n")))
            await on.clock.advance(0.01)
        on.write(b"", eof=True)
        await on.clock.advance(5)
        assert on.sink.shown.count("out") == on.sink.shown.count("err") == 400
        assert len(on.sink.streams) < 60


async def test_a_display_comes_after_the_output_before_its_cursor_and_before_the_rest():
    async with stage() as on:
        on.write(b"before\n")
        await on.pump.show(Display({"text/plain": "picture"}, 7), 7)
        on.write(b"after\n", eof=True)
        await on.clock.advance(1)
        assert [kind for _, kind, _ in on.sink.got] == ["text", "display", "text"]
        assert on.sink.shown == "before\nafter\n"


async def test_displays_come_at_a_pace_and_an_id_is_replaced():
    async with stage() as on:
        shows = [
            asyncio.ensure_future(on.pump.show(Display({"text/plain": str(number)}, 1, "id"), 0)) for number in range(8)
        ]
        await on.clock.advance(0.01)
        assert len(on.sink.all("display")) == 5
        await on.clock.advance(1)
        await asyncio.gather(*shows)
        assert on.sink.all("display") == [str(number) for number in range(8)]
        assert [update for _, update in on.sink.displays] == [False] + [True] * 7


async def test_a_large_display_makes_the_next_one_wait_and_the_text_not():
    async with stage() as on:
        for _ in range(2):
            await on.pump.show(Display({"text/plain": "large"}, 16_000_000), 0)
        third = asyncio.ensure_future(on.pump.show(Display({"text/plain": "third"}, 1), 0))
        on.write(b"text\n")
        await on.clock.advance(1)
        assert on.sink.shown == "text\n"
        assert not third.done()
        await on.clock.advance(5)
        assert third.done()


async def test_a_cell_shows_only_so_much():
    async with stage() as on:
        shows = [asyncio.ensure_future(on.pump.show(Display({"text/plain": "large"}, 15_000_000), 0)) for _ in range(4)]
        await on.clock.advance(40)
        assert [show.done() and show.exception() is None for show in shows] == [True, True, True, False]
        with pytest.raises(DisplayRefusedError, match="would show more than 50 MB"):
            await shows[3]


async def test_a_display_in_a_flood_stands_behind_the_word_on_what_is_left_out():
    async with stage() as on:
        on.write(b"x\n" * 400_000)
        await on.clock.advance(0.001)
        await on.pump.show(Display({"text/plain": "picture"}, 7), 800_000)
        kinds = [kind for _, kind, _ in on.sink.got]
        assert kinds.index("omitted") < kinds.index("display")
