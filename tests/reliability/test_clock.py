"""Test 26: a wall clock that jumps by a day, forth or back, changes no timeout, no duration and no order."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from tests.reliability.surgeon import operate
from vibesbox_kernel.models import EndReason
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

DAY = 86_400
JUMPS = {"a day ahead": DAY, "a day back": -DAY}


class Clock:
    """The broker's wall clock; wrong by as much as we say from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.jump(0)

    def jump(self, seconds: float) -> None:
        """Be wrong by so many seconds, in one step."""
        new = self._path.with_suffix(".new")
        new.write_text(str(seconds), "ascii")
        new.replace(self._path)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    """The clock of brokers started from here on."""
    operate(monkeypatch, tmp_path, jump=str(tmp_path / "jump"))
    return Clock(tmp_path / "jump")


@pytest.mark.parametrize("way", JUMPS)
async def test_a_time_limit_is_of_the_monotonic_clock(clock, observer, way):
    """Ours: a limit of one second is one second, whatever the calendar says meanwhile."""
    async with SessionManager() as manager:
        pid = await manager.start_session("exec sleep 600", timeout=1.0)
        began = time.monotonic()
        clock.jump(JUMPS[way])
        with anyio.fail_after(10):
            info = await manager.wait(pid)
        assert info.end_reason is EndReason.TIMED_OUT
        assert time.monotonic() - began > 0.9
    observer.wait_gone()


@pytest.mark.parametrize("way", JUMPS)
async def test_a_duration_is_of_the_monotonic_clock(clock, observer, figure, way):
    """Ours: a listing that says that a second took a day, or less than nothing, is wrong."""
    async with SessionManager() as manager:
        pid = await manager.start_session("read x; sleep 0.3; exit 4")
        clock.jump(JUMPS[way])
        await manager.send_input(pid, "\n")
        with anyio.fail_after(10):
            info = await manager.wait(pid)
        assert info.exit_code == 4
        assert info.duration is not None
        assert 0.25 < info.duration < 60
    observer.wait_gone()
    figure(26, f"a duration while the clock jumps {way}, at most wrong by", info.duration, "s", target="< 1 s")


async def test_the_history_is_in_the_order_of_the_starts(clock, observer):
    """Ours: what began later is listed later, also when the clock went back in between."""
    async with SessionManager(max_completed_sessions=4) as manager:
        for number, jump in enumerate((0, DAY, -DAY, 3600, -3600, 0)):
            clock.jump(jump)
            await manager.run(f"exit {number}", name=f"n{number}")
        assert [info.name for info in manager.list_sessions()] == ["n2", "n3", "n4", "n5"]
        assert [info.exit_code for info in manager.list_sessions()] == [2, 3, 4, 5]
    observer.wait_gone()
