"""Durable cells of a kernel that is restarted, shut down or killed (promise 3)."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.kernel.driver import Driver, is_alive, running_kernel, wait_gone
from tests.lifeline import BlockingLifeline

NewKernel: TypeAlias = Callable[[], Driver]

SECONDS = 20.0


def _start(kernel: Driver, lifeline: BlockingLifeline, script: str, *, options: str = "--bg --durable") -> str:
    """A job that has begun and waits for a word; returns the request."""
    begun = f"exec 9>{lifeline.path}; echo begun; echo up >&9; read word; echo got $word; {script}"
    request = kernel.start(f"%%session {options} --name job\n{begun}")
    if "--bg" in options:
        assert kernel.finish(request, timeout=SECONDS).status == "ok"
    lifeline.held(SECONDS)
    return request


def _restart(kernel: Driver) -> None:
    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=60)


def _restart_now(kernel: Driver) -> None:
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)


def _kill(kernel: Driver) -> None:
    pid = kernel.pid
    os.kill(pid, signal.SIGKILL)
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)


def _job(kernel: Driver, name: str = "job") -> dict[str, Any]:
    listing = json.loads(kernel.run("%ps --json", timeout=SECONDS).text)
    return next(one for one in listing if one["name"] == name)


def _short_id(kernel: Driver) -> str:
    return Path(kernel.manager.connection_file).stem.removeprefix("kernel-")[:8].partition("-")[0]


@pytest.mark.parametrize("end", [_restart, _restart_now, _kill])
def test_a_restarted_kernel_lists_follows_feeds_and_waits_for_it(
    new_kernel: NewKernel, blocking_lifeline: BlockingLifeline, end: Callable[[Driver], None]
) -> None:
    kernel = new_kernel()
    _start(kernel, blocking_lifeline, "exit 37")
    before, pid = kernel.pid, _job(kernel)["pid"]
    end(kernel)
    wait_gone(before)
    job = _job(kernel)  # the first cell of this kernel
    assert (job["pid"], job["status"], job["durable"], job["owned"]) == (pid, "running", True, True)
    assert kernel.run("%tail job").text == "begun\n"
    assert kernel.run("%send job it").status == "ok"
    waited = kernel.run("%wait job", timeout=SECONDS)
    assert (waited.status, waited.text) == ("ok", f"job (pid {pid}): exited (exit 37)\n")
    assert "got it\n" in kernel.run("%tail job").text
    blocking_lifeline.released()


@pytest.mark.parametrize("end", [_restart, _restart_now])
def test_a_cell_in_the_foreground_goes_on_as_well(
    new_kernel: NewKernel, blocking_lifeline: BlockingLifeline, end: Callable[[Driver], None]
) -> None:
    """Jupyter: a restart interrupts first, and only then asks for the shutdown."""
    kernel = new_kernel()
    _start(kernel, blocking_lifeline, "sleep 600 & exit 5", options="--durable")
    end(kernel)
    kernel.run("%send job it", timeout=SECONDS)
    while _job(kernel)["exit_code"] is None:
        pass
    job = _job(kernel)
    assert (job["exit_code"], job["status"], len(job["leftovers"])) == (5, "running", 1)
    assert is_alive(job["leftovers"][0])
    assert kernel.run("%kill job", timeout=SECONDS).status == "ok"
    wait_gone(job["leftovers"][0])
    assert _job(kernel)["exit_code"] == 5


def test_a_durable_cell_is_interrupted_as_any_other(new_kernel: NewKernel, blocking_lifeline: BlockingLifeline) -> None:
    """Ours: where nothing but an interrupt comes it is meant."""
    kernel = new_kernel()
    request = _start(kernel, blocking_lifeline, "exit 0", options="--durable")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request).content["ename"] == "Interrupted"


def test_an_interrupt_from_the_restarted_kernel_ends_it_as_an_interrupt(
    new_kernel: NewKernel, blocking_lifeline: BlockingLifeline
) -> None:
    """POSIX: a shell that was interrupted ends by SIGINT itself."""
    kernel = new_kernel()
    _start(kernel, blocking_lifeline, "exit 0")
    _restart_now(kernel)
    assert kernel.run("%kill job -s INT", timeout=SECONDS).status == "ok"
    assert "SIGINT" in kernel.run("%wait job", timeout=SECONDS).text
    blocking_lifeline.released()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 6", "exited (exit 6)"),
        ("kill -KILL $$", "signalled (SIGKILL)"),
        ("set -e; false", "exited (exit 1)"),
        ("true", "exited (exit 0)"),
    ],
)
def test_a_later_kernel_of_the_same_connection_knows_how_it_ended_while_nobody_was_there(
    jupyter_data: Path, blocking_lifeline: BlockingLifeline, isolation: Path, script: str, said: str
) -> None:
    connection_file, gate = str(isolation / "kernel-same.json"), isolation / "gate"
    script = f"until [ -e {gate} ]; do sleep 0.01; done; {script}"
    with running_kernel(jupyter_data, connection_file=connection_file) as kernel:
        _start(kernel, blocking_lifeline, script)
        kernel.run("%send job it")
    gate.touch()
    blocking_lifeline.released(SECONDS)
    with running_kernel(jupyter_data, connection_file=connection_file) as kernel:
        assert said in kernel.run("%wait job", timeout=SECONDS).text
        assert kernel.run("%tail job").text == "begun\nit\ngot it\n"
        job = _job(kernel)
        assert (job["status"], job["owned"], job["durable"]) == ("completed", False, True)


def test_another_kernel_sees_reads_and_adopts_it_but_only_when_nobody_owns_it(
    new_kernel: NewKernel, blocking_lifeline: BlockingLifeline
) -> None:
    mine, other = new_kernel(), new_kernel()
    _start(mine, blocking_lifeline, "exit 3")
    assert "job" not in other.run("%ps --json", timeout=SECONDS).text
    (shown,) = other.run("%ps -a").of_kind("display_data")
    assert re.search("(running|waits for input), durable", shown["data"]["text/plain"])
    assert f" {_short_id(mine)}  " in shown["data"]["text/plain"]
    assert other.run("%tail job", timeout=SECONDS).text == "begun\n"
    refused = other.run("%kill job")
    assert refused.status == "error"
    assert re.search(r"belongs to Vibesbox kernel.*, which is alive", refused.text)
    assert "belongs to Vibesbox kernel" in other.run("%send job x").content["evalue"]
    mine.manager.shutdown_kernel()
    adopted = other.run("%adopt job", timeout=SECONDS)
    assert (adopted.status, adopted.text.endswith(": is ours now\n")) == ("ok", True)
    other.run("%send job it")
    assert "exited (exit 3)" in other.run("%wait job", timeout=SECONDS).text


def test_what_is_durable_no_more_ends_with_its_kernel(
    new_kernel: NewKernel, blocking_lifeline: BlockingLifeline
) -> None:
    kernel = new_kernel()
    _start(kernel, blocking_lifeline, "exit 3")
    assert kernel.run("%durable job --off").text.endswith(": ends with this program now\n")
    _restart(kernel)
    blocking_lifeline.released()
    assert "killed (SIGINT)" in kernel.run("%wait job", timeout=SECONDS).text


def test_nothing_of_its_files_is_left_when_it_and_its_kernels_are_gone(
    jupyter_data: Path, blocking_lifeline: BlockingLifeline, isolation: Path
) -> None:
    """Ours: a shell's state may hold secrets."""
    with running_kernel(jupyter_data) as kernel:
        _start(kernel, blocking_lifeline, "exit 0")
        os.kill(kernel.pid, signal.SIGKILL)
        _restart_now(kernel)
        kernel.run("%send job it", timeout=SECONDS)
        kernel.run("%wait job", timeout=SECONDS)
    for directory in (isolation / "run").rglob("shell-*"):
        while directory.exists():
            os.sched_yield()
