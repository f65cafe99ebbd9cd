"""What a person waits for in JupyterLab: views that appear, buttons that act, keys that echo, a page that goes on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from playwright.sync_api import CDPSession, Locator, expect

from benchmarks.table import Table, verdict
from tests.browser.chromium import chromium, launched
from tests.browser.lab import Lab, Notebook
from tests.browser.server import LabServer

PATIENCE_MS = 60_000
ROWS = 50
MANY = 1000
NEW_ROWS = 10
WATCH_SECONDS = 10
KEYS = 40
FLOOD_LINES = 13_000_000  # 104 MB
TICK_MS = 20

TICKER = "%session --bg while :; do echo tick; sleep 0.5; done\n" * ROWS
SLEEPERS = "%session --bg sleep 600\n" * MANY
SHELL = "%%session --bg --name sh --env PS1='$ '\nexec bash --norc --noprofile -i"
_RUN_SILENTLY = """([path, code]) =>
  vibesboxHarness.panel(path).sessionContext.session.kernel.requestExecute({ code, silent: true }).done"""
_SECONDS_UNTIL = """async ([path, index, selector, count]) => {
  const begun = performance.now();
  await vibesboxHarness.start(path, index);
  const node = vibesboxHarness.cell(path, index).node;
  while (node.querySelectorAll(selector).length < count) await new Promise(requestAnimationFrame);
  return (performance.now() - begun) / 1000;
}"""
_SECONDS_UNTIL_ROW = """async ([path, code]) => {
  const rows = () => document.querySelectorAll('.vb-table tbody tr').length;
  const [begun, before] = [performance.now(), rows()];
  vibesboxHarness.panel(path).sessionContext.session.kernel.requestExecute({ code, silent: true });
  while (rows() === before) await new Promise(requestAnimationFrame);
  return (performance.now() - begun) / 1000;
}"""


def measure_page() -> Table:
    """Measure JupyterLab's page; seconds, but for the browser's own time."""
    with _server() as server:
        rows = [
            *_on_a_page(server, _first_row),
            *_on_a_page(server, _many_rows),
            *_on_a_page(server, _very_many_rows),
            *_on_a_page(server, _kill_while_bash_runs),
            *_on_a_page(server, _kill_while_python_sleeps),
            *_on_a_page(server, _keys),
            *_on_a_page(server, _reload),
            *_on_a_page(server, _flood),
        ]
    return Table("In JupyterLab (s)", ("what", "measured", "goal", ""), rows)


Row = tuple[str, str, str, str]


def _row(what: str, seconds: float, at_most: float) -> Row:
    return what, f"{seconds:.3f}", f"{at_most:g}", verdict(seconds <= at_most)


@contextmanager
def _server() -> Iterator[LabServer]:
    with TemporaryDirectory(prefix="vibesbox-page-") as directory, LabServer(Path(directory)) as server:
        yield server


def _on_a_page(server: LabServer, measure: Callable[[Lab], list[Row]]) -> list[Row]:
    with launched(chromium() or "") as browser:
        try:
            return measure(Lab(server, browser.new_context(viewport={"width": 1280, "height": 900})))
        finally:
            server.shut_kernels_down()


def _many_rows(lab: Lab) -> list[Row]:
    notebook = lab.open("vibesbox", ["%ps -w", "%kill --all"])
    lab.js(_RUN_SILENTLY, [notebook.path, TICKER])  # what they put out is shown in no cell
    performance = lab.page.context.new_cdp_session(lab.page)
    performance.send("Performance.enable", {"timeDomain": "threadTicks"})
    idle = _busy(performance)
    arguments = [notebook.path, 0, ".vb-table tbody tr", ROWS]
    first = float(lab.js(_SECONDS_UNTIL, arguments))
    notebook.output(0)  # scrolled to: what is not seen costs little
    busy = _busy(performance)
    notebook.run(1)
    return [
        _row(f"a table of {ROWS} sessions: from the cell's start to its rows", first, 1.0),
        _row("  browser time a second, each row changing twice a second", busy, 0.1),
        ("  browser time a second before it was there", f"{idle:.3f}", "", ""),
    ]


def _first_row(lab: Lab) -> list[Row]:
    notebook = lab.open("vibesbox", ["%ps -w"])
    notebook.run(0)
    took = [
        float(lab.js(_SECONDS_UNTIL_ROW, [notebook.path, f"%session --bg --name new-{number} sleep 60"]))
        for number in range(NEW_ROWS)
    ]
    return [_row(f"a session that begins: from the request to its row, median of {NEW_ROWS}", median(took), 0.25)]


def _very_many_rows(lab: Lab) -> list[Row]:
    notebook = lab.open("vibesbox", ["%ps -w -a", "%kill --all"])
    lab.js(_RUN_SILENTLY, [notebook.path, SLEEPERS])
    performance = lab.page.context.new_cdp_session(lab.page)
    performance.send("Performance.enable", {"timeDomain": "threadTicks"})
    first = float(lab.js(_SECONDS_UNTIL, [notebook.path, 0, ".vb-table tbody tr", ROWS]))
    notebook.output(0)
    busy = _busy(performance)
    notebook.run(1, timeout=PATIENCE_MS / 1000)
    return [
        (f"a table of {MANY:,} sessions: from the cell's start to its rows", f"{first:.3f}", "", ""),
        ("  browser time a second, while they run", f"{busy:.3f}", "", ""),
    ]


def _busy(performance: CDPSession) -> float:
    """Processor seconds of the page's main thread, a second."""

    def so_far() -> float:
        metrics = performance.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    before, begun = so_far(), time.perf_counter()
    time.sleep(WATCH_SECONDS)
    return (so_far() - before) / (time.perf_counter() - begun)


def _row_of(notebook: Notebook, index: int, text: str) -> Locator:
    return notebook.output(index).get_by_role("row").filter(has_text=text).first


def _kill(row: Locator, over: Callable[[], None]) -> float:
    button = row.get_by_role("button", name=re.compile("^Kill")).first
    expect(button).to_be_visible(timeout=PATIENCE_MS)
    begun = time.perf_counter()
    button.click()
    over()
    return time.perf_counter() - begun


def _kill_while_bash_runs(lab: Lab) -> list[Row]:
    notebook = lab.open("vibesbox", ["%ps -w", "sleep 60"])
    notebook.run(0)
    notebook.start(1)
    took = _kill(_row_of(notebook, 0, "sleep 60"), lambda: notebook.wait_finished(1))
    return [_row("Kill of a cell's `sleep 60`: from the click to the cell's end", took, 1.0)]


def _kill_while_python_sleeps(lab: Lab) -> list[Row]:
    cells = ["%load_ext vibesbox\n%session --bg --name job sleep 600", "%ps -w", "import time\ntime.sleep(30)"]
    notebook = lab.open("python3", cells)
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    time.sleep(1)
    row = _row_of(notebook, 1, "job")
    took = _kill(row, lambda: expect(row).to_contain_text("killed", timeout=PATIENCE_MS))
    return [_row("Kill while Python sleeps: from the click to the row's word", took, 1.0)]


def _keys(lab: Lab) -> list[Row]:
    notebook = lab.open("vibesbox", [SHELL, "%fg -w sh"])
    notebook.run(0)
    notebook.run(1)
    rows = notebook.output(1).locator(".xterm-rows")
    expect(rows).to_contain_text("$", timeout=PATIENCE_MS)
    notebook.output(1).locator(".xterm-screen").click()
    lab.watch_echoes()
    for number in range(KEYS):
        lab.page.keyboard.press("abcdefghij"[number % 10])
        time.sleep(0.1)
    echoes = lab.echoes()
    return [_row(f"a key in the terminal to its echo, median of {len(echoes)}", median(echoes), 0.1)]


def _reload(lab: Lab) -> list[Row]:
    cells = [SHELL, "%ps -w", "%tail -w sh", "%fg -w sh", "echo up; sleep 600"]
    notebook = lab.open("vibesbox", cells)
    for index in range(4):
        notebook.run(index)
    notebook.start(4)
    notebook.see(4, "up")
    notebook.reload()
    begun = time.perf_counter()
    expect(_row_of(notebook, 1, "sh")).to_contain_text("running", timeout=PATIENCE_MS)
    expect(notebook.output(2)).to_contain_text("$", timeout=PATIENCE_MS)
    expect(notebook.output(3).locator(".xterm-rows")).to_contain_text("$", timeout=PATIENCE_MS)
    took = time.perf_counter() - begun
    return [_row("table, log and terminal after a reload, while a cell runs", took, 3.0)]


def _flood(lab: Lab) -> list[Row]:
    notebook = lab.open("vibesbox", [f"%%session --name flood\nseq {FLOOD_LINES}", "%tail -w flood"])
    lab.watch_freezes()
    notebook.run(0, timeout=120)
    notebook.see(0, str(FLOOD_LINES))
    longest = lab.longest_freeze()
    notebook.run(1)
    notebook.see(1, str(FLOOD_LINES))
    of_log = lab.longest_freeze()
    return [
        _row("a flood of 104 MB in a cell: the page's longest freeze", longest, 0.5),
        ("  with its log opened then", f"{of_log:.3f}", "", ""),
    ]
