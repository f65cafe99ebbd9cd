"""Run in a pid namespace of its own, as its root: pids are handed out again, and what happened is printed as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.reliability.observer import state_of
from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.sessions import SessionManager

_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def _choose(pid: int) -> None:
    _LAST_PID.write_text(str(pid - 1))


def _stranger(pid: int) -> subprocess.Popen[bytes]:
    for _ in range(50):
        _choose(pid)
        process = subprocess.Popen(["sleep", "600"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    raise RuntimeError(f"pid {pid} could not be had")


async def _verbs(manager: SessionManager, session_id: str) -> None:
    """Everything that signals, for a session that is over."""
    for verb in (
        manager.terminate_session(session_id),
        manager.terminate_session(session_id, force=True),
        manager.interrupt(session_id),
        manager.send_signal(session_id, signal.SIGKILL),
    ):
        with contextlib.suppress(VibesboxError):
            await verb
    manager.post_signal(session_id, signal.SIGKILL)


async def _same_pid_again(manager: SessionManager, pid: int, command: str) -> str:
    """A session whose leader gets a pid that another had."""
    for _ in range(50):
        _choose(pid)
        session_id = await manager.submit_session(command)
        if manager.info(session_id).pid == pid:
            return session_id
        await manager.terminate_session(session_id, force=True)
    raise RuntimeError(f"no session got pid {pid}")


async def _orphan_s_pid(manager: SessionManager) -> bool:
    """A session's orphan dies, and its pid goes to a stranger, before the session is ended."""
    session_id = await manager.submit_session("(setsid sleep 600 & echo $!); exec sleep 600")
    chunk = await manager.read(session_id, 0, wait=None)
    orphan = int(chunk.data)
    os.kill(orphan, signal.SIGKILL)
    while state_of(orphan):
        await asyncio.sleep(0.005)
    stranger = _stranger(orphan)
    await manager.terminate_session(session_id, force=True)
    spared = stranger.poll() is None and state_of(orphan) == "S"
    stranger.kill()
    stranger.wait()
    return spared


async def _find_out() -> dict[str, bool]:
    async with SessionManager() as manager:
        first = await manager.submit_session("echo first; exit 1")
        pid = (await manager.wait(first)).pid
        assert pid is not None
        stranger = _stranger(pid)
        await _verbs(manager, first)
        await manager.terminate_session(pid, force=True)
        await manager.run("true")
        facts = {"the pid was used again": stranger.pid == pid}
        facts["the stranger outlived every verb"] = stranger.poll() is None
        stranger.kill()
        stranger.wait()
        second = await _same_pid_again(manager, pid, "echo second; read x; exit 2")
        await _verbs(manager, first)
        facts["the stranger's session outlived the end of the older"] = manager.info(second).is_running
        facts["the pid means the newer"] = manager.info(pid).session_id == second
        await manager.send_input(second, "\n")
        await manager.wait(second)
        codes = [manager.info(one).exit_code for one in (first, second)]
        outputs = [await manager.read_output(one) for one in (first, second)]
        facts["each history is its own"] = (codes, outputs) == ([1, 2], ["first\n", "second\n"])
        facts["an orphan's pid in a stranger's hands is spared"] = await _orphan_s_pid(manager)
        return facts


if __name__ == "__main__":
    json.dump(asyncio.run(_find_out()), sys.stdout)
