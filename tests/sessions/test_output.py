"""Output: nothing is lost, nobody is blocked, everybody may read."""

from __future__ import annotations

import hashlib

import anyio
import pytest

from vibesbox_kernel.errors import SessionNotFoundError

pytestmark = pytest.mark.anyio


async def test_the_output_of_a_finished_process_can_still_be_read(manager):
    pid = await manager.start_session("echo hello")
    await manager.wait(pid)
    assert await manager.read_output(pid) == "hello\n"
    assert await manager.read_output(pid) == ""


async def test_read_output_gives_what_is_new_and_never_waits(manager, lifeline):
    pid = await manager.start_session(f"echo one; read x; echo two; echo up >{lifeline.path}; read x")
    while not (first := await manager.read_output(pid)):
        await anyio.sleep(0.01)
    assert first == "one\n"
    assert await manager.read_output(pid) == ""
    await manager.send_input(pid, "\n")
    with anyio.fail_after(5):
        await lifeline.held()
        while not (second := await manager.read_output(pid)):
            await anyio.sleep(0.01)
    assert second == "two\n"
    await manager.terminate_session(pid, force=True)


async def test_stdout_and_stderr_come_in_their_true_order(manager):
    result = await manager.run("for i in 1 2 3; do echo o$i; echo e$i >&2; done")
    assert result.output.split() == ["o1", "e1", "o2", "e2", "o3", "e3"]


async def test_sixty_megabytes_that_nobody_reads_do_not_stop_their_writer(manager):
    pid = await manager.start_session("head -c 60000000 /dev/zero; echo end")
    with anyio.fail_after(30):
        info = await manager.wait(pid)
    assert (info.exit_code, info.output_bytes, info.dropped_bytes) == (0, 60_000_004, 0)
    output = await manager.read_output(pid)
    assert len(output) == 60_000_004
    assert output.endswith("\0end\n")


async def test_a_line_of_200000_bytes_comes_whole(manager):
    result = await manager.run("head -c 200000 /dev/zero | tr '\\0' x; echo; echo AFTER")
    assert result.output == "x" * 200_000 + "\nAFTER\n"


@pytest.mark.parametrize("io", ["pipe", "pty"])
async def test_bytes_come_exactly_as_they_were_written(manager, io):
    data = bytes(range(256)) * 40 + b"no newline at the end"
    escaped = "".join(f"\\{byte:03o}" for byte in data)
    pid = await manager.start_session(f"printf '{escaped}'", io=io)
    info = await manager.wait(pid)
    chunk = await manager.read(pid, 0, max_bytes=1 << 20)
    assert chunk.data == data
    assert info.output_bytes == len(data)


async def test_a_split_character_is_kept_whole_and_bad_bytes_are_shown(manager, lifeline):
    pid = await manager.start_session(f"printf '\\303'; echo up >{lifeline.path}; read x; printf '\\251|\\377|\\303'")
    with anyio.fail_after(5):
        await lifeline.held()
        await manager.read(pid, 0, wait=None)
        assert await manager.read_output(pid) == ""
        await manager.send_input(pid, "\n")
        await manager.wait(pid)
    assert await manager.read_output(pid) == "é|�|�"


async def test_readers_do_not_take_from_each_other(manager):
    pid = await manager.start_session("seq 1 1000")
    await manager.wait(pid)
    expected = "".join(f"{n}\n" for n in range(1, 1001)).encode()

    async def read_all(step: int) -> bytes:
        data, cursor = b"", 0
        while not (chunk := await manager.read(pid, cursor, max_bytes=step)).eof:
            data += chunk.data
            cursor = chunk.next_cursor
        return data

    assert [await read_all(step) for step in (7, 100, 65536)] == [expected] * 3
    assert await manager.read_output(pid) == expected.decode()


async def test_a_reader_can_wait_for_more_and_for_the_end(manager):
    pid = await manager.start_session("read x; echo $x")
    nothing = await manager.read(pid, 0, wait=0.05)
    assert (nothing.data, nothing.eof, nothing.next_cursor) == (b"", False, 0)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(manager.send_input, pid, "now\n")
            chunk = await manager.read(pid, 0, wait=None)
        assert chunk.data == b"now\n"
        end = await manager.read(pid, chunk.next_cursor, wait=None)
    assert (end.data, end.eof) == (b"", True)


async def test_the_last_words_of_an_interrupted_program_are_kept(manager, lifeline):
    # The child says that it is up: a signal between fork and exec would be lost in any terminal too.
    pid = await manager.start_session(f"trap 'echo SAVED; exit 7' INT; (echo up >{lifeline.path}; exec sleep 600)")
    with anyio.fail_after(5):
        await lifeline.held()
        assert await manager.terminate_session(pid)
    assert await manager.read_output(pid) == "SAVED\n"
    assert manager.info(pid).exit_code == 7


async def test_a_prompt_without_newline_is_visible(manager):
    pid = await manager.start_session("printf 'Password: '; read x")
    with anyio.fail_after(5):
        chunk = await manager.read(pid, 0, wait=None)
    assert chunk.data == b"Password: "
    await manager.terminate_session(pid, force=True)


async def test_tail_gives_the_last_lines(manager):
    pid = await manager.start_session("seq 1 100000; printf unfinished")
    await manager.wait(pid)
    assert await manager.tail(pid, 3) == "99999\n100000\nunfinished"
    assert await manager.tail(pid, 0) == ""
    assert len((await manager.tail(pid, 10**6)).splitlines()) == 100_001


async def test_a_flood_from_many_sessions_is_complete(manager):
    """Ours: one loop drains all of them; none is favoured and none loses a byte."""
    command = "seq 1 200000"
    pids = [await manager.start_session(command, io=io) for io in ("pipe", "pty") * 4]
    expected = hashlib.sha256("".join(f"{n}\n" for n in range(1, 200_001)).encode()).hexdigest()
    with anyio.fail_after(60):
        for pid in pids:
            await manager.wait(pid)
            assert hashlib.sha256((await manager.read_output(pid)).encode()).hexdigest() == expected


async def test_a_closed_stdout_is_not_an_end(manager):
    pid = await manager.start_session("exec >&- 2>&-; read x; exit 9")
    with anyio.fail_after(5):
        assert (await manager.read(pid, 0, wait=None)).eof
        assert manager.info(pid).is_running
        await manager.send_input(pid, "\n")
        assert (await manager.wait(pid)).exit_code == 9


async def test_a_terminal_that_nobody_has_open_for_a_moment_is_not_lost(manager, lifeline):
    """Linux: reading a master gives EIO while no process has the slave open, and works again after."""
    script = f"tty=$(tty); exec </dev/null >/dev/null 2>&1; echo up >{lifeline.path}; sleep 0.5; echo back >$tty"
    pid = await manager.start_session(script, io="pty")
    with anyio.fail_after(10):
        await manager.wait(pid)
    assert await manager.read_output(pid) == "back\n"


async def test_reading_an_unknown_session_names_the_known_ones(manager):
    pid = await manager.start_session("read line", name="build")
    with pytest.raises(SessionNotFoundError, match=rf"session 1 not found; known: {pid} \(build\)") as caught:
        await manager.read_output(1)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LookupError)
    with pytest.raises(SessionNotFoundError, match="nobody"):
        await manager.read("nobody", 0)
    await manager.send_input(pid, "\n")
