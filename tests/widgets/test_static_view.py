"""The picture that stands in for a live table."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from tests.widgets.fake_manager import FakeManager
from vibesbox_kernel.shell.table_text import session_row
from vibesbox_kernel.widgets.static_view import show_live
from vibesbox_kernel.widgets.table import SessionTable

pytestmark = pytest.mark.usefixtures("recorded")

VIEW = "application/vnd.jupyter.widget-view+json"


class Cell:
    """Keeps what would be published."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def __call__(self, data: dict[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        with self._changed:
            self.shown.append({"data": data, "display_id": display_id, "update": update})
            self._changed.notify_all()

    def wait_for_text(self, text: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.shown[-1]["data"]["text/plain"] == text, timeout=5)


def test_the_live_view_and_its_picture_are_two_outputs_tied_by_a_mark(manager: FakeManager) -> None:
    cell = Cell()
    table = SessionTable(cast("Any", manager), describe=session_row)
    show_live(table, cell, manager.engine.loop, text=lambda: "no sessions", html=lambda: "<p>none</p>")
    live, picture = cell.shown
    assert live["data"][VIEW]["model_id"] == table.model_id
    assert "text/html" not in live["data"]
    assert picture["data"] == {
        "text/plain": "no sessions",
        "text/html": f'<div class="vb-static-{table.twin}"><p>none</p></div>',
    }
    assert picture["display_id"]
    table.close()


def test_the_picture_is_drawn_anew_when_a_session_begins_or_ends(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibesbox_kernel.widgets.static_view.REFRESH_SECONDS", 0.0)
    cell = Cell()

    def count() -> str:
        return f"{len(manager.list_sessions())} sessions"

    table = SessionTable(cast("Any", manager), describe=session_row)
    show_live(table, cell, manager.engine.loop, text=count, html=count)
    manager.engine.post(manager.start, "make")
    cell.wait_for_text("1 sessions")
    assert cell.shown[-1]["display_id"] == cell.shown[1]["display_id"]
    table.close()
