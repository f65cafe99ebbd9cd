"""Cells as somebody sees them in JupyterLab: other languages, syntax errors, the notebook's own settings."""

from __future__ import annotations

from pathlib import Path

from tests.browser.lab import Lab


def test_a_notebook_brings_its_own_settings(lab: Lab):
    cells = ["stty size", "%vibesbox config"]
    notebook = lab.open("vibesbox", cells, settings={"rows": 33, "columns": 77})
    assert notebook.run(0).strip() == "33 77"
    notebook.run(1)
    notebook.see(1, "this notebook; default 24")
    lab.screenshot(Path("test-results/settings.png"))


def test_a_python_cell_and_one_that_can_not_be_read_are_shown_with_their_lines(lab: Lab):
    cells = ["#!/usr/bin/env python3\nprint('from python')\nraise SystemError('no')", "echo one\nfoo )\necho two"]
    notebook = lab.open("vibesbox", cells)
    assert 'In[1].py", line 3' in notebook.run(0)
    assert notebook.text(0).startswith("from python\n")
    text = notebook.run(1)
    assert "In[2]: line 2, column 5: syntax error near unexpected token `)'\nfoo )\n    ^" in text
    assert "one" not in text
    lab.screenshot(Path("test-results/cells.png"))
