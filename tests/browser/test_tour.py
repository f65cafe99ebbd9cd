"""The tour in a real JupyterLab: what a newcomer sees in the first five minutes."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab, Notebook

TOUR = Path(__file__).parents[2] / "notebooks" / "tour.ipynb"
DEADLINE = 15_000  # milliseconds


def cell_with(notebook: Notebook, text: str) -> int:
    """The index of the one cell whose source contains a text."""
    sources = notebook.sources()
    (index,) = [number for number, source in enumerate(sources) if text in source]
    return index


def run_cells(notebook: Notebook, start: int, end: int) -> None:
    """Run the code cells of a range, one after the other."""
    for index, source in enumerate(notebook.sources()[start:end], start):
        if source:
            notebook.run(index)


def row_of(notebook: Notebook, table: int, name: str) -> Locator:
    """The row of a session in the live table."""
    return notebook.output(table).get_by_role("row").filter(has_text=name)


@pytest.fixture
def tour(lab: Lab) -> Notebook:
    """The tour, opened but not run."""
    return lab.open_copy(TOUR)


def test_the_tour_runs_and_its_table_lives(tour: Notebook, lab: Lab):
    table = cell_with(tour, "%ps -w")
    last = cell_with(tour, "%kill web")
    run_cells(tour, 0, table + 1)
    assert "Hello from /tmp/" in tour.text(cell_with(tour, 'greet "${USER'))
    assert "20000 access.log" in tour.text(cell_with(tour, "wc -l access.log"))
    assert "It works" in tour.text(cell_with(tour, "curl --silent --output"))
    assert "code 404" in tour.text(cell_with(tour, "%tail web"))

    expect(row_of(tour, table, "web")).to_contain_text("running", timeout=DEADLINE)
    build = cell_with(tour, "--name build")
    tour.run(build)  # a row appears by itself ...
    expect(row_of(tour, table, "build")).to_contain_text("running", timeout=DEADLINE)
    tour.see(build, "compiling 1")
    expect(row_of(tour, table, "build")).to_contain_text("MB", timeout=DEADLINE)
    lab.page.evaluate("(cell) => cell.scrollIntoView()", tour.output(table).element_handle())
    lab.screenshot(Path("test-results/tour.png"))  # the README's picture
    expect(row_of(tour, table, "build")).to_contain_text("exited", timeout=DEADLINE)  # ... and ends by itself
    tour.see(build, "build finished in")

    run_cells(tour, build + 1, last + 1)
    assert "ExitStatus: exit status 3" in tour.text(cell_with(tour, "exit 3"))
    assert "still here" in tour.text(cell_with(tour, 'greet "still here"'))
    expect(row_of(tour, table, "web")).to_contain_text("killed", timeout=DEADLINE)
    run_cells(tour, last + 1, len(tour.sources()))
    assert "nobody answers" in tour.text(cell_with(tour, "nobody answers"))
    assert lab.errors() == []


def test_the_kill_button_kills_and_the_row_says_so(tour: Notebook):
    table = cell_with(tour, "%ps -w")
    run_cells(tour, 0, table + 1)
    row = row_of(tour, table, "web")
    pid = int(re.findall(r"\d{2,}", row.inner_text())[0])
    assert Path(f"/proc/{pid}").exists()
    row.get_by_role("button", name=re.compile("Kill")).click()
    expect(row).to_contain_text("killed", timeout=DEADLINE)
    assert not Path(f"/proc/{pid}").exists()
    expect(row.get_by_role("button", name=re.compile("Kill"))).to_have_count(0)


def test_the_table_changes_while_a_cell_runs(lab: Lab):
    notebook = lab.open("vibesbox", ["%ps -w", "sleep 3600 &", "sleep 1000", "echo still alive"])
    notebook.run(0)
    notebook.run(1)
    expect(row_of(notebook, 0, "sleep 3600")).to_contain_text("running", timeout=DEADLINE)
    notebook.start(2)
    row = row_of(notebook, 0, "sleep 1000")
    expect(row).to_contain_text("running", timeout=DEADLINE)
    row.get_by_role("button", name=re.compile("Kill")).click()
    notebook.wait_finished(2)
    assert "Killed" in notebook.text(2)
    expect(row).to_contain_text("killed", timeout=DEADLINE)
    expect(row_of(notebook, 0, "sleep 3600")).to_contain_text("running", timeout=DEADLINE)
    assert "still alive" in notebook.run(3)
    lab.screenshot(Path("test-results/table-while-a-cell-runs.png"))


def test_interrupt_and_restart_from_the_menu(lab: Lab):
    cells = ["x=kept; cd /usr; echo up; sleep 600", 'echo "$x $PWD"', "sleep 4321 &", 'echo "[$x]"']
    notebook = lab.open("vibesbox", cells)
    notebook.start(0)
    notebook.see(0, "up")
    lab.menu("Kernel", "Interrupt Kernel")
    notebook.wait_finished(0)
    assert "Interrupted" in notebook.text(0)
    assert notebook.run(1).strip() == "kept /usr"
    notebook.run(2)
    assert sleepers()
    lab.menu("Kernel", "Restart Kernel…")
    lab.confirm()
    notebook.wait_idle()
    assert notebook.run(3).strip() == "[]"
    assert not sleepers()


def test_run_all_stops_at_a_failing_cell(lab: Lab):
    notebook = lab.open("vibesbox", ["echo one", "ls /no/such", "echo three"])
    lab.menu("Run", "Run All Cells")
    notebook.see(1, "exit status 2")
    notebook.wait_idle()
    assert notebook.text(0).strip() == "one"
    assert notebook.text(2).strip() == ""
    assert notebook.run(2).strip() == "three"


def test_the_kernel_is_in_the_launcher(lab: Lab):
    notebook = lab.open("vibesbox", ["echo x"])
    notebook.run(0)
    lab.js("async () => { await window.jupyterapp.commands.execute('launcher:create') }")
    card = lab.page.locator(".jp-LauncherCard[data-category='Notebook']", has_text="Vibesbox")
    expect(card).to_be_visible(timeout=DEADLINE)
    expect(card.locator("img")).to_have_attribute("src", re.compile("logo-svg.svg"))


def sleepers() -> list[Path]:
    """The processes that run ``sleep 4321``."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if one.read_bytes() == b"sleep\x004321\x00":
                found.append(one)
    return found
