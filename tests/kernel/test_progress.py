"""Progress that cells report, as magics show it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gate import Gate
from tests.kernel.driver import Driver, Result

SECONDS = 30.0


def progress_of(kernel: Driver, name: str) -> object:
    listed = json.loads(kernel.run("%ps -a --json", timeout=SECONDS).text)
    return next(one["progress"] for one in listed if one["name"] == name)


def wait_progress(kernel: Driver, name: str, wanted: object) -> None:
    """Ask until a session has come so far."""
    deadline = time.monotonic() + SECONDS
    while (found := progress_of(kernel, name)) != wanted:
        assert time.monotonic() < deadline, f"{name} is at {found}"


def normal(fraction: float, text: str = "") -> dict[str, object]:
    return {"fraction": fraction, "text": text, "state": "normal"}


@pytest.mark.parametrize("io", ["pty", "pipe", "split"])
def test_a_cell_reports_its_progress_and_prints_nothing_of_it(kernel: Driver, gate: Gate, io: str) -> None:
    """Ours: the command is on the PATH of cells, and asks the broker."""
    script = rf"vibesbox-progress 40/100 'epoch <3>'; printf 'a\033]9;4;1;50\007b\n'; read go <{gate}"
    request = kernel.start(f"%%session --bg --name train-{io} --io {io}\n{script}")
    kernel.finish(request, timeout=SECONDS)
    wait_progress(kernel, f"train-{io}", normal(0.5, "epoch <3>"))
    (listed,) = kernel.run("%ps").of_kind("display_data")
    assert "[#####-----] 50 % epoch <3>" in listed["data"]["text/plain"]
    assert "[#####-----] 50 % epoch &lt;3&gt;" in listed["data"]["text/html"]
    (facts,) = kernel.run(f"%info train-{io}").of_kind("display_data")
    assert "\nprogress   [#####-----] 50 % epoch <3>\n" in facts["data"]["text/plain"]
    gate.open()
    assert kernel.run(f"%wait train-{io}", timeout=SECONDS).status == "ok"
    assert progress_of(kernel, f"train-{io}") is None
    kernel.wait_text(request, "ab\n", timeout=SECONDS)
    assert Result(messages=kernel.seen(request)).text.startswith("ab\n")


def test_a_foreground_cell_and_what_it_left_in_the_background_report(
    kernel: Driver, gate: Gate, second_gate: Gate
) -> None:
    """Ours: a session goes on reporting as long as anything of it runs."""
    script = f"{{ read go <{gate}; vibesbox-progress 70%; read go <{second_gate}; }} & vibesbox-progress 10%"
    kernel.run(f"%%session --name shop\n{script}", timeout=SECONDS)
    wait_progress(kernel, "shop", normal(0.1))
    gate.open()
    wait_progress(kernel, "shop", normal(0.7))
    second_gate.open()
    kernel.run("%wait shop", timeout=SECONDS)
    assert progress_of(kernel, "shop") is None


def test_a_durable_session_reports_while_its_kernel_is_dead(
    new_kernel: Callable[[], Driver], gate: Gate, second_gate: Gate, tmp_path: Path
) -> None:
    kernel = new_kernel()
    status = tmp_path / "status"
    script = f"read go <{gate}; vibesbox-progress 3/4 alone; echo $? >{status}; read go <{second_gate}"
    kernel.run(f"%%session --durable --bg --name train\n{script}", timeout=SECONDS)
    os.kill(kernel.pid, 9)
    gate.open()  # nobody is there but the broker
    deadline = time.monotonic() + SECONDS
    while not (status.exists() and status.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert status.read_text() == "0\n"
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    assert progress_of(kernel, "train") == normal(0.75, "alone")
    second_gate.open()
    assert kernel.run("%wait train", timeout=SECONDS).text.endswith("exited (exit 0)\n")


def test_what_tells_sessions_where_to_report_is_not_carried_on(kernel: Driver) -> None:
    """Ours: a cell's environment names its own broker, and no state has it."""
    assert "VIBESBOX_BROKER" not in kernel.run("%vibesbox state", timeout=SECONDS).text
    assert kernel.run("echo $VIBESBOX_BROKER").text.endswith("/sock\n")
