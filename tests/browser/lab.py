"""JupyterLab as a person sees it: a page with notebooks whose cells are run, read, clicked and answered."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Locator, expect

from tests.browser.server import LabServer

START_SECONDS = 120
"""For what starts a kernel or loads a page."""
SEE_SECONDS = 15
"""For what only has to appear."""
_PAGE_JS = Path(__file__).with_name("page.js")


class Lab:
    """One browser page on a JupyterLab server."""

    def __init__(self, server: LabServer, context: BrowserContext) -> None:
        self.server = server
        self.console: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(SEE_SECONDS * 1000)
        self.page.add_init_script(path=_PAGE_JS)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", self._note_error)
        self.page.goto(f"{server.url}/lab?reset&token={server.token}", timeout=START_SECONDS * 1000)
        self.wait_ready()
        self.js("() => jupyterapp.shell.collapseLeft()")

    def wait_ready(self) -> None:
        """Wait until JupyterLab has built itself up."""
        self.page.wait_for_function("() => window.vibesboxHarness", timeout=START_SECONDS * 1000)
        self.js("() => vibesboxHarness.ready()")

    def open(
        self, kernel: str, cells: Sequence[str], name: str = "test.ipynb", *, settings: dict[str, Any] | None = None
    ) -> Notebook:
        """Write a notebook with these code cells, open it, and wait until its kernel is idle.

        Args:
            kernel: The kernelspec's name: ``vibesbox`` or ``python3``.
            cells: The cells' sources.
            name: The notebook's file name below the server's directory.
            settings: What the notebook's metadata sets for itself.
        """
        metadata: dict[str, Any] = {"kernelspec": {"name": kernel, "display_name": kernel}}
        if settings is not None:
            metadata["vibesbox"] = settings
        code = [new_code_cell(source) for source in cells]
        notebook = new_notebook(cells=code, metadata=metadata)
        nbformat.write(notebook, self.server.files / name)
        return self._opened(name)

    def open_copy(self, path: Path) -> Notebook:
        """Open a copy of a notebook file, and wait until its kernel is idle."""
        shutil.copy(path, self.server.files / path.name)
        return self._opened(path.name)

    def js(self, function: str, arg: object = None) -> Any:
        """Evaluate a JavaScript function in the page, such as ``"(n) => n + 1"``, and await its result."""
        return self.page.evaluate(function, arg)

    def watch_freezes(self) -> None:
        """Note from now on how long the page stands still."""
        self.js("() => vibesboxHarness.watchFreezes()")

    def longest_freeze(self) -> float:
        """The longest time, in seconds, for which it has."""
        return float(self.js("() => vibesboxHarness.longestFreeze"))

    def watch_echoes(self) -> None:
        """Note from now on how long it takes from a key to a change in the page's terminal."""
        self.js("() => vibesboxHarness.watchEchoes(document.querySelector('.xterm-rows'))")

    def echoes(self) -> list[float]:
        """Those times, in seconds, in the order of the keys."""
        return list(self.js("() => vibesboxHarness.echoes"))

    def screenshot(self, path: Path) -> None:
        """Save what the page shows as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)

    def use_theme(self, name: str) -> None:
        """Choose a theme (``Light`` or ``Dark``); all pages of the server have it from then on."""
        self.js("(name) => jupyterapp.commands.execute('apputils:change-theme', { theme: `JupyterLab ${name}` })", name)
        light = str(name == "Light").lower()
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-light", light, timeout=SEE_SECONDS * 1000)
        expect(self.page.locator("#jupyterlab-splash")).not_to_be_attached(timeout=SEE_SECONDS * 1000)

    def menu(self, menu: str, entry: str) -> None:
        """Choose an entry of the menu bar, by the texts that a person reads."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{menu}$")).click()
        self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{re.escape(entry)}")).first.click()

    def confirm(self) -> None:
        """Press the button that a dialog recommends."""
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()

    def errors(self) -> list[str]:
        """What the page has complained of so far."""
        return [line for line in self.console if line.startswith(("error:", "uncaught:"))]

    def _opened(self, name: str) -> Notebook:
        notebook = Notebook(self, name)
        notebook.open()
        return notebook

    def _note_console(self, message: ConsoleMessage) -> None:
        self.console.append(f"{message.type}: {message.text}")

    def _note_error(self, error: Error) -> None:
        self.console.append(f"uncaught: {error}")


class Notebook:
    """An open notebook; its cells are named by their index, 0 first, Markdown cells counted."""

    def __init__(self, lab: Lab, path: str) -> None:
        self.lab = lab
        self.path = path

    def open(self) -> None:
        """Open it (again) and wait until its kernel is idle."""
        self._call("open")
        self.wait_idle()

    # Cells
    def run(self, index: int, timeout: float = START_SECONDS) -> str:
        """Run a cell to its end and return the text it shows."""
        self.start(index)
        self.wait_finished(index, timeout)
        return self.text(index)

    def run_all(self, timeout: float = START_SECONDS) -> None:
        """Run every cell, one after the other, each with the same timeout."""
        for index in range(self.lab.js("(path) => vibesboxHarness.panel(path).content.widgets.length", self.path)):
            self.start(index)
            self.wait_finished(index, timeout)

    def sources(self) -> list[str]:
        """The source of every cell; empty for those that are not code."""
        source = "one.model.type === 'code' ? one.model.sharedModel.getSource() : ''"
        widgets = "vibesboxHarness.panel(path).content.widgets"
        found: list[str] = self.lab.js(f"(path) => {widgets}.map((one) => {source})", self.path)
        return found

    def start(self, index: int) -> None:
        """Start a cell, and do not wait for it."""
        self._call("start", index)

    def wait_finished(self, index: int, timeout: float = START_SECONDS) -> None:
        """Wait until a cell that was started has its reply and all its output."""
        self.wait_for("isFinished", index, timeout=timeout)

    def is_finished(self, index: int) -> bool:
        """Whether a cell that was started has its reply."""
        return bool(self._call("isFinished", index))

    def add(self, index: int, source: str) -> int:
        """Insert a code cell before ``index`` and return its index."""
        self._call("add", index, source)
        return index

    def edit(self, index: int, source: str) -> None:
        """Replace a cell's source."""
        self._call("edit", index, source)

    # What it shows
    def output(self, index: int) -> Locator:
        """The output area of a cell, scrolled to; for Playwright's own ``expect`` and ``get_by_role``."""
        self._call("show", index)
        panel = self.lab.js("(path) => vibesboxHarness.panel(path).id", self.path)
        cell = f"[id='{panel}'] .jp-Notebook .jp-Cell[data-windowed-list-index='{index}']"
        return self.lab.page.locator(f"{cell} .jp-Cell-outputArea")

    def text(self, index: int) -> str:
        """The text of a cell's output, as a person reads it."""
        self._call("show", index)
        return str(self._call("text", index))

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """A cell's outputs as nbformat has them."""
        found: list[dict[str, Any]] = self._call("outputs", index)
        return found

    def see(self, index: int, text: str | re.Pattern[str], timeout: float = SEE_SECONDS) -> None:
        """Wait until a cell's output shows a text."""
        expect(self.output(index)).to_contain_text(text, timeout=timeout * 1000, use_inner_text=True)

    def see_not(self, index: int, text: str | re.Pattern[str], timeout: float = SEE_SECONDS) -> None:
        """Wait until a cell's output does not show a text."""
        expect(self.output(index)).not_to_contain_text(text, timeout=timeout * 1000, use_inner_text=True)

    # What a person does
    def click(self, index: int, button: str | re.Pattern[str]) -> None:
        """Press a button in a cell's output, found by its accessible name."""
        self.output(index).get_by_role("button", name=button).click()

    def answer(self, text: str) -> None:
        """Type a line into the input box that a cell shows."""
        box = self.lab.page.locator(".jp-Stdin-input").last
        box.fill(text)
        box.press("Enter")

    def interrupt(self) -> None:
        """Press the interrupt button."""
        self._panel("panel.sessionContext.session.kernel.interrupt()")

    def restart(self) -> None:
        """Restart the kernel and wait until it is idle."""
        self._panel("panel.sessionContext.session.kernel.restart()")
        self.wait_idle()

    def shut_down(self) -> None:
        """Shut the kernel down; the notebook stays open."""
        self._panel("panel.sessionContext.shutdown()")

    def save(self) -> Path:
        """Save the notebook and return its file."""
        self._panel("panel.context.save()")
        return self.lab.server.files / self.path

    def reload(self) -> None:
        """Save and reload the page, which forgets what is not saved. A widget needs a moment: ``see`` it."""
        self.save()
        self.lab.page.reload(timeout=START_SECONDS * 1000)
        self.lab.wait_ready()
        self._call("open")

    # Waits
    def wait_idle(self, timeout: float = START_SECONDS) -> None:
        """Wait until the kernel says that it is idle."""
        self.lab.page.wait_for_function(
            "(path) => vibesboxHarness.kernelStatus(path) === 'idle'", arg=self.path, timeout=timeout * 1000
        )

    def wait_for(self, question: str, *args: object, timeout: float = SEE_SECONDS) -> None:
        """Wait until a function of ``page.js`` answers true for this notebook."""
        self.lab.page.wait_for_function(
            "([name, args]) => vibesboxHarness[name](...args)",
            arg=[question, [self.path, *args]],
            timeout=timeout * 1000,
        )

    def _call(self, name: str, *args: object) -> Any:
        return self.lab.js("([name, args]) => vibesboxHarness[name](...args)", [name, [self.path, *args]])

    def _panel(self, expression: str) -> None:
        self.lab.js(f"async (path) => {{ const panel = vibesboxHarness.panel(path); await {expression}; }}", self.path)
