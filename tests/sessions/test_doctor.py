"""The doctor: probes that run, what the manager's own broker says, and what is said when neither answers."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import anyio
import pytest

from vibesbox_kernel.errors import BrokerError
from vibesbox_kernel.sessions import SessionManager, doctor
from vibesbox_kernel.sessions.doctor import Diagnosis, Finding, Standing, diagnose
from vibesbox_kernel.sessions.places import state_root

pytestmark = pytest.mark.anyio


async def examine(manager: SessionManager | None = None, *, timeout: float = 20.0) -> dict[str, Finding]:
    with anyio.fail_after(20):
        diagnosis = await diagnose(manager, timeout=timeout)
    return {finding.id: finding for finding in diagnosis.findings}


async def test_a_diagnosis_needs_no_manager_and_leaves_no_directory(isolation: Path):
    found = await examine()
    assert {"daemons", "signals", "runtime", "output", "leftovers"} <= found.keys()
    assert not {"broker", "guardian"} & found.keys()
    assert [one for one in isolation.rglob("*") if "doctor-" in one.name] == []


async def test_the_places_are_where_instances_would_be(isolation: Path):
    found = await examine()
    assert str(isolation / "run" / "vibesbox") in found["runtime"].found
    assert str(state_root()) in found["output"].found


async def test_asking_starts_no_broker(manager: SessionManager):
    assert (await examine(manager))["broker"].found == "it starts with the first session"
    assert not manager.hub.places.socket.exists()


async def test_a_running_broker_and_its_guardian_are_asked(manager: SessionManager):
    await manager.run("true")
    found = await examine(manager)
    assert found["broker"].ok is found["guardian"].ok is Standing.YES
    assert found["broker"].found == "it serves 1 program"


@pytest.mark.parametrize("guardian", [True, False])
async def test_a_dead_guardian_is_said(manager: SessionManager, monkeypatch, guardian: bool):
    async def health(operation: str) -> dict[str, object]:
        return {"guardian": guardian, "sessions": 1, "clients": 2}

    monkeypatch.setattr(manager.hub, "request_if_open", health)
    found = await examine(manager)
    assert (found["guardian"].ok is Standing.YES) is guardian
    assert found["broker"].found == "it serves 2 programs"


async def test_a_broker_that_refuses_to_answer_hides_nothing_else(manager: SessionManager, monkeypatch):
    async def health(operation: str) -> dict[str, object]:
        raise BrokerError("there is no such operation")

    monkeypatch.setattr(manager.hub, "request_if_open", health)
    found = await examine(manager)
    assert found["broker"].ok is Standing.WEAKER
    assert "no such operation" in found["broker"].found
    assert "daemons" in found


async def test_probes_that_hang_are_ended_and_said(monkeypatch, tmp_path):
    """Ours: a dead network disk holds a system call for ever."""
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr(doctor, "_COMMAND", ("/bin/sh", "-c", f"exec 9>{fifo}; read -r _ <>{fifo}"))
    found = await examine(timeout=0.3)
    assert found["probes"].ok is Standing.NO
    assert "0.3 s" in found["probes"].found
    assert os.read(holder, 1) == b""  # the last writer is dead
    os.close(holder)


@pytest.mark.parametrize("program", ["echo broken >&2; exit 3", "echo '[{}]'", "kill -9 $$"])
async def test_probes_that_fail_are_said_with_their_last_words(monkeypatch, program: str):
    monkeypatch.setattr(doctor, "_COMMAND", ("/bin/sh", "-c", program))
    found = await examine()
    assert found["probes"].ok is Standing.NO
    assert "leftovers" in found
    if "broken" in program:
        assert "status 3 broken" in found["probes"].found


async def test_an_interpreter_that_is_gone_is_said(monkeypatch):
    monkeypatch.setattr(doctor, "_COMMAND", ("/no/such/python",))
    assert "can not be started" in (await examine())["probes"].found


async def test_no_place_for_a_socket_is_one_finding_and_the_rest_is_probed(monkeypatch):
    def none(instance: str) -> None:
        raise BrokerError("no usable runtime directory")

    monkeypatch.setattr(doctor, "make_places", none)
    found = await examine()
    assert found["places"].ok is Standing.NO
    assert found["signals"].ok is Standing.YES
    assert not {"runtime", "output"} & found.keys()


async def test_runs_that_were_cut_off_are_counted_and_living_ones_are_not(isolation: Path):
    for name in ("dead", "alive"):
        (state_root() / name).mkdir(parents=True)
        (state_root() / name / "run.json").write_text("{}")
        (state_root() / name / "broker.log").touch()
    with (state_root() / "alive" / "broker.log").open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)
        found = (await examine())["leftovers"]
    assert (found.ok, found.found) == (Standing.WEAKER, "1 earlier run was cut off")


def test_a_diagnosis_is_broken_only_by_a_promise_that_can_not_be_kept():
    def finding(ok: Standing) -> Finding:
        return Finding(id="x", promise="X", ok=ok, found="seen", means="" if ok is Standing.YES else "much")

    assert not Diagnosis(findings=(finding(Standing.YES), finding(Standing.WEAKER))).broken
    assert Diagnosis(findings=(finding(Standing.YES), finding(Standing.NO))).broken
