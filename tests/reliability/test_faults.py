"""Test 28: the broker dies at any of its system calls: no status is false, no process left, no start refused."""

from __future__ import annotations

import contextlib
import json
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.reliability.observer import Observer
from tests.reliability.scale import scaled
from tests.reliability.surgeon import heal, operate
from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.models import SessionInfo, SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

DAEMON = "(env -i /usr/bin/setsid /bin/sleep 600 &)"
TRUTH = {"ends": 3, "crashes": -11, "talks": 0, "lingers": None, "sleeps": None, "None": 0}


async def _live_a_little(manager: SessionManager) -> None:
    """Something of everything: pipes and terminals, input, ends of both kinds, an orphan, a kill."""
    await manager.start_session("echo out; exit 3", name="ends")
    await manager.start_session("kill -SEGV $$", name="crashes")
    await manager.start_session("read x; echo $x; exit 0", name="talks", io="pty")
    await manager.start_session(f"{DAEMON}; exit 4", name="lingers")
    await manager.start_session(f"{DAEMON}; exec sleep 600", name="sleeps")
    await manager.send_input("talks", "hello\n")
    for name in ("ends", "crashes", "talks"):
        await manager.wait(name)
    await manager.wait_exited("lingers")
    await manager.terminate_session("lingers", force=True)
    await manager.terminate_session("sleeps", force=True)


def _check_listing(infos: list[SessionInfo]) -> None:
    for info in infos:
        if info.status is SessionStatus.COMPLETED:
            assert info.exit_status is not None
            assert info.exit_status.returncode == TRUTH[str(info.name)], info
        elif info.status is SessionStatus.TERMINATED:
            assert info.name in ("lingers", "sleeps"), info
        else:
            assert info.status is SessionStatus.LOST, info
            if info.exit_status is not None:  # its leader's end was told before the broker's
                assert info.exit_status.returncode == {**TRUTH, "lingers": 4, "sleeps": -9}[str(info.name)], info


def _records(root: Path) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in root.rglob("exit.json"):
        meta = path.with_name("meta.json")
        with contextlib.suppress(ValueError, OSError):
            found.append((json.loads(meta.read_text("utf-8"))["command"], json.loads(path.read_text("utf-8"))))
    return found


def _check_records(root: Path) -> None:
    for command, facts in _records(root):
        assert facts["status"] == "over", (command, facts)
        code = facts.get("returncode")
        if facts["reason"] in ("exited", "signalled"):
            allowed = {"echo out": 3, "kill -SE": -11, "read x; ": 0, "true": 0, "echo aga": 0}
            assert code == allowed[command[:8]], (command, facts)
        else:
            assert facts["reason"] in ("lost", "killed", "shut down"), (command, facts)


async def _one_death(root: Path, observer: Observer, instance: str) -> None:
    """Live until the broker dies; then everything must be as promised."""
    async with SessionManager(instance=instance) as manager:
        with anyio.fail_after(30):
            with contextlib.suppress(VibesboxError):
                await _live_a_little(manager)
            with contextlib.suppress(VibesboxError):
                await manager.run("true")  # a broker that is dead by now is noticed
        _check_listing(manager.list_sessions())


async def _calls_of_a_life(monkeypatch: pytest.MonkeyPatch, directory: Path) -> int:
    counted = directory / "calls"
    operate(monkeypatch, directory, die_at=0, after=False, count=str(counted))
    async with SessionManager() as manager:
        await _live_a_little(manager)
    return int(counted.read_text("ascii"))


@scaled("deaths", short=12, soak=0)
async def test_a_broker_may_die_at_any_system_call(observer, figure, monkeypatch, tmp_path, isolation, deaths):
    """Ours: what is on disk and in the listing is the truth or says ``lost``; the same instance starts again."""
    calls = await _calls_of_a_life(monkeypatch, tmp_path)
    # A life is never the same twice: what is past its last call is a death at its end.
    places = range(1, calls + 1) if deaths == 0 else random.Random(28).sample(range(1, calls), deaths)
    slowest = 0.0
    for number in places:
        operate(monkeypatch, tmp_path, die_at=number, after=number % 2 == 0, count=str(tmp_path / "calls"))
        try:
            await _one_death(isolation, observer, "often-dead")
            began = time.monotonic()
            await run_sync(partial(observer.wait_gone, timeout=20))
            slowest = max(slowest, time.monotonic() - began)
            _check_records(isolation)
            heal(monkeypatch)
            async with SessionManager(instance="often-dead") as manager:
                assert (await manager.run("echo again")).output == "again\n"
        except BaseException as error:
            error.add_note(f"the broker died at call {number} of about {calls}")
            raise
    scale = f"{len(places)} of {calls} system calls"
    figure(28, "false statuses and orphans after a broker's death", 0, "", target="0", scale=scale)
    figure(28, "slowest to be clean again", slowest, "s", scale=scale)
