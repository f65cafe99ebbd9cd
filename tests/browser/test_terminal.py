"""The terminal in a real JupyterLab: typed, pasted, resized, reloaded, flooded, left, and what it must not do."""

from __future__ import annotations

import re
import shutil
import statistics
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab, Notebook

DEADLINE = 15_000
SHELL = "%%session --bg --name sh --env PS1='$ '\nexec bash --norc --noprofile -i"
SCREEN_PROGRAM = """
import curses
def main(screen):
    curses.nonl()
    keys = ""
    while not keys.endswith("q"):
        rows, columns = screen.getmaxyx()
        screen.erase()
        screen.addstr(0, 0, f"size {rows} {columns}")
        screen.addstr(1, 40, "right")
        screen.addstr(2, 40, "below")
        screen.addstr(4, 0, f"keys {keys}")
        key = screen.getch()
        keys += "" if key == curses.KEY_RESIZE else chr(key)
curses.wrapper(main)
"""


class Term:
    """The terminal in a cell's output, as somebody has it before the eyes and under the hands."""

    def __init__(self, notebook: Notebook, index: int) -> None:
        self.notebook = notebook
        self.index = index
        self.page = notebook.lab.page

    @property
    def region(self) -> Locator:
        return self.notebook.output(self.index).get_by_role("region", name=re.compile("^Terminal of"))

    @property
    def rows(self) -> Locator:
        return self.region.locator(".xterm-rows")

    def see(self, text: str | re.Pattern[str], timeout: int = DEADLINE) -> None:
        expect(self.rows).to_contain_text(text, timeout=timeout, use_inner_text=True)

    def text(self) -> str:
        return self.rows.inner_text().replace("\xa0", " ")

    def focus(self) -> None:
        self.region.locator(".xterm-screen").click()
        expect(self.region.locator("textarea")).to_be_focused(timeout=DEADLINE)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def size(self) -> tuple[int, int]:
        """What the session's programs are told."""
        self.type("echo size=$(stty size | tr ' ' x)=\n")
        self.see(re.compile(r"size=\d+x\d+="))
        found = re.findall(r"size=(\d+)x(\d+)=", self.text())
        self.type("clear\n")
        expect(self.rows).not_to_contain_text("size=", timeout=DEADLINE, use_inner_text=True)
        rows, columns = found[-1]
        return int(rows), int(columns)


def number_of_cells(notebook: Notebook) -> int:
    return len(notebook.sources())


def test_a_shell_in_the_terminal(lab: Lab):
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook = lab.open("vibesbox", [SHELL, "%fg -w sh", "echo other", "%tail -n 100 sh"])
    notebook.run(0)
    notebook.run(1)
    term = Term(notebook, 1)
    expect(term.region).to_have_accessible_name(re.compile(r"^Terminal of sh \(pid \d+\)$"), timeout=DEADLINE)
    term.see("$ ")
    term.focus()
    assert notebook.run(2).strip() == "other"  # the cell with the terminal waits for nothing
    term.focus()

    # It has the size of what is seen, before and after that changes.
    shown = term.rows.locator("> div").count()
    rows, columns = term.size()
    assert rows == shown
    lab.page.set_viewport_size({"width": 900, "height": 900})
    term.type(f"until [ $(stty size | cut -d' ' -f2) -lt {columns} ]; do sleep 0.05; done; echo nar''rower\n")
    term.see("narrower")
    lab.page.set_viewport_size({"width": 1280, "height": 900})

    # JupyterLab's shortcuts do not fire: these would delete, add and run cells, and leave the edit mode.
    term.type("clear; echo rea''dy; cat -v\n")
    term.see("ready")
    before = number_of_cells(notebook)
    term.press("Escape", "d", "d", "b", "a", "Shift+Enter", "Control+b", "Escape", "x", "z", "Enter")
    term.see("^[ddba")
    term.see("^[xz")
    assert number_of_cells(notebook) == before
    expect(term.region.locator("textarea")).to_be_focused()

    # What is pasted is marked for programs that want that, and arrives as it is.
    lab.js("() => navigator.clipboard.writeText('pasted ✓')")
    term.press("Control+c")
    term.type("clear; printf '\\e[?2004hpas%s\\n' te; cat -v\n")
    term.see("paste")
    term.press("Control+v", "Enter")
    term.see(re.compile(r"\^\[\[200~pasted .*\^\[\[201~"))
    term.press("Control+c")

    # A session gets nothing into the clipboard, moves no window, and says what it does in the title.
    term.type("printf '\\e[?2004l\\e]52;c;aGFja2Vk\\a\\e[8;5;5t\\e]0;my <b>title</b>\\aclip done\\n'\n")
    term.see("clip done\n")
    expect(term.region.get_by_text("my <b>title</b>", exact=True)).to_be_visible(timeout=DEADLINE)
    assert lab.js("() => navigator.clipboard.readText()") == "pasted ✓"
    assert term.rows.locator("> div").count() == shown

    # What is selected is copied.
    term.type("clear; echo copy''word\n")
    term.see("copyword")
    place = term.rows.locator("> div", has_text=re.compile("^copyword")).bounding_box()
    assert place is not None
    lab.page.mouse.dblclick(place["x"] + 20, place["y"] + place["height"] / 2)
    term.press("Control+c")
    lab.page.wait_for_function("async () => (await navigator.clipboard.readText()) === 'copyword'", timeout=DEADLINE)

    # A program that was killed on the whole screen leaves a terminal in which lines begin at the left.
    term.type("clear; printf '\\e[?1049h\\e[H'; printf 'o%s\\n' ne; printf 't%s\\n' wo\n")
    term.see("two")
    assert re.search(r"^one\s+two\s+\$", term.text())
    term.type("printf '\\e[?1049l'\n")

    # A REPL, and then the page is reloaded.
    term.type(f"clear; {sys.executable} -q\n")
    term.see(">>> ")
    term.type("print('answer', 6 * 7)\n")
    term.see("answer 42")
    lab.screenshot(Path("test-results/terminal-repl.png"))
    notebook.reload()
    term.see("answer 42")
    term.focus()
    term.type("exit()\n")
    term.see(re.compile(r"exit\(\)\s+\$"))
    term.type("echo still''here\n")
    term.see("stillhere")

    # The way out by the keyboard: afterwards keys are the notebook's.
    term.press("Control+Shift+Escape")
    term.press("b")
    lab.page.wait_for_function(
        "([path, count]) => vibesboxHarness.panel(path).content.widgets.length === count",
        arg=[notebook.path, before + 1],
        timeout=DEADLINE,
    )

    # The end.
    term.focus()
    term.type("exit 3\n")
    expect(term.region).to_contain_text(re.compile(r"exited \(exit 3\) after "), timeout=DEADLINE)
    term.type("x")
    expect(term.region.get_by_role("status")).to_contain_text("it takes no input any more", timeout=DEADLINE)
    lab.screenshot(Path("test-results/terminal-end.png"))
    assert lab.errors() == []

    notebook.restart()
    expect(term.region).to_contain_text("The kernel of this terminal has ended", timeout=DEADLINE)


def test_a_cell_s_program_gets_a_terminal_while_the_cell_runs(lab: Lab, tmp_path: Path):
    program = tmp_path / "screen.py"
    program.write_text(SCREEN_PROGRAM)
    run = f"{sys.executable} {program}"
    cell = f"{run}; read -p 'Name? ' name; echo \"hello $name\"; read -p 'Town? ' town; echo \"$town\""
    notebook = lab.open("vibesbox", [cell, run])
    notebook.start(0)
    notebook.see(0, "draws on the whole screen")
    notebook.click(0, re.compile("^Open a terminal for"))
    term = Term(notebook, 0)
    expect(term.region.locator("textarea")).to_be_focused(timeout=DEADLINE)
    term.see("size ")
    term.type("ab")
    term.see("keys ab")
    right, below = (next(line for line in term.text().split("\n") if word in line) for word in ("right", "below"))
    assert right.index("right") == below.index("below") == 40
    lab.screenshot(Path("test-results/terminal-offer.png"))
    term.press("q")

    # Somebody sits at the terminal: the cell does not ask what is asked there.
    term.see("Name? ")
    term.type("Ada\n")
    term.see("Town? ")
    assert notebook.output(0).locator(".jp-Stdin").count() == 0
    term.press("Control+Shift+Escape")
    expect(notebook.output(0).locator(".jp-Stdin")).to_contain_text("Town?", timeout=DEADLINE)
    notebook.answer("London")
    notebook.wait_finished(0)
    notebook.see(0, "hello Ada")
    notebook.see(0, "London")
    expect(term.region).to_contain_text("exited (exit 0) after ", timeout=DEADLINE)

    # Who does not press the button has nothing left of it.
    notebook.start(1)
    button = notebook.output(1).get_by_role("button", name=re.compile("^Open a terminal for"))
    button.wait_for()
    notebook.interrupt()
    notebook.wait_finished(1)
    expect(button).to_have_count(0, timeout=DEADLINE)
    saved = notebook.outputs(1)
    assert not any("application/vnd.jupyter.widget-view+json" in one.get("data", {}) for one in saved)
    assert lab.errors() == []


def test_a_python_notebook_s_terminal_while_python_is_busy(lab: Lab, capsys: pytest.CaptureFixture[str]):
    notebook = lab.open(
        "python3",
        [
            "%load_ext vibesbox",
            SHELL,
            "%fg -w sh",
            "import time; print('begun', flush=True); time.sleep(3600)",
        ],
    )
    for index in range(3):
        notebook.run(index)
    term = Term(notebook, 2)
    term.see("$ ")
    notebook.start(3)
    notebook.see(3, "begun")
    term.focus()

    # A flood: the page bears it, and its end is there.
    lab.watch_freezes()
    term.type("clear; seq 1 500000; echo en''ded\n")
    term.see("ended", timeout=60_000)
    assert re.search(r"499999\s+500000\s+ended", term.text())
    freeze = 1000 * lab.longest_freeze()

    # Keys: what is typed comes back while Python does nothing for anybody.
    term.type("clear; cat\n")
    expect(term.rows).not_to_contain_text("ended", timeout=DEADLINE)
    lab.watch_echoes()
    word = "abcdefghijklmnopqrstuvwxyz0123"
    for number, key in enumerate(word, 1):
        term.press(key)
        term.see(word[:number])
    echoes = lab.echoes()
    assert len(echoes) >= len(word) - 2
    assert not notebook.is_finished(3)
    with capsys.disabled():
        median = 1000 * statistics.median(echoes)
        sys.stdout.write(f"\nkeystroke to echo: median {median:.0f} ms; longest freeze in a flood: {freeze:.0f} ms\n")
    assert statistics.median(echoes) < 2
    notebook.interrupt()
    notebook.wait_finished(3)
    assert lab.errors() == []


@pytest.mark.skipif(shutil.which("vim") is None, reason="no vim here")
def test_vim_edits_a_file(lab: Lab, tmp_path: Path):
    file = tmp_path / "poem.txt"
    notebook = lab.open("vibesbox", [f"vim -u NONE -N {file}", "echo next"])
    notebook.start(0)
    notebook.click(0, re.compile("^Open a terminal for"))
    term = Term(notebook, 0)
    term.see("~")
    term.type("ifirst line\nsecond line")
    term.press("Escape")
    term.type("ggOabove")
    term.press("Escape", "j", "d", "d")
    expect(term.rows).not_to_contain_text("first line", timeout=DEADLINE)
    lab.screenshot(Path("test-results/terminal-vim.png"))
    notebook.reload()
    term.see("second line")
    term.focus()
    term.type(":wq\n")
    expect(term.region).to_contain_text("exited (exit 0) after ", timeout=DEADLINE)
    assert file.read_text() == "above\nsecond line\n"
    assert notebook.run(1).strip() == "next"
    assert lab.errors() == []
