"""The process table in a real JupyterLab: live whatever Python does, every button, the keyboard, reload, no kernel."""

from __future__ import annotations

import re
from pathlib import Path

import nbconvert
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab, Notebook
from tests.kernel.driver import is_alive, wait_gone

DEADLINE = 20_000  # milliseconds
PICTURES = Path("test-results")
SECRET = "correct horse"

SERVER = """
import http.server, socketserver
server = socketserver.TCPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print("serving", server.server_address[1], flush=True)
server.serve_forever()
"""


class Table:
    """The table in a cell's output."""

    def __init__(self, notebook: Notebook, cell: int = 0) -> None:
        self.output = notebook.output(cell)

    def row(self, name: str) -> Locator:
        """The row of a session."""
        return self.output.locator("tr.vb-row").filter(has_text=name)

    def pid(self, name: str) -> int:
        """The pid that its row says."""
        cell = self.row(name).locator(".vb-pid")
        expect(cell).to_have_text(re.compile(r"\d+"), timeout=DEADLINE)
        return int(cell.inner_text())

    def order(self) -> list[str]:
        """The names of the rows from the top."""
        return self.output.locator("tr.vb-row .vb-name").all_inner_texts()

    def open(self, name: str) -> Locator:
        """Open the details of a session, which are the only ones that are open then."""
        for one in self.output.get_by_role("button", name=re.compile("^Details of"), expanded=True).all():
            one.click()
        self.row(name).get_by_role("button", name=re.compile("^Details of")).click()
        details = self.output.locator("tr.vb-detail")
        expect(details).to_have_count(1, timeout=DEADLINE)
        return details

    def act(self, name: str, button: str) -> Locator:
        """Press a button in a session's details; returns these."""
        details = self.open(name)
        details.get_by_role("button", name=button, exact=True).click()
        return details


def sees(where: Locator, text: str | re.Pattern[str]) -> None:
    """Wait until a text is there."""
    expect(where).to_contain_text(text, timeout=DEADLINE)


def test_every_button_does_what_it_says(lab: Lab) -> None:
    cells = [
        "%ps -w",
        f"%%session --bg --name web\npython3 -c '{SERVER}'",
        "%%session --bg --name asks\nread -rsp 'Password: ' word; echo; echo ${#word} characters\n"
        "read -rp 'Go on? ' word; echo $word",
        "%%session --bg --name traps\ntrap 'echo got INT' INT; echo ready; while :; do sleep 600; done",
        "%%session --bg --name counts\nseq 200000; exec sleep 600",
        "echo up; sleep 600; echo never",
    ]
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook = lab.open("vibesbox", cells)
    for index in range(5):
        notebook.run(index)
    table = Table(notebook)

    # A secret is masked, is given, and stands nowhere.
    sees(table.row("asks"), "waits for input")
    table.row("asks").get_by_role("button", name=re.compile("^Answer")).click()
    box = table.output.get_by_label("Input for asks")
    expect(box).to_have_attribute("type", "password")
    box.fill(SECRET)
    box.press("Enter")
    sees(table.row("asks"), "Go on?")
    notebook.see(2, f"{len(SECRET)} characters")
    assert SECRET not in lab.page.content()
    table.output.get_by_label("secret").uncheck()
    box.fill("certainly")
    table.output.get_by_role("button", name="Send", exact=True).click()
    notebook.see(2, "certainly")
    sees(table.row("asks"), "exited")

    # Its port is a link.
    port = re.search(r"\d+", notebook.text(1))
    assert port is not None
    link = table.row("web").get_by_role("link", name=re.compile(port.group()))
    expect(link).to_have_attribute("href", f"http://127.0.0.1:{port.group()}/", timeout=DEADLINE)

    details = table.act("traps", "Interrupt")
    notebook.see(3, "got INT")
    table.act("traps", "Rename…")
    table.output.get_by_label("New name of traps").fill("web")
    table.output.get_by_label("New name of traps").press("Enter")
    sees(table.row("traps"), "'web' is taken")
    table.act("traps", "Rename…")
    table.output.get_by_label("New name of traps").fill("catcher")
    table.output.get_by_label("New name of traps").press("Enter")
    sees(table.output, "is called catcher now")
    table.act("catcher", "Make durable")
    sees(table.row("catcher"), "durable")
    table.act("catcher", "Not durable")
    expect(table.row("catcher")).not_to_contain_text("durable", timeout=DEADLINE)

    # The command, and the log as a file.
    table.act("counts", "Copy command")
    sees(details, "on the clipboard")
    assert lab.js("() => navigator.clipboard.readText()").strip() == "seq 200000; exec sleep 600"
    with lab.page.expect_download() as download:
        table.act("counts", "Save log")
    assert Path(download.value.path()).read_text() == "".join(f"{number}\n" for number in range(1, 200001))
    assert re.fullmatch(r"counts-\d+\.log", download.value.suggested_filename)

    # Other views, in the same cell.
    table.act("counts", "Log")
    sees(table.output.locator(".vb-log"), "200000")
    table.act("catcher", "Terminal")
    expect(table.output.locator(".xterm").first).to_be_visible(timeout=DEADLINE)

    # A cell goes to the background, and something comes back from there.
    notebook.start(5)
    table.act("echo up", "To the background")
    notebook.wait_finished(5)
    sees(notebook.output(5), "up")
    table.act("catcher", "Bring back")
    sees(table.output, "got INT")
    table.act("catcher", "To the background")
    notebook.see(0, "not followed any more; it goes on")

    # Once more, and the end: of one by its button, of all after a question.
    before = table.pid("counts")
    table.act("counts", "Kill at once")
    sees(table.row(str(before)), "killed")
    table.act("counts", "Run again")
    sees(table.output, "runs again as counts")
    expect(table.row("counts").filter(has_text="running")).to_have_count(1, timeout=DEADLINE)
    pids = [table.pid(name) for name in ("web", "catcher", "echo up")]
    table.output.get_by_label("Filter the table by text").fill("catch")
    expect(table.output.locator("tr.vb-row")).to_have_count(1)
    table.output.get_by_label("Filter the table by text").fill("")
    table.output.get_by_label("Filter the table by state").select_option("running")
    table.output.get_by_role("button", name="Kill all shown…").click()
    assert all(map(is_alive, pids))
    table.output.get_by_role("button", name="Keep them").click()
    table.output.get_by_role("button", name="Kill all shown…").click()
    table.output.get_by_role("button", name="Kill 4 sessions").click()
    wait_gone(*pids, timeout=DEADLINE / 1000)
    sees(table.output, "No session is shown.")
    assert lab.errors() == []


TICKER = "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done"
PYTHON_BLOCKS = ["import time; time.sleep(600)", "while True: pass"]


def moves_on(table: Table, name: str) -> None:
    """Wait until the last line of a session's output is another, and then another."""
    line = table.row(name).locator(".vb-line")
    for _ in range(2):
        expect(line).not_to_have_text(line.inner_text(), timeout=DEADLINE)


def test_the_table_lives_and_can_be_clicked_whatever_python_does(lab: Lab) -> None:
    names = ["first", "second", "third"]
    sessions = "\n".join(f"%session --bg --name {name} sleep 600" for name in names)
    cells = ["%load_ext vibesbox\n%ps -w", f"{sessions}\n%session --bg --name ticker {TICKER}", *PYTHON_BLOCKS]
    notebook = lab.open("python3", cells)
    notebook.run(0)
    notebook.run(1)
    table = Table(notebook)
    moves_on(table, "ticker")  # while the kernel is idle
    for cell, name in ((2, "first"), (3, "second")):
        pid = table.pid(name)
        notebook.start(cell)
        moves_on(table, "ticker")
        table.row(name).get_by_role("button", name=re.compile("^Kill")).click()
        wait_gone(pid, timeout=DEADLINE / 1000)
        sees(table.row(name), "killed")
        assert not notebook.is_finished(cell)
        notebook.interrupt()
        notebook.wait_finished(cell)

    # Where the front-end's messages have to wait for Python, the button says so until they are heard.
    lab.js(
        "(path) => { vibesboxHarness.panel(path).sessionContext.session.kernel.commsOverSubshells = 'disabled' }",
        notebook.path,
    )
    pid = table.pid("third")
    notebook.start(2)
    kill = table.row("third").get_by_role("button", name=re.compile("^Kill"))
    kill.click()
    expect(kill).to_have_text("pending", timeout=DEADLINE)
    moves_on(table, "ticker")
    assert is_alive(pid)
    notebook.interrupt()
    wait_gone(pid, timeout=DEADLINE / 1000)
    sees(table.row("third"), "killed")
    assert lab.errors() == []


def test_the_keyboard_alone_a_reload_and_no_kernel_at_all(lab: Lab) -> None:
    cells = [
        "%ps -w",
        "%%session --bg --name zebra\nsleep 600",
        f"%%session --bg --name ticker\n{TICKER}",
        "%%session --bg --name apple\nsleep 600",
        "sleep 600",
        "%info clock -w",
    ]
    notebook = lab.open("vibesbox", cells)
    for index in range(4):
        notebook.run(index)
    table, page = Table(notebook), lab.page
    keys = page.keyboard
    moves_on(table, "ticker")

    # JupyterLab's own keys (new cell, cut, merge) do nothing here, and updates leave the focus alone.
    table.row("zebra").focus()
    for key in ("a", "x", "Shift+M", "0", "0"):
        keys.press(key)
    keys.press("ArrowDown")
    expect(table.row("ticker")).to_be_focused()
    moves_on(table, "ticker")
    expect(table.row("ticker")).to_be_focused()
    assert notebook.sources() == cells

    keys.press("Enter")
    details = table.output.locator("tr.vb-detail")
    sees(details.locator(".vb-tree"), "the shell")
    expect(details.get_by_role("img", name=re.compile("^CPU: "))).to_be_visible(timeout=DEADLINE)
    table.output.evaluate("(node) => node.scrollIntoView()")
    for theme in ("Dark", "Light"):
        lab.use_theme(theme)
        lab.screenshot(PICTURES / f"table-{theme.lower()}.png")
    table.row("ticker").focus()
    keys.press("Escape")
    expect(details).to_have_count(0)

    keys.press("n")
    keys.type("clock")
    keys.press("Enter")
    sees(table.row("clock"), "tick")
    expect(table.row("clock")).to_be_focused()
    keys.press("/")
    keys.type("sleep")
    expect(table.output.locator("tr.vb-row")).to_have_count(3)
    keys.press("ControlOrMeta+a")
    keys.press("Delete")
    keys.press("Escape")
    keys.press("Home")
    expect(table.row("zebra")).to_be_focused()
    pid = table.pid("zebra")
    keys.press("Shift+K")
    wait_gone(pid, timeout=DEADLINE / 1000)
    sees(table.row("zebra"), "killed")
    table.output.get_by_label("Hide ended").focus()
    keys.press("Space")
    expect(table.row("zebra")).to_have_count(0)

    by_name = table.output.get_by_role("columnheader", name="Name")
    by_name.get_by_role("button").focus()
    for wanted, order in (("ascending", ["apple", "clock"]), ("descending", ["clock", "apple"])):
        keys.press("Enter")
        expect(by_name).to_have_attribute("aria-sort", wanted)
        assert table.order() == order
    keys.press("Enter")
    assert table.order() == ["clock", "apple"]

    # It has a name, its columns have, and everything that can be pressed has.
    expect(table.output.get_by_role("table", name=re.compile("^Processes: 2 running"))).to_be_visible()
    buttons = "(node) => [...node.querySelectorAll('.vb-table button')].filter((one) => one.offsetParent)"
    assert table.output.evaluate(f"{buttons}.every((one) => one.innerText || one.ariaLabel)")

    # One session with its details; reloaded while a cell runs.
    notebook.run(5)
    live = Table(notebook, 5).output
    expect(live.get_by_role("img", name=re.compile("^Output: "))).to_be_visible(timeout=DEADLINE)
    notebook.start(4)
    sees(table.output, "sleep 600")
    notebook.reload()
    table = Table(notebook)
    moves_on(table, "clock")
    pid = table.pid("apple")
    table.row("apple").get_by_role("button", name=re.compile("^Kill")).click()
    wait_gone(pid, timeout=DEADLINE / 1000)
    sees(table.row("apple"), "killed")
    notebook.interrupt()
    notebook.wait_idle()

    # Without a kernel the picture stands there, and so it does in what nbconvert makes of it.
    file = notebook.save()
    shown, _ = nbconvert.HTMLExporter().from_filename(str(file))
    assert shown.count('class="vibesbox-sessions"') == 1
    notebook.restart()
    sees(table.output, "The kernel of this table has ended")
    notebook.shut_down()
    page.reload()
    lab.wait_ready()
    notebook.open()
    sees(notebook.output(0).locator(".vibesbox-sessions"), "apple")
