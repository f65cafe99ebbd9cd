"""Whom a first interrupt reaches: what the leader waits for, and no job in the background."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.errors import SessionEndedError
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

JOB, AWAITED = "1001", "1002"

JOBS = {
    "a command": f"sleep {JOB} &",
    "a subshell of one command": f"( sleep {JOB} ) &",
    "a subshell": f"( sleep {JOB}; : ) &",
    "a subshell that reads a file": f"( sleep {JOB} ) </etc/passwd &",
    "a group": f"{{ sleep {JOB}; :; }} &",
    "a function": f"f() {{ sleep {JOB}; :; }}; f &",
    "a loop": f"while :; do sleep {JOB}; done &",
    "a list": f"true && sleep {JOB} &",
    "an eval": f"eval 'sleep {JOB}' &",
    "a pipeline": f"sleep {JOB} | cat &",
    "a pipeline that ends in a group": f"sleep {JOB} | {{ cat; :; }} &",
    "a coprocess": f"coproc sleep {JOB};",
    "a program that sets its signals anew": f"env --default-signal=INT sleep {JOB} &",
    "a job of a nested shell's": f"bash -c '( sleep {JOB} ) & wait' &",
    "under job control": f"set -m; ( sleep {JOB} ) &",
    "a process substitution that is written to": f"exec 5> >(sleep {JOB});",
}

WAITS = {
    "a command": f"sleep {AWAITED}",
    "with another input": f"sleep {AWAITED} </dev/null",
    "a pipeline": f"sleep {AWAITED} | cat | cat",
    "a pipeline's last": f"true | sleep {AWAITED}",
    "a subshell": f"( sleep {AWAITED}; : )",
    "a subshell with another input": f"( sleep {AWAITED}; : ) </dev/null",
    "a group of its own": f"setsid -w sleep {AWAITED}",
    "in a time limit": f"timeout 900 sleep {AWAITED}",
    "a command substitution": f"x=$(sleep {AWAITED})",
    "a process substitution": f"cat <(sleep {AWAITED})",
    "a program's program": f"""python3 -c 'import subprocess; subprocess.run(["sleep", "{AWAITED}"])'""",
    "a program that ignores it for its child": f"""perl -e 'system("sleep {AWAITED}")'""",
    "a nested shell": f"bash -c 'sleep {AWAITED}; :'",
    "a nested shell's pipeline": f"sh -c 'sleep {AWAITED} | cat; :'",
    "the last part of a pipeline": f"shopt -s lastpipe; sleep {AWAITED} | read x",
    "a loop": f"while :; do sleep {AWAITED}; done",
    "a stopped command": f"bash -c 'kill -STOP $$; :' & sleep {AWAITED}",
}


async def sleeper(leader: int, seconds: str) -> int:
    """The pid of a process below a leader that sleeps so long; waits until it is there."""
    while True:
        for pid in below(leader):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                    return pid
        await anyio.sleep(0.005)


def below(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return found


async def gone(pid: int) -> None:
    await until(lambda: state(pid) in ("", "Z"))


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def start(manager: SessionManager, text: str, io: str) -> int:
    return await manager.start_session(text, shell="/bin/bash", io=io)


@pytest.mark.parametrize("io", ["pty", "pipe"])
@pytest.mark.parametrize("kind", WAITS)
async def test_what_the_shell_waits_for_is_interrupted(manager: SessionManager, kind: str, io: str) -> None:
    """POSIX: as by Ctrl-C in a terminal, whatever its process group, its input and its parents."""
    leader = await start(manager, f"{WAITS[kind]}; :", io)
    with anyio.fail_after(10):
        awaited = await sleeper(leader, AWAITED)
        report = await manager.interrupt(leader)
        await gone(awaited)
    assert awaited in [one.pid for one in report.reached] or kind == "a loop"


@pytest.mark.parametrize("io", ["pty", "pipe"])
@pytest.mark.parametrize("kind", JOBS)
async def test_a_job_lives_on_when_what_came_after_it_is_interrupted(
    manager: SessionManager, kind: str, io: str
) -> None:
    """Ours: whatever its signals are, and however it was put into the background."""
    leader = await start(manager, f"trap 'sleep 600' EXIT; {JOBS[kind]} sleep {AWAITED}; :", io)
    with anyio.fail_after(10):
        job, awaited = await sleeper(leader, JOB), await sleeper(leader, AWAITED)
        await manager.interrupt(leader)
        await gone(awaited)
        await sleeper(leader, "600")  # the shell has gone on
    assert is_alive(job)


@pytest.mark.parametrize("kind", [kind for kind in JOBS if kind != "a process substitution that is written to"])
async def test_a_job_lives_on_when_its_shell_waits_for_it(manager: SessionManager, kind: str) -> None:
    """Ours: it is the wait that is interrupted."""
    leader = await start(manager, f"trap 'exec sleep 600' EXIT; {JOBS[kind]} wait; :", "pty")
    with anyio.fail_after(10):
        job = await sleeper(leader, JOB)
        await until_waiting(leader)
        report = await manager.interrupt(leader)
        assert await sleeper(leader, "600") == leader
    assert is_alive(job)
    assert report.jobs or kind == "under job control"


@pytest.mark.parametrize("reading", ["read -r line", "while :; do :; done"])
async def test_a_job_lives_on_when_its_shell_is_busy_by_itself(manager: SessionManager, reading: str) -> None:
    leader = await start(manager, f"trap 'exec sleep 600' EXIT; ( sleep {JOB} ) & {reading}; :", "pty")
    with anyio.fail_after(10):
        job = await sleeper(leader, JOB)
        await manager.interrupt(leader)
        assert await sleeper(leader, "600") == leader
    assert is_alive(job)


async def test_what_a_trap_runs_is_not_interrupted_by_what_called_it(manager: SessionManager) -> None:
    """Bash: its handler begins when the command is over, with commands of its own."""
    leader = await start(manager, f"trap 'sleep 0.2; echo cleaned; exit 4' INT; sleep {AWAITED}; echo never", "pty")
    with anyio.fail_after(10):
        await sleeper(leader, AWAITED)
        await manager.interrupt(leader)
        assert (await manager.wait(leader)).exit_code == 4
    assert await manager.read_output(leader) == "cleaned\r\n".replace("\r", "")


async def test_a_stopped_program_that_is_waited_for_is_woken_for_its_interrupt(manager: SessionManager) -> None:
    leader = await start(manager, "bash -c 'kill -STOP $$; sleep 1002'; exit 5", "pty")
    with anyio.fail_after(10):
        while not (stopped := [pid for pid in below(leader)[1:] if state(pid) == "T"]):
            await anyio.sleep(0.005)
        await manager.interrupt(leader)
        await gone(stopped[0])
        await manager.wait(leader)


async def test_the_report_names_whom_it_reached_and_whom_not(manager: SessionManager) -> None:
    leader = await start(manager, f"( sleep {JOB} ) & sleep {AWAITED}; :", "pty")
    with anyio.fail_after(10):
        job, awaited = await sleeper(leader, JOB), await sleeper(leader, AWAITED)
        report = await manager.interrupt(leader)
    assert [(one.pid, one.command) for one in report.reached[1:]] == [(awaited, f"sleep {AWAITED}")]
    assert [(one.pid, one.command) for one in report.jobs] == [(job, f"sleep {JOB}")]


async def test_the_processes_of_a_session_have_their_commands(manager: SessionManager) -> None:
    leader = await start(manager, f"( sleep {JOB} ) & sleep {AWAITED}; :", "pty")
    with anyio.fail_after(10):
        job, awaited = await sleeper(leader, JOB), await sleeper(leader, AWAITED)
        processes = {one.pid: one.command for one in await manager.processes(leader)}
        assert next(iter(processes)) == leader
        assert (processes[job], processes[awaited]) == (f"sleep {JOB}", f"sleep {AWAITED}")
        await manager.terminate_session(leader, force=True)
    with pytest.raises(SessionEndedError):
        await manager.processes(leader)


async def until_waiting(pid: int) -> None:
    """Wait until a shell is in wait4(2)."""
    await until(lambda: Path(f"/proc/{pid}/syscall").read_text().split()[0] == "61")


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await anyio.sleep(0.005)


def state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""
