"""Fixtures of the browser tests: ``lab`` is a fresh page on a JupyterLab that all of them share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium, launched
from tests.browser.lab import Lab
from tests.browser.server import LabServer

_HERE = Path(__file__).parent
_LEFT_OUT = pytest.StashKey[int]()
_NO_CHROMIUM = "no Chromium here; `make browser` installs Debian's (as root), VIBESBOX_CHROMIUM=/path/to/it names one"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the browser tests, put them last, and leave them out where they can not run and need not."""
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    # Last: Playwright's blocking API keeps an event loop in the main thread, beside which no async test runs.
    items.sort(key=lambda item: item.path.is_relative_to(_HERE))
    left_out = chromium() is None and os.environ.get("VIBESBOX_REQUIRE_BROWSER") != "1"
    config.stash[_LEFT_OUT] = len(ours) if left_out else 0
    for item in ours:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.timeout(300))
        item.add_marker(pytest.mark.keeps_descriptors("Playwright's loop and its threads serve the whole run"))
        if left_out:
            item.add_marker(pytest.mark.skip(reason=_NO_CHROMIUM))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out, where nobody can miss it."""
    left_out = config.stash.get(_LEFT_OUT, 0)
    if left_out:
        terminalreporter.section("left out", yellow=True)
        terminalreporter.line(f"{left_out} browser tests: {_NO_CHROMIUM}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, the system's own."""
    path = chromium()
    if path is None:
        pytest.fail(f"VIBESBOX_REQUIRE_BROWSER=1, and {_NO_CHROMIUM}", pytrace=False)
    with launched(path) as found:
        yield found


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """The JupyterLab that the browser tests share. A test that needs other settings makes its own ``LabServer``."""
    with LabServer(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture
def lab(request: pytest.FixtureRequest, browser: Browser, lab_server: LabServer) -> Iterator[Lab]:
    """A fresh page of JupyterLab; after the test its kernels are shut down."""
    yield from open_lab(request, browser, lab_server)


def open_lab(request: pytest.FixtureRequest, browser: Browser, server: LabServer) -> Iterator[Lab]:
    """The body of ``lab``, for a fixture with another server; what a failed test showed goes to ``test-results/``."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    failed_before = request.session.testsfailed
    lab = Lab(server, context)
    yield lab
    if request.session.testsfailed > failed_before:
        _keep_for_a_look(lab, request)
    context.close()
    server.shut_kernels_down()


def _keep_for_a_look(lab: Lab, request: pytest.FixtureRequest) -> None:
    directory = request.config.rootpath / "test-results" / re.sub(r"\W+", "_", request.node.name)
    lab.screenshot(directory / "page.png")
    (directory / "console.txt").write_text("\n".join(lab.console))
    (directory / "server.log").write_text(lab.server.log)
