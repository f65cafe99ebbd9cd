"""A browser notification when a session ends (the browser's own are stubbed: nothing else could count them)."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.gate import Gate

SECONDS = 30

_STUB = """
window.Notification = class {
  static get permission() { return localStorage.getItem("vb-permission") ?? "default"; }
  static async requestPermission() { localStorage.setItem("vb-permission", "granted"); return "granted"; }
  constructor(title) {
    localStorage.setItem("vb-told", JSON.stringify([...JSON.parse(localStorage.getItem("vb-told") ?? "[]"), title]));
  }
};
"""


@pytest.fixture
def page(lab: Lab) -> Lab:
    """A page whose notifications are counted, over reloads too."""
    lab.page.context.add_init_script(_STUB)
    lab.js(f"() => {{ {_STUB} }}")
    return lab


def told(lab: Lab) -> list[str]:
    found: list[str] = lab.js("() => JSON.parse(localStorage.getItem('vb-told') ?? '[]')")
    return found


def wait_told(lab: Lab) -> list[str]:
    lab.page.wait_for_function("() => localStorage.getItem('vb-told')", timeout=SECONDS * 1000)
    return told(lab)


@pytest.mark.parametrize(("kernel", "setup"), [("vibesbox", "true"), ("python3", "%load_ext vibesbox")])
def test_leave_is_asked_for_and_the_end_is_told_once(page: Lab, gate: Gate, kernel: str, setup: str) -> None:
    script = f"%%session --bg --notify --name train\nread go <{gate}; exit 3"
    notebook = page.open(kernel, [setup, script, "%ps", "%ps"])
    notebook.run(0)
    notebook.run(1)
    notebook.see(1, "To be told when train (pid ")
    page.page.get_by_role("button", name="Allow notifications").click()
    notebook.see(1, "A notification tells when train (pid ")
    page.screenshot(Path(f"test-results/notice-{kernel}.png"))
    assert told(page) == []
    gate.open()
    (said,) = wait_told(page)
    assert said.startswith("train: exit 3 after ")
    notebook.see(1, said)
    assert f"ended since you looked: {said}" in notebook.run(2)
    assert "since you looked" not in notebook.run(3)
    assert told(page) == [said]


def test_after_a_reload_while_it_runs_the_end_is_told_once_too(page: Lab, gate: Gate) -> None:
    page.js("() => localStorage.setItem('vb-permission', 'granted')")
    notebook = page.open("vibesbox", [f"%%session --bg --notify --name train\nread go <{gate}"])
    notebook.run(0)
    notebook.see(0, "A notification tells when train (pid ")
    notebook.save()
    notebook.reload()
    notebook.see(0, "A notification tells when train (pid ")
    gate.open()
    (said,) = wait_told(page)
    notebook.see(0, said)
    notebook.save()
    notebook.reload()
    notebook.see(0, said)
    assert told(page) == [said]


def test_where_notifications_are_forbidden_the_cell_says_so(page: Lab, gate: Gate) -> None:
    page.js("() => localStorage.setItem('vb-permission', 'denied')")
    notebook = page.open("vibesbox", [f"%%session --bg --notify --name train\nread go <{gate}"])
    notebook.run(0)
    notebook.see(0, "forbid notifications; %ps says when train (pid ")
    expect(page.page.get_by_role("button", name="Allow notifications")).to_be_hidden()
    gate.open()
    notebook.see(0, "train: exit 0 after ")
    assert told(page) == []
