"""The output of sessions line by line."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.sessions import BlockingSessionManager, SessionManager
from vibesbox_kernel.sessions.lines import MAX_LINE_CHARS, OutputLines


def _lines(manager: SessionManager, pid: int) -> OutputLines:
    return OutputLines(manager, manager.info(pid).session_id)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("true", []),
        ("echo", [""]),
        ("echo one; echo; printf two", ["one", "", "two"]),
        (r"printf 'a\r\nb\rc\n'", ["a\r", "b\rc"]),
        (r"printf 'ok\n\377\n\303'", ["ok", "\ufffd", "\ufffd"]),
    ],
)
async def test_every_line_comes_once_and_as_it_is(manager: SessionManager, command: str, lines: list[str]):
    """Ours: without its newline, whatever it holds."""
    pid = await manager.start_session(command)
    with anyio.fail_after(10):
        assert [line async for line in _lines(manager, pid)] == lines
        assert [line async for line in _lines(manager, pid)] == lines  # nothing is used up


@pytest.mark.anyio
async def test_many_lines_and_very_long_ones_come_whole_or_in_pieces(manager: SessionManager):
    """Ours: memory is bounded, output is not."""
    long = 3 * MAX_LINE_CHARS
    pid = await manager.start_session(f"seq 1 20000; head -c {long} /dev/zero | tr '\\0' 'x'; echo; echo end")
    with anyio.fail_after(60):
        lines = [line async for line in _lines(manager, pid)]
    assert lines[:20000] == [str(number) for number in range(1, 20001)]
    assert lines[-1] == "end"
    assert max(map(len, lines)) < 2 * MAX_LINE_CHARS
    assert sum(map(len, lines[20000:-1])) == long


@pytest.mark.anyio
async def test_what_is_not_stored_any_more_is_said(manager: SessionManager):
    """Ours: a gap is never taken for nothing."""
    pid = await manager.start_session("seq 1 300000", max_output_bytes=100_000)
    await manager.wait(pid)
    lines = [line async for line in _lines(manager, pid)]
    assert "dropped" in lines[0]
    assert lines[-1] == "300000"


def test_a_for_loop_gets_each_line_as_it_comes_and_may_stop(isolation: Path):
    """Ours: the session goes on; and whoever goes on to look gets the rest."""
    gate = isolation / "gate"
    os.mkfifo(gate)
    with BlockingSessionManager() as blocking:
        manager = blocking.asynchronous
        pid = blocking.start_session(f"echo first; read line <{gate}; echo second")
        seen = []
        for line in _lines(manager, pid):
            seen.append(line)
            if line == "first":
                gate.open("w").close()
        assert seen == ["first", "second"]
        pid = blocking.start_session("echo first; sleep 600")
        for line in _lines(manager, pid):
            assert line == "first"
            break
        assert blocking.info(pid).is_running
        assert blocking.terminate_session(pid, force=True)
