"""A job that outlives its kernel, as somebody sees it who restarts the kernel from JupyterLab's menu."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.lab import Lab

JOB = "%%session --durable --bg --name train\nfor i in 1 2 3; do echo epoch $i; done; read word; echo $word; exit 4"


@pytest.mark.browser
def test_a_durable_session_is_there_after_the_kernel_was_restarted(lab: Lab):
    notebook = lab.open(
        "vibesbox", [JOB, "%ps", "%tail train", "%send train finished", "%wait train", "%ps -a", "%info train"]
    )
    notebook.run(0)
    notebook.see(0, "epoch 3")
    notebook.restart()
    notebook.wait_idle()
    assert "train" in notebook.run(1)
    assert "durable" in notebook.text(1)
    assert notebook.run(2).splitlines()[-3:] == ["epoch 1", "epoch 2", "epoch 3"]
    notebook.run(3)
    assert "exit 4" in notebook.run(4)
    assert "exit 4" in notebook.run(5)
    notebook.run(6)
    lab.screenshot(Path("test-results/durable.png"))
    assert "finished" in notebook.run(2)
    assert lab.errors() == []
