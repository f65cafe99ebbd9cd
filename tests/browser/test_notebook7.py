"""Jupyter Notebook 7, the other front-end of JupyterLab's own parts: driven by its keys and its menus alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.lab import START_SECONDS
from tests.browser.server import LabServer

DEADLINE = 15_000  # milliseconds
CELLS = [
    "%%session --bg --name server\necho it serves; exec sleep 600",
    "%ps -w",
    "read -p 'Go on? ' answer; echo you said $answer",
    "echo up; sleep 600",
    "echo state is kept",
]


@pytest.fixture
def page(browser: Browser, lab_server: LabServer) -> Iterator[Page]:
    """A notebook of Vibesbox cells in Notebook 7, its kernel idle."""
    kernel = {"name": "vibesbox", "display_name": "Vibesbox"}
    notebook = new_notebook(cells=[new_code_cell(one) for one in CELLS], metadata={"kernelspec": kernel})
    nbformat.write(notebook, lab_server.files / "seven.ipynb")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{lab_server.url}/notebooks/seven.ipynb?token={lab_server.token}", timeout=START_SECONDS * 1000)
    idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
    expect(idle).to_be_visible(timeout=START_SECONDS * 1000)
    expect(page.locator(".jp-Cell")).to_have_count(len(CELLS))
    yield page
    context.close()
    lab_server.shut_kernels_down()


def output(page: Page, index: int) -> Locator:
    """The output of a cell."""
    return page.locator(f".jp-Cell[data-windowed-list-index='{index}'] .jp-Cell-outputArea")


def run(page: Page, index: int) -> None:
    """Run a cell as a person does."""
    cell = page.locator(f".jp-Cell[data-windowed-list-index='{index}']")
    cell.locator(".cm-content").click()
    expect(cell.locator(".cm-editor")).to_have_class(re.compile("cm-focused"))
    page.keyboard.press("Control+Enter")


def test_cells_table_input_and_interrupt_work_in_notebook_7(page: Page):
    run(page, 0)
    expect(output(page, 0)).to_contain_text("it serves", timeout=DEADLINE)
    run(page, 1)
    row = output(page, 1).get_by_role("row").filter(has_text="server")
    expect(row).to_contain_text("running", timeout=DEADLINE)

    run(page, 2)
    box = page.locator(".jp-Stdin-input")
    box.fill("yes")
    box.press("Enter")
    expect(output(page, 2)).to_contain_text("you said yes", timeout=DEADLINE)

    run(page, 3)
    expect(output(page, 3)).to_contain_text("up", timeout=DEADLINE)
    row.get_by_role("button", name=re.compile("Kill")).click()  # while a cell runs
    expect(row).to_contain_text("killed", timeout=DEADLINE)
    page.screenshot(path=Path("test-results/notebook7.png"))
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Kernel$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Interrupt Kernel")).first.click()
    expect(output(page, 3)).to_contain_text("Interrupted", timeout=DEADLINE)
    run(page, 4)
    expect(output(page, 4)).to_contain_text("state is kept", timeout=DEADLINE)
