"""What may be started, and what is left of what could not be."""

from __future__ import annotations

import os
import re
import resource
import sys
import uuid
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.errors import (
    DirectoryNotFoundError,
    InvalidOptionError,
    NameTakenError,
    ShellNotFoundError,
)
from vibesbox_kernel.models import EndReason, SessionStatus

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("", "must not be empty"),
        (" \t\n", "only blanks"),
        ("echo a\0b", "NUL"),
        ("x" * (1024 * 1024 + 1), "at most 1048576 bytes"),
        ("é" * (512 * 1024 + 1), "at most 1048576 bytes"),
    ],
)
async def test_a_command_that_can_not_run_is_a_value_error_that_names_the_rule(manager, command, rule):
    with pytest.raises(ValueError, match=rule):
        await manager.start_session(command)
    assert manager.list_sessions() == []


async def test_the_largest_command_runs(manager):
    """POSIX: one argument may have 128 KiB; Ours: a command may have 1 MiB."""
    command = ": " + "x" * (1024 * 1024 - len(": ") - len("; echo end")) + "; echo end"
    assert len(command) == 1024 * 1024
    result = await manager.run(command)
    assert result.output == "end\n"
    assert manager.info(result.session_id).command == command


async def test_a_missing_shell_is_an_error_that_names_its_path(manager):
    with pytest.raises(ShellNotFoundError, match="/no/such/shell") as caught:
        await manager.start_session("echo", shell="/no/such/shell")
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.path == "/no/such/shell"
    assert manager.list_sessions() == []


async def test_a_shell_that_is_not_executable_is_refused(manager, tmp_path):
    script = tmp_path / "shell"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(ShellNotFoundError, match="not executable"):
        await manager.start_session("echo", shell=str(script))


async def test_a_shell_whose_interpreter_is_missing_is_refused_by_the_broker(manager, tmp_path):
    """Linux: exec of a script reports its missing interpreter as ENOENT."""
    script = tmp_path / "shell"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    with pytest.raises(ShellNotFoundError, match=re.escape(str(script))):
        await manager.start_session("echo", shell=str(script))
    assert manager.list_sessions() == []
    assert (await manager.run("echo still here")).output == "still here\n"


async def test_a_missing_directory_is_an_error_that_names_its_path(manager, tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(DirectoryNotFoundError, match=re.escape(str(missing))):
        await manager.start_session("echo", cwd=missing)
    with pytest.raises(DirectoryNotFoundError, match="not a directory"):
        await manager.start_session("echo", cwd="/etc/passwd")
    assert manager.list_sessions() == []


async def test_a_shell_is_found_by_name(manager):
    assert (await manager.run("echo $0", shell="bash")).output.endswith("bash\n")


async def test_a_command_that_begins_with_a_dash_is_no_option(manager):
    result = await manager.run("-x; echo after")
    assert result.output.endswith("after\n")


async def test_what_the_command_gets_of_its_surroundings(manager, tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("REMOVED", "removed")
    result = await manager.run(
        'echo "$PWD $KEPT $ADDED ${REMOVED-none}"; umask', cwd=tmp_path, env={"ADDED": "ä ö", "REMOVED": None}
    )
    umask = os.umask(0)
    os.umask(umask)
    assert result.output == f"{tmp_path} kept ä ö none\n{umask:04o}\n"


async def test_the_session_is_marked_in_the_environment(manager):
    result = await manager.run('echo "$VIBESBOX_SESSION"')
    assert result.output == f"{result.session_id}\n"
    assert str(uuid.UUID(result.session_id)) == result.session_id


async def test_signals_are_at_their_defaults_whatever_the_kernel_ignores(manager):
    """POSIX: an ignored signal stays ignored through exec; a shell could not even trap it then."""
    result = await manager.run("grep -E 'Sig(Ign|Blk)' /proc/self/status")
    blocked, ignored = (int(line.split()[1], 16) for line in result.output.splitlines())
    internal = 0b11 << 31  # signals 32 and 33 belong to the C library, which lets nobody reset them
    assert (blocked & ~internal, ignored & ~internal) == (0, 0)


async def test_no_descriptor_of_ours_is_inherited(manager):
    others = [await manager.start_session("sleep 60", io=io) for io in ("pipe", "pty")]
    result = await manager.run("ls /proc/self/fd")
    assert result.output.split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads
    for pid in others:
        await manager.terminate_session(pid, force=True)


async def test_a_name_is_unique_among_the_running(manager):
    pid = await manager.start_session("sleep 60", name="server")
    with pytest.raises(NameTakenError, match=f"taken by running session .* {pid}"):
        await manager.start_session("sleep 60", name="server")
    assert await manager.terminate_session("server", force=True)
    again = await manager.start_session("true", name="server")
    assert (await manager.wait("server")).pid == again


@pytest.mark.parametrize("name", ["", "a b", "42", "-x", "x" * 65, "a\nb"])
async def test_a_name_that_could_be_mistaken_is_refused(manager, name):
    with pytest.raises(InvalidOptionError, match="name"):
        await manager.start_session("true", name=name)


@pytest.mark.parametrize(
    "options",
    [{"timeout": 0}, {"timeout": -1}, {"io": "socket"}, {"rows": 0}, {"columns": 10**6}, {"env": {"a=b": "c"}}],
)
async def test_an_option_out_of_range_is_refused(manager, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        await manager.start_session("true", **options)


async def test_a_timeout_ends_the_tree_and_says_so(manager, lifeline):
    pid = await manager.start_session(f"exec 9>{lifeline.path}; echo up >&9; sleep 600 & sleep 600", timeout=0.2)
    with anyio.fail_after(10):
        await lifeline.held()
        info = await manager.wait(pid)
        await lifeline.released()
    assert (info.status, info.end_reason) == (SessionStatus.TERMINATED, EndReason.TIMED_OUT)


async def test_a_terminal_is_a_terminal(manager):
    """POSIX: a session leader's controlling terminal; Ours: newlines are not translated."""
    result = await manager.run(
        "tty; stty size; echo x >/dev/tty; ps -o tpgid=,pgid= -p $$; printf 'a\\tb\\n'", io="pty"
    )
    lines = result.output.splitlines()
    assert lines[0].startswith("/dev/pts/")
    assert lines[1:3] == ["24 100", "x"]
    foreground, group = lines[3].split()
    assert foreground == group
    assert result.output.endswith("a\tb\n")
    assert "\r" not in result.output


_FEW_DESCRIPTORS = """
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from vibesbox_kernel.errors import LaunchError
from vibesbox_kernel.sessions import SessionManager

async def main():
    async with SessionManager() as manager:
        started = []
        try:
            while True:
                started.append(await manager.start_session("sleep 60"))
        except LaunchError as error:
            print(error)
        assert len(manager.sessions) == len(started) > 5, started
        for pid in started[:3]:
            assert await manager.terminate_session(pid, force=True)
        print((await manager.run("echo again; ulimit -Sn")).output)

asyncio.run(main())
"""


async def test_the_broker_runs_out_of_descriptors_with_a_clear_error_and_recovers():
    done = await anyio.run_process([sys.executable, "-c", _FEW_DESCRIPTORS], check=False)
    assert done.returncode == 0, done.stderr.decode()
    first, *rest = done.stdout.decode().splitlines()
    assert "Too many open files" in first
    assert rest[:2] == ["again", "64"]


async def test_a_session_has_the_descriptor_limit_that_its_program_had(manager):
    """Ours: the broker raises its own soft limit, for it holds three descriptors for each session."""
    assert (await manager.run("ulimit -Sn")).output.strip() == str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


async def test_directories_and_socket_are_for_this_user_only(manager, isolation):
    await manager.run("true")
    found = [path for path in Path(isolation).rglob("*") if "vibesbox" in str(path)]
    directories = [path for path in found if path.is_dir()]
    assert directories
    assert any(path.is_socket() for path in found)
    assert {oct(path.stat().st_mode & 0o777) for path in directories} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in found if not path.is_dir()} == {"0o600"}


async def test_a_time_limit_of_months_is_no_trouble(manager):
    """Linux: epoll_wait counts milliseconds in an int, which ends after 24.8 days."""
    pid = await manager.start_session("read x; echo $x", timeout=90 * 86400)
    await manager.send_input(pid, "fine\n")
    with anyio.fail_after(5):
        await manager.wait(pid)
    assert await manager.read_output(pid) == "fine\n"


async def test_of_several_starts_at_once_one_gets_the_name(manager):
    results: list[bool] = []

    async def start() -> None:
        try:
            await manager.start_session("sleep 600", name="same")
            results.append(True)
        except NameTakenError:
            results.append(False)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(start)
    assert sorted(results) == [False, False, True]
    assert await manager.terminate_session("same", force=True)
