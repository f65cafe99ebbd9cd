"""Help with code as somebody sees it who types in JupyterLab."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab, Notebook

pytestmark = pytest.mark.browser


def _type_at_end(notebook: Notebook, index: int, keys: str) -> None:
    """Put the cursor at the end of a cell's text and press a key."""
    page = notebook.lab.page
    editor = page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{index}'] .cm-content")
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.press(keys)


def test_the_tab_key_offers_what_the_shell_knows_and_shows_what_it_is(lab: Lab):
    """Ours: while a cell runs, too."""
    notebook = lab.open(
        "vibesbox", ["tab_function() { :; }; touch 'tab file'; mkdir -p tab_directory", "tab_", "cat tab", "sleep 600"]
    )
    notebook.run(0)
    notebook.start(3)
    completer = lab.page.locator(".jp-Completer")
    _type_at_end(notebook, 2, "Tab")
    expect(completer).to_contain_text("tab\\ file")
    expect(completer).to_contain_text("tab_directory/")
    lab.screenshot(Path("test-results/completion.png"))
    lab.page.keyboard.press("Escape")
    _type_at_end(notebook, 1, "Tab")
    expect(completer).to_contain_text("tab_functionfunction")  # the name, and beside it what it is
    lab.page.keyboard.press("Enter")
    expect(completer).to_be_hidden()
    assert notebook.sources()[1] == "tab_function"
    notebook.interrupt()
    notebook.wait_finished(3)
    assert lab.errors() == []


def test_shift_tab_shows_what_is_known_of_a_word(lab: Lab):
    """Ours: as HTML, within JupyterLab's own tooltip."""
    notebook = lab.open("vibesbox", ["known() { echo 'one < two'; }", "known"], name="inspect.ipynb")
    notebook.run(0)
    _type_at_end(notebook, 1, "Shift+Tab")
    tooltip = lab.page.locator(".jp-Tooltip")
    expect(tooltip).to_contain_text("Function known")
    expect(tooltip).to_contain_text("echo 'one < two'")
    lab.screenshot(Path("test-results/inspection.png"))


def test_a_cell_is_formatted_where_it_stands_and_findings_are_a_table(lab: Lab):
    """Jupyter: the payload set_next_input with replace."""
    notebook = lab.open("vibesbox", ["%%fmt\nif true\nthen echo  a;fi", "%%lint\nls $1"], name="tools.ipynb")
    notebook.run(0)
    assert notebook.sources()[0] == "if true; then echo a; fi"
    assert "SC2086" in notebook.run(1)
    lab.screenshot(Path("test-results/lint.png"))
