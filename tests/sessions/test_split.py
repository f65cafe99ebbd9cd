"""Sessions whose stderr has a terminal of its own."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from vibesbox_kernel.models import IoMode, StreamName
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

OUT, ERR = StreamName.STDOUT, StreamName.STDERR


async def run(manager: SessionManager, script: str, **options: Any) -> list[tuple[StreamName, str]]:
    """What a script puts out, piece by piece, each with its stream."""
    pid = await manager.start_session(script, shell="/bin/bash", io="split", **options)
    with anyio.fail_after(5):
        await manager.wait(pid)
        chunk = await manager.read(pid, 0)
    assert manager.info(pid).io is IoMode.SPLIT
    return [(stream, data.decode()) for stream, data in chunk.pieces()]


async def test_each_stream_is_a_terminal_of_the_same_size(manager):
    """POSIX: isatty(3); programs choose colours, columns and buffering by it."""
    said = await run(manager, "[[ -t 1 && -t 2 ]] && echo both; stty size; stty size <&2 >&2", rows=30, columns=90)
    # In whatever pieces: which of two terminals is read first is left open.
    assert "".join(text for stream, text in said if stream is OUT) == "both\n30 90\n"
    assert "".join(text for stream, text in said if stream is ERR) == "30 90\n"


async def test_stdout_is_the_controlling_terminal(manager):
    """POSIX: what opens /dev/tty, such as ssh and sudo, talks to where input comes from."""
    said = await run(manager, "echo asked >/dev/tty; ps -o tty= -p $$; tty | sed s,/dev/,,; tty <&2 | sed s,/dev/,,")
    asked, controlling, stdout, stderr = said[0][1].split()
    assert asked == "asked"
    assert controlling == stdout != stderr


async def test_a_prompt_on_stderr_is_answered_by_input(manager):
    """Bash: `read -p` and `select` prompt on stderr."""
    pid = await manager.start_session("read -p 'name? ' x; echo hello $x", shell="/bin/bash", io="split")
    with anyio.fail_after(5):
        while not (await manager.read(pid, 0, wait=None)).data.endswith(b"? "):
            pass
        await manager.send_input(pid, "you\n")
        await manager.wait(pid)
        chunk = await manager.read(pid, 0)
    assert list(chunk.pieces()) == [(ERR, b"name? "), (OUT, b"you\nhello you\n")]


async def test_both_streams_are_drained_to_the_end_when_the_leader_exits(manager):
    """Ours: what was written before the exit is stored before the exit is told."""
    pid = await manager.start_session("seq 3000; seq 3000 >&2", shell="/bin/bash", io="split")
    with anyio.fail_after(5):
        info = await manager.wait(pid)
        assert info.output_bytes == 2 * sum(len(str(number)) + 1 for number in range(1, 3001))
        chunk = await manager.read(pid, 0, max_bytes=1 << 20)
    for wanted in (OUT, ERR):
        said = b"".join(data for stream, data in chunk.pieces() if stream is wanted)
        assert said == b"".join(b"%d\n" % number for number in range(1, 3001))


async def test_stderr_can_be_given_up_and_opened_again(manager):
    """Linux: a terminal that no process has open reads as an error; it may be opened again as long as any lives."""
    script = "t=$(tty <&2); echo one >&2; exec 2>/dev/null; sleep 0.4; exec 2>$t; echo two >&2"
    assert [one for one in await run(manager, script) if one[0] is ERR] == [(ERR, "one\ntwo\n")]


async def test_a_size_set_later_reaches_both(manager):
    pid = await manager.start_session("read x; stty size; stty size <&2 >&2", shell="/bin/bash", io="split")
    with anyio.fail_after(5):
        await manager.resize(pid, 40, 70)
        await manager.send_input(pid, "\n")
        await manager.wait(pid)
        chunk = await manager.read(pid, 0)
    of = {stream: b"".join(data for of, data in chunk.pieces() if of is stream) for stream in (OUT, ERR)}
    assert of == {OUT: b"\n40 70\n", ERR: b"40 70\n"}  # the echo may be read alone


async def test_killing_a_split_session_ends_both_streams(manager):
    pid = await manager.start_session("(trap '' HUP; sleep 100 >/dev/null & ); sleep 100", io="split")
    with anyio.fail_after(5):
        assert await manager.terminate_session(pid, force=True)
        assert (await manager.read(pid, 0, wait=None)).eof
