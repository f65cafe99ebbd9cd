"""The live log as somebody sees it in JupyterLab: it follows, goes back, finds, comes back after a reload, is saved."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab, Notebook
from tests.gate import Gate

SHOTS = Path("test-results")
LINES = 1_000_000
LINE = "line %.0f of a long log, as wide as such lines are, with a time 12:34:56.789 and some more words"
DEADLINE = 15_000  # milliseconds
FREEZE_MS = 3000
"""Far more than what is seen (below 300 ms), and far less than what a page does that holds all of it."""

ROWS_BEHIND = """([log, before]) => {
  const rows = [...log.querySelectorAll('.vb-row')].map((row) => [Number(row.dataset.line), row.textContent]);
  return rows.length > 5 && rows.at(-1)[0] > before && rows.every(([, text]) => text) && rows;
}"""


@contextlib.contextmanager
def dark(lab: Lab) -> Iterator[None]:
    """JupyterLab's dark theme; all tests share the server that remembers it."""
    try:
        lab.use_theme("Dark")
        yield
    finally:
        lab.use_theme("Light")


class Log:
    """A log in a cell's output."""

    def __init__(self, notebook: Notebook, cell: int) -> None:
        self.output = notebook.output(cell)
        self.region = self.output.get_by_role("region", name=re.compile("^Log of "))
        self.box = self.output.get_by_role("log")
        self.query = self.output.get_by_role("searchbox", name="Search in the whole log")
        self.found = self.output.locator(".vb-found")
        expect(self.box.locator(".vb-row").first).to_be_attached(timeout=60_000)  # its height is settled
        self.output.evaluate("(output) => output.scrollIntoView()")

    def row(self, number: int) -> Locator:
        """A line by its number as it stands beside it, from 1."""
        return self.box.locator(f"[data-line='{number - 1}']")

    def sees(self, number: int, text: str | re.Pattern[str], timeout: float = DEADLINE) -> None:
        """Wait until a line is in sight."""
        expect(self.row(number)).to_have_text(text, timeout=timeout)
        expect(self.row(number)).to_be_in_viewport(timeout=timeout)

    def press(self, key: str) -> None:
        self.box.press(key)

    def total(self) -> int:
        match = re.search(r"([\d,]+) lines?", self.region.locator(".vb-bar .vb-facts").inner_text())
        assert match is not None
        return int(match[1].replace(",", ""))

    def numbers(self) -> list[int]:
        """Which lines are there, in sight or just out of it."""
        return [int(row.get_attribute("data-line") or "-1") + 1 for row in self.box.locator(".vb-row").all()]


def test_a_log_follows_goes_back_finds_and_is_there_after_a_reload(lab: Lab, gate: Gate, tmp_path: Path):
    stop = tmp_path / "stop"
    styles = r"\e[1mbold\e[0m \e[3mitalic\e[0m \e[4munder\e[0m \e[7minverse\e[0m \e[31mred\e[0m \e[38;5;208morange\e[0m"
    job = (
        "%%session --bg --io split --name build\n"
        rf"printf '{styles} \e[38;2;100;200;50mgreen\e[0m \e[44;97mwhite\e[0m\n'; for i in {{1..300}}; do echo step $i;"
        rf" done; printf '\e[?1049hfoo\nbar\e[?1049lback\n'; read go <{gate}; echo trouble >&2; read go <{gate};"
        f" for ((i = 301; ; i++)); do echo step $i; [[ ! -e {stop} ]] || exit 3; sleep 0.02; done"
    )
    notebook = lab.open("vibesbox", ["%tail -w build", job, "echo begun; sleep 600"])
    notebook.run(1)
    notebook.run(0)  # above it, where its output does not move it
    notebook.start(2)  # from here on a cell runs, all the time
    notebook.see(2, "begun")
    log = Log(notebook, 0)
    log.sees(302, re.compile(r"^a program drew on the whole screen here \(\d+ bytes, not shown\)back$"))
    gate.open()
    log.sees(303, "trouble")
    expect(log.row(303).locator(".vb-stderr")).to_have_text("trouble", timeout=DEADLINE)

    log.press("Home")  # keys alone
    log.sees(1, "bold italic under inverse red orange green white")
    lab.screenshot(SHOTS / "log-light.png")
    gate.open()
    expect(log.output.get_by_role("button", name="Go to the end and follow")).to_contain_text(
        "new line", timeout=DEADLINE
    )
    assert 1 in log.numbers()  # what comes does not take it away
    log.press("/")
    expect(log.query).to_be_focused(timeout=DEADLINE)
    log.query.press_sequentially("step 29[5-9]")
    expect(log.found).to_have_text(re.compile("^0 matching lines"), timeout=DEADLINE)
    log.output.get_by_role("button", name="Regular expression").press("Enter")
    expect(log.found).to_have_text("1 of 5 matching lines", timeout=DEADLINE)
    log.sees(296, "step 295")
    expect(log.row(296).locator("mark")).to_have_text("step 295", timeout=DEADLINE)
    log.query.press("Enter")
    expect(log.found).to_have_text("2 of 5 matching lines", timeout=DEADLINE)
    log.query.press("Shift+Enter")
    log.query.press("Shift+Enter")
    expect(log.found).to_have_text("5 of 5 matching lines", timeout=DEADLINE)
    log.sees(300, "step 299")
    with dark(lab):
        log.sees(300, "step 299")
        lab.screenshot(SHOTS / "log-dark.png")
        expect(log.row(300).locator("mark")).to_be_in_viewport(timeout=DEADLINE)

    notebook.reload()
    log = Log(notebook, 0)
    log.sees(300, "step 299")
    expect(log.row(300).locator("mark")).to_have_text("step 299", timeout=DEADLINE)
    expect(log.query).to_have_value("step 29[5-9]", timeout=DEADLINE)
    before = log.total()
    expect(log.region.locator(".vb-facts")).not_to_contain_text(f"{before:,} lines", timeout=DEADLINE)  # it goes on
    log.press("End")
    expect(log.output.get_by_role("button", name="Follow what comes (f)")).to_have_attribute(
        "aria-pressed", "true", timeout=DEADLINE
    )
    handle = lab.page.wait_for_function(ROWS_BEHIND, arg=[log.box.element_handle(), before])
    rows = handle.json_value()
    assert [text for _, text in rows] == [f"step {line - 2}" for line, _ in rows]  # three lines before them are none
    stop.touch()
    expect(log.region.locator(".vb-facts")).to_contain_text("exited (exit 3)", timeout=DEADLINE)
    assert lab.errors() == []

    notebook.restart()
    expect(log.region).to_contain_text("The kernel of this log has ended", timeout=DEADLINE)


def test_a_log_lives_in_a_python_notebook_while_python_sleeps(lab: Lab, gate: Gate):
    """Jupyter: the page's messages go to a subshell, and not behind the cell."""
    long = "head -c 100000 /dev/zero | tr \\\\0 x"
    job = f"%session --bg --name job bash -c 'seq 500; read go <{gate}; seq 501 1000; {long}; sleep 600'"
    notebook = lab.open(
        "python3",
        [f"%load_ext vibesbox\n{job}", "%tail -w job", "print('begun', flush=True); __import__('time').sleep(600)"],
    )
    notebook.run(0)
    notebook.run(1)
    log = Log(notebook, 1)
    log.sees(500, "500")
    notebook.start(2)
    notebook.see(2, "begun")
    gate.open()
    log = Log(notebook, 1)
    log.sees(1000, "1000")
    log.row(1001).get_by_role("button", name="95.4 kB of this line are not shown: show them in pieces").click()
    piece = log.output.get_by_role("region", name="A long line")
    expect(piece).to_contain_text("Line 1,001: bytes 0 to 32,768 of 100,000", timeout=DEADLINE)
    for seen in ("32,768 to 65,536", "65,536 to 98,304", "98,304 to 100,000"):
        piece.get_by_role("button", name="The next piece").press("Enter")
        expect(piece).to_contain_text(f"Line 1,001: bytes {seen} of 100,000", timeout=DEADLINE)
    piece.get_by_role("button", name="Close").click()
    expect(log.box).to_be_focused(timeout=DEADLINE)
    log.press("Home")
    log.sees(1, "1")
    log.query.fill("77")
    expect(log.found).to_have_text("1 of 19 matching lines", timeout=DEADLINE)
    log.sees(77, "77")
    assert not notebook.is_finished(2)
    notebook.interrupt()
    assert [line for line in lab.errors() if "KeyboardInterrupt" not in line] == []


def test_a_hundred_megabytes_stay_smooth_and_are_saved_byte_for_byte(lab: Lab):
    job = f"%%session --io pipe --bg --name big\nseq -f '{LINE}' {LINES}"
    notebook = lab.open("vibesbox", [job, "%wait big", "%tail -w big"])
    notebook.run(0)
    notebook.run(1)
    lab.watch_freezes()
    notebook.run(2)
    log = Log(notebook, 2)
    log.sees(LINES, LINE % LINES)
    assert log.total() == LINES

    log.press("Home")
    log.sees(1, LINE % 1)
    log.press("PageDown")
    expect(log.row(1)).not_to_be_in_viewport(timeout=DEADLINE)
    log.box.evaluate("(box) => { box.scrollTop = (box.scrollHeight - box.clientHeight) / 2 }")
    log.sees(LINES // 2, LINE % (LINES // 2))
    log.box.hover()
    lab.page.mouse.wheel(0, 20 * 18)  # twenty lines and not more, though the bar is scaled
    log.sees(LINES // 2 + 25, LINE % (LINES // 2 + 25))
    log.query.fill("line 987654 of")
    log.sees(987_654, LINE % 987_654)
    expect(log.found).to_have_text("1 of 1 matching line", timeout=DEADLINE)
    log.query.fill("999999")
    log.sees(999_999, LINE % 999_999)
    expect(log.row(999_999).locator("mark")).to_have_text("999999", timeout=DEADLINE)
    expect(log.found).to_have_text("1 of 1 matching line", timeout=DEADLINE)
    log.press("End")
    log.sees(LINES, LINE % LINES)
    assert len(log.numbers()) < 200

    with lab.page.expect_download(timeout=120_000) as saving:
        log.output.get_by_role("button", name="Download the whole output as it is").click()
    saved = saving.value
    assert re.fullmatch(r"big-\d{8}-\d{6}\.log", saved.suggested_filename)
    wanted = "".join(f"{LINE % number}\n" for number in range(1, LINES + 1)).encode()
    with Path(saved.path()).open("rb") as file:
        assert hashlib.file_digest(file, "sha256").digest() == hashlib.sha256(wanted).digest()
    lab.screenshot(SHOTS / "log-100-mb.png")
    freeze = 1000 * lab.longest_freeze()
    print(f"longest freeze: {freeze:.0f} ms")  # noqa: T201
    assert freeze < FREEZE_MS
    assert lab.errors() == []
