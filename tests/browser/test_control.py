"""Cells as somebody acts on them in JupyterLab while they run: interrupted, sent to the background, followed."""

from __future__ import annotations

import re
from pathlib import Path

from tests.browser.lab import Lab


def test_an_interrupt_says_whom_it_was_for_and_stops_run_all(lab: Lab):
    cells = ["sleep 600 &\necho up; sleep 500; echo never", "echo after", "%kill --all"]
    notebook = lab.open("vibesbox", cells)
    notebook.start(0)
    notebook.see(0, "up")
    notebook.start(1)
    notebook.interrupt()
    notebook.see(0, "Interrupted")
    text = notebook.text(0)
    assert "SIGINT to the shell (pid " in text
    assert "left running in the background: sleep 600 (pid " in text
    assert "never" not in text
    notebook.run(2)
    notebook.see(0, re.compile(r"pid \d+: killed \(exit 130\) after "))
    assert "after" not in notebook.text(1)
    lab.screenshot(Path("test-results/interrupt.png"))


def test_a_running_cell_is_sent_to_the_background_from_a_subshell_console(lab: Lab):
    """JupyterLab: New Subshell Console for Notebook."""
    cells = [
        "%%session --name long\nfor i in $(seq 6000); do echo line $i; sleep 0.2; done",
        "echo next",
        "%fg long -n 1",
    ]
    notebook = lab.open("vibesbox", cells)
    notebook.start(0)
    notebook.see(0, "line 3")
    lab.js("() => jupyterapp.commands.execute('notebook:create-subshell-console')")
    prompt = lab.page.locator(".jp-CodeConsole-input .cm-content")
    prompt.click()
    lab.page.keyboard.type("%bg long")
    lab.page.keyboard.press("Shift+Enter")
    lab.page.locator(".jp-CodeConsole-content").get_by_text(re.compile("goes on in the background")).wait_for()
    notebook.wait_finished(0)
    notebook.see(0, "goes on in the background")
    assert notebook.run(1).strip() == "next"
    notebook.see(0, re.compile("line 1[0-9]"))
    notebook.start(2)
    notebook.see(2, re.compile("line [0-9]+"))
    notebook.interrupt()
    notebook.see(2, "Interrupted")
    notebook.see(0, re.compile(r"long \(pid \d+\): .* after "))
    lab.screenshot(Path("test-results/background.png"))
