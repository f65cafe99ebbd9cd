"""Sessions as a Python notebook shows them in JupyterLab: handles that stay up to date, listings, secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.browser.test_input import DEADLINE, box


def test_a_handle_and_a_listing_stay_up_to_date_in_their_cells(lab: Lab, isolation: Path):
    gate = isolation / "gate"
    os.mkfifo(gate)
    cells = [
        "%load_ext vibesbox",
        f"%%session --bg --name train\necho 'epoch 1 <b>of</b> 2'; read line <{gate}; echo 'epoch 2 of 2'; exit 3",
        "train = _\nfor line in train.lines(): break\ntrain",
        "%ps -f",
        f"open({str(gate)!r}, 'w').close()",
    ]
    notebook = lab.open("python3", cells)
    for index in range(3):
        notebook.run(index)
    notebook.see(2, re.compile(r"train \(pid \d+\) running .*epoch 1 <b>of</b> 2", re.DOTALL))
    notebook.start(3)
    notebook.see(3, "1 running")
    lab.screenshot(Path("test-results/handle-running.png"))
    notebook.interrupt()
    notebook.wait_finished(3)
    notebook.see(3, "the sessions go on")
    notebook.run(4)
    notebook.see(2, re.compile(r"exited \(exit 3\).*epoch 2 of 2", re.DOTALL))
    expect(notebook.output(2).locator(".vibesbox-session")).to_have_count(1)
    lab.screenshot(Path("test-results/handle-ended.png"))


@pytest.mark.parametrize(("kernel", "first"), [("vibesbox", "true"), ("python3", "%load_ext vibesbox")])
def test_a_secret_is_asked_for_masked_and_shown_nowhere(lab: Lab, kernel: str, first: str):
    asks = "%%session --secret-env TOKEN\necho ${#TOKEN} letters"
    notebook = lab.open(kernel, [first, asks, "%%session\necho ${TOKEN-unset}"])
    notebook.run(0)
    notebook.start(1)
    expect(box(notebook, 1)).to_contain_text("Secret TOKEN:", timeout=DEADLINE)
    expect(box(notebook, 1).locator("input")).to_have_attribute("type", "password")
    notebook.answer("hunter2")
    notebook.wait_finished(1)
    notebook.see(1, "7 letters")
    assert "hunter2" not in notebook.text(1)
    assert "unset" in notebook.run(2)
    assert "hunter2" not in notebook.save().read_text()
