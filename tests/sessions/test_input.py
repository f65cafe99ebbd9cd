"""Sessions that wait for input, and those that do not: what the broker says of real programs."""

from __future__ import annotations

import asyncio
import signal
import sys

import anyio
import pytest

from vibesbox_kernel.broker.echo import DIGEST_SECONDS
from vibesbox_kernel.errors import SessionOwnedError
from vibesbox_kernel.models import EventKind, InputKind, SessionInfo
from vibesbox_kernel.sessions import SessionManager

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process is blocked in"),
]

SECONDS = 5
QUIET = 0.6
"""Longer than what only polls must do so to be taken for waiting."""

WAITING = {
    "read -p": ("read -p 'Name: ' x", InputKind.LINE),
    "read from the terminal by its name": ("read x </dev/tty", InputKind.LINE),
    "read after silence": ("sleep 0.3; cat", InputKind.LINE),
    "read -s": ("read -s -p 'Password: ' x", InputKind.PASSWORD),
    "read -n 1": ("read -n 1 -p 'Key: ' x", InputKind.KEY),
    "read -s -n 1": ("read -s -n 1 -p 'Any key: ' x", InputKind.KEYS),
    "select": ("select x in a b; do break; done", InputKind.LINE),
    "a pipeline's last part": ("true | (read x </dev/tty)", InputKind.LINE),
    "input()": (f"{sys.executable} -c 'input(\"? \")'", InputKind.LINE),
    "getpass()": (f"{sys.executable} -c 'import getpass; getpass.getpass()'", InputKind.PASSWORD),
    "a thread's input()": (
        f"{sys.executable} -c 'import threading; threading.Thread(target=input).start()'",
        InputKind.LINE,
    ),
    "an interactive Python": (f"{sys.executable} -q", InputKind.KEYS),
    "a poll at a prompt": (
        f'{sys.executable} -c \'import select; print("? ", end="", flush=True); select.select([0], [], [])\'',
        InputKind.LINE,
    ),
    "another shell on a terminal of its own": (
        f'{sys.executable} -c \'import pty; pty.spawn(["sh", "-c", "stty -echo; read x"])\'',
        InputKind.PASSWORD,
    ),
}

NOT_WAITING = {
    "sleep": "sleep 60",
    "something like a prompt": "printf 'Password: '; sleep 60",
    "no echo": "stty -echo; sleep 60",
    "a busy loop": "while :; do :; done",
    "a pipeline": "sleep 60 | cat",
    "a job in the background": "cat & sleep 60",
    "a poll without a prompt": f"{sys.executable} -c 'import select; select.select([0], [], [])'",
    "a poll of something else": f"{sys.executable} -c 'import os, select; select.select([os.pipe()[0]], [], [])'",
    "a wait": "sleep 60 & wait",
}


async def waiting(manager: SessionManager, pid: int) -> SessionInfo:
    with anyio.fail_after(SECONDS):
        await manager.wait_input_wanted(pid)
    return manager.info(pid)


@pytest.mark.parametrize("name", WAITING)
async def test_a_program_that_waits_for_input_is_said_to(manager: SessionManager, name: str):
    """Ours: by what it is blocked in, not by what it has put out."""
    command, kind = WAITING[name]
    pid = await manager.start_session(command, shell="/bin/bash", io="pty")
    info = await waiting(manager, pid)
    assert (info.waiting_for_input, info.input_kind) == (True, kind)


@pytest.mark.parametrize("name", NOT_WAITING)
async def test_a_program_that_does_something_else_is_not(manager: SessionManager, name: str):
    """Ours: a box that nobody asked for would be worse than none."""
    pid = await manager.start_session(NOT_WAITING[name], shell="/bin/bash", io="pty")
    await manager.attend_input(pid)
    with anyio.move_on_after(QUIET):
        await manager.wait_input_wanted(pid)
    assert manager.info(pid).input_kind is None


async def test_it_waits_no_more_once_it_was_given_what_it_waits_for(manager: SessionManager):
    """Ours: and each wait is told anew."""
    pid = await manager.start_session("read a; read b; echo $a-$b; sleep 60", shell="/bin/bash", io="pty")
    for word in ("one", "two"):
        assert (await waiting(manager, pid)).waiting_for_input
        await manager.send_input(pid, f"{word}\n")
        assert not manager.info(pid).waiting_for_input
    with anyio.fail_after(SECONDS):
        while "one-two" not in await manager.tail(pid):
            await anyio.sleep(0.01)
    assert not manager.info(pid).waiting_for_input


async def test_half_a_line_is_not_what_it_waits_for(manager: SessionManager):
    """POSIX: a terminal gives whole lines."""
    pid = await manager.start_session("read x", shell="/bin/bash", io="pty")
    await waiting(manager, pid)
    await manager.send_input(pid, "no newline")
    assert (await waiting(manager, pid)).waiting_for_input


async def test_the_beginning_of_a_wait_is_an_event(manager: SessionManager):
    """Ours: nobody has to ask."""
    async with manager.events() as events:
        pid = await manager.start_session("read x", shell="/bin/bash", io="pty")
        with anyio.fail_after(SECONDS):
            async for event in events:
                if event.kind is EventKind.WAITING_FOR_INPUT:
                    break
    assert event.info.pid == pid
    assert event.info.waiting_for_input


async def test_a_wait_that_ends_by_itself_is_over(manager: SessionManager):
    """Ours: whatever ended it."""
    turns_away = "import signal, time; signal.signal(signal.SIGUSR1, lambda *_: time.sleep(60)); input()"
    pid = await manager.start_session(f"exec {sys.executable} -c '{turns_away}'", io="pty")
    assert (await waiting(manager, pid)).input_kind is InputKind.LINE
    await manager.send_signal(pid, signal.SIGUSR1)
    with anyio.fail_after(SECONDS):
        await manager.wait_input_not_wanted(pid, InputKind.LINE)
    assert not manager.info(pid).waiting_for_input


async def test_a_session_that_is_over_waits_for_nothing(manager: SessionManager):
    """Ours: whatever it did when it was killed."""
    pid = await manager.start_session("cat", io="pty")
    await waiting(manager, pid)
    await manager.terminate_session(pid, force=True)
    assert await manager.wait_input_wanted(pid) is None
    assert not manager.info(pid).waiting_for_input


async def test_whoever_types_into_the_terminal_itself_is_the_only_one_who_is_asked(manager: SessionManager):
    """Ours: an open question is withdrawn, and none is asked until the keyboard is left."""
    pid = await manager.start_session("read x; sleep 600", shell="/bin/bash", io="pty")
    with anyio.fail_after(SECONDS):
        kind = await manager.wait_input_wanted(pid)
        assert kind is InputKind.LINE

        async def take_keyboard() -> asyncio.Task[InputKind | None]:
            with manager.keyboard_taken(pid):
                await manager.wait_input_not_wanted(pid, InputKind.LINE)
                assert await manager.look_at_input(pid) is None
                assert manager.info(pid).waiting_for_input  # it does wait, as listings say
                asking = manager.engine.start(manager.wait_input_wanted(pid), name="asking")
                await asyncio.sleep(0)
                assert not asking.done()
            return asking

        asking = await manager.engine.run(take_keyboard())
        assert await manager.engine.run(_result(asking)) is InputKind.LINE


async def _result(task: asyncio.Task[InputKind | None]) -> InputKind | None:
    return await task


async def test_a_session_on_a_pipe_waits_for_input_as_well(manager: SessionManager):
    """Ours: its standard input stays open."""
    pid = await manager.start_session("cat; sleep 60")
    assert (await waiting(manager, pid)).input_kind is InputKind.LINE
    await manager.send_input(pid, b"", eof=True)
    assert not manager.info(pid).waiting_for_input


async def test_only_who_owns_a_session_attends_to_it(manager: SessionManager):
    """Ours: as all that acts on a session."""
    pid = await manager.start_session("cat", io="pty", durable=True)
    session_id = manager.info(pid).session_id
    async with SessionManager() as other:
        await other.attach_session(session_id)
        with pytest.raises(SessionOwnedError):
            await other.attend_input(session_id)
    await manager.cleanup_all()


async def test_what_is_sent_hidden_is_not_echoed(manager: SessionManager):
    """Ours: a secret does not get into the output, though its program has left the echo on."""
    pid = await manager.start_session("read x; read y; echo over; sleep 60", shell="/bin/bash", io="pty")
    await waiting(manager, pid)
    await manager.send_input(pid, "s3cret\n", hidden=True)
    await waiting(manager, pid)
    await anyio.sleep(2 * DIGEST_SECONDS)  # the echo comes back by the clock
    await manager.send_input(pid, "open\n")
    with anyio.fail_after(SECONDS):
        while "over" not in await manager.tail(pid):
            await anyio.sleep(0.01)
    assert await manager.tail(pid) == "open\nover\n"
