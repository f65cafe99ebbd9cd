"""The shell floor's verbs and streams on real sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import pytest

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.magics import parse_magic
from vibesbox_kernel.shell.output_verbs import follow_output
from vibesbox_kernel.shell.stream import OutputPump
from vibesbox_kernel.shell.verbs import carry_out

pytestmark = pytest.mark.anyio


@pytest.fixture
async def manager() -> AsyncIterator[SessionManager]:
    async with SessionManager() as manager:
        yield manager


class Shown:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.notices: list[str] = []
        self.tails: list[str] = []

    def text(self, text: str, stream: StreamName = StreamName.STDOUT) -> None:
        self.texts.append(text)

    def passing(self, text: str) -> None:
        return

    def take_back(self, lines: int) -> None:
        return

    def line(self, text: str) -> None:
        self.texts.append(f"{text}\n")

    def display(self, data: Mapping[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        self.texts.append(str(data))

    def offer_terminal(self, session_id: str) -> None:
        return

    def omitted(self, notice: str) -> None:
        self.notices.append(notice)

    def tail(self, text: str) -> None:
        self.tails.append(text)


async def show(manager: SessionManager, session_id: str) -> Shown:
    """Pump a session's whole output, on the engine as the kernel does."""
    shown = Shown()
    await manager.engine.run(OutputPump(manager, session_id, shown).run())
    return shown


async def test_a_pty_s_output_arrives_as_it_was_written(manager):
    with anyio.fail_after(30):
        session_id = await manager.submit_session(r"printf 'a\tb\r\nc\303'; printf '\251\n'", io="pty")
        shown = await show(manager, session_id)
    assert "".join(shown.texts) == "a\tb\ncé\n"


async def test_a_flood_costs_little_and_is_counted_to_the_byte(manager):
    with anyio.fail_after(60):
        session_id = await manager.submit_session("seq 1 2000000", name="flood")
        shown = await show(manager, session_id)
    head, tail = "".join(shown.texts), shown.tails[-1]
    total = manager.info(session_id).output_bytes
    assert total == sum(len(str(number)) + 1 for number in range(1, 2_000_001))
    assert head.startswith("1\n2\n")
    assert tail.endswith("1999999\n2000000\n")
    assert f"{total - len(head) - len(tail):,} bytes" in shown.notices[-1]
    assert "%tail flood -n 200" in shown.notices[-1]


async def test_a_flush_after_the_end_shows_everything_at_once(manager):
    with anyio.fail_after(30):
        session_id = await manager.submit_session("echo hi")
        await manager.wait(session_id)
        shown = Shown()
        pump = OutputPump(manager, session_id, shown)
        await manager.engine.run(pump.flush_to(manager.output_end(session_id)))
    assert shown.texts == ["hi\n"]


async def test_kill_says_how_real_processes_ended(manager):
    with anyio.fail_after(30):
        for name in ("one", "two"):
            await manager.start_session("trap '' INT; echo up; sleep 100", name=name)
        await asyncio.gather(*(anext(follow_output(manager, name)) for name in ("one", "two")))
        result = await carry_out(manager, parse_magic("%kill one -9"))
        assert result.text.endswith("killed (SIGKILL)\n")
        result = await carry_out(manager, parse_magic("%kill --all"))
        assert result.text.startswith("two (pid ")
        assert result.text.endswith("killed (SIGKILL)\n")


async def test_a_signal_reaches_the_session(manager):
    with anyio.fail_after(30):
        await manager.start_session("trap 'echo got it; exit 7' HUP; echo up; while :; do sleep 0.01; done", name="web")
        lines = follow_output(manager, "web")
        assert await anext(lines) == "up\n"
        await carry_out(manager, parse_magic("%kill -s HUP web"))
        assert "".join([text async for text in lines]).endswith("got it\n")
        result = await carry_out(manager, parse_magic("%wait web"))
    assert result.text.endswith("exited (exit 7)\n")


async def test_what_is_sent_arrives_and_the_input_ends(manager):
    with anyio.fail_after(30):
        await manager.start_session("cat; echo over", name="cat")
        await carry_out(manager, parse_magic("%send cat 'a  b' --eof"))
        await carry_out(manager, parse_magic("%wait cat"))
        assert (await carry_out(manager, parse_magic("%tail cat"))).text == "a  b\nover\n"


async def test_ps_and_info_measure_a_running_session(manager):
    with anyio.fail_after(30):
        await manager.start_session("echo up; exec sleep 100", name="web")
        assert await anext(follow_output(manager, "web")) == "up\n"
        row = (await carry_out(manager, parse_magic("%ps"))).text.splitlines()[1].split()
        assert row[0] == "web"
        assert "running" in row
        assert "memory" in (await carry_out(manager, parse_magic("%info web"))).text
        await carry_out(manager, parse_magic("%kill web"))


async def test_a_whole_spool_is_saved(manager, tmp_path):
    with anyio.fail_after(30):
        session_id = await manager.submit_session("head -c 3000000 /dev/zero", name="zeros")
        await manager.wait(session_id)
        await carry_out(manager, parse_magic("%tail zeros --save out"), directory=tmp_path)
    assert (tmp_path / "out").read_bytes() == bytes(3_000_000)
