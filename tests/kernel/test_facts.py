"""What a reply's metadata and ``%info`` say of a session, against what the processes themselves measure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kernel.driver import Driver

_TICK = 0.02
"""Two ticks of the kernel's clock: what /proc rounds away."""

BURN = """python3 -c '
import os, resource, time
block = bytearray(60_000_000)
end = time.process_time() + 0.4
while time.process_time() < end:
    pass
own = resource.getrusage(resource.RUSAGE_SELF)
print(own.ru_utime + own.ru_stime, own.ru_maxrss * 1024)
'"""


def info_of(kernel: Driver, ref: object) -> dict[str, Any]:
    known: list[dict[str, Any]] = json.loads(kernel.run("%ps -a --json").text)
    return next(one for one in known if ref in (one["name"], one["session_id"], one["pid"]))


def test_cpu_and_peak_memory_are_what_the_program_itself_has_measured(kernel: Driver) -> None:
    """POSIX: getrusage(2) in the program, wait4(2) in the broker."""
    result = kernel.run(BURN, timeout=20)
    cpu, peak = (float(word) for word in result.text.split())
    facts = result.metadata
    assert cpu - _TICK <= facts["cpu"] <= cpu + 0.3  # the shell's own, and the interpreter's start and end
    assert peak <= facts["peak_rss"] <= peak * 1.5
    assert facts["duration"] >= cpu


def test_the_session_says_the_same_as_the_reply(kernel: Driver) -> None:
    result = kernel.run(f"{BURN}; exit 3", timeout=20)
    facts, info = result.metadata, info_of(kernel, result.metadata["session_id"])
    assert (info["pid"], info["exit_code"], info["signal"]) == (facts["pid"], facts["exit_code"], facts["signal"])
    assert info["exit_code"] == 3
    assert abs(info["cpu"] - facts["cpu"]) <= 0.1
    assert info["peak_rss"] == facts["peak_rss"]
    assert abs(info["duration"] - facts["duration"]) <= 0.5


def test_pid_and_session_id_are_those_that_the_cell_sees_itself(kernel: Driver) -> None:
    result = kernel.run("echo $$ $BASHPID $VIBESBOX_SESSION; ps -o sid= -p $$")
    pid, shell, marker, sid = result.text.split()
    facts = result.metadata
    assert {pid, shell, sid} == {str(facts["pid"])}
    assert marker == facts["session_id"]


@pytest.mark.parametrize(
    ("ending", "code", "signal"),
    [
        ("true", 0, None),
        ("exit 200", 200, None),
        ("set -e; false", 1, None),
        ("kill -TERM $$", None, 15),
        ("kill -KILL $$", None, 9),
        ("bash -c 'kill -SEGV $$'", 139, None),
        ("nosuchcommand", 127, None),
    ],
)
def test_code_and_signal_are_told_apart(kernel: Driver, ending: str, code: int | None, signal: int | None) -> None:
    """POSIX: a status has one of both."""
    facts = kernel.run(f"( set +e ); {ending}").metadata
    assert (facts["exit_code"], facts["signal"]) == (code, signal)
    kernel.run("set +e")


def test_a_session_in_the_background_has_its_figures_in_info(kernel: Driver) -> None:
    request = kernel.start(f"%%session --bg --name burner\n{BURN}; exit 5")
    reply = kernel.finish(request)
    assert (reply.metadata["exit_code"], reply.metadata["signal"]) == (None, None)
    kernel.wait_text(request, "burner (pid", timeout=20)
    info = info_of(kernel, reply.metadata["session_id"])
    lines = [
        line
        for message in kernel.seen(request)
        if message["msg_type"] == "stream"
        for line in message["content"]["text"].splitlines()
    ]
    cpu, peak = (float(word) for word in lines[0].split())
    assert (info["exit_code"], info["end_reason"]) == (5, "exited")
    assert cpu - _TICK <= info["cpu"] <= cpu + 0.3
    assert peak <= info["peak_rss"] <= peak * 1.5
    shown = kernel.run("%info burner").of_kind("display_data")[0]["data"]["text/plain"]
    assert "exited (exit 5)" in shown


def test_the_wall_time_is_that_of_the_cell(kernel: Driver) -> None:
    result = kernel.run("before=$EPOCHREALTIME; sleep 0.3; after=$EPOCHREALTIME; echo $((${after/./} - ${before/./}))")
    slept = int(result.text) / 1e6
    assert slept <= result.metadata["duration"] <= slept + 1.0
