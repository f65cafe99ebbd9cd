"""What the process table asks of the shell of a Python notebook: to the background, back again, once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.kernel.driver import Driver
from tests.lifeline import BlockingLifeline
from tests.widgets.replay import replay_comm

VIEW = "application/vnd.jupyter.widget-view+json"


class Table:
    """A table that a notebook shows, and the subshell by which a front-end reaches it while Python is blocked."""

    def __init__(self, notebook: Driver) -> None:
        self._notebook = notebook
        self.request = notebook.start("%ps -w")
        shown = notebook.finish(self.request).of_kind("display_data")
        (self._comm,) = [one["data"][VIEW]["model_id"] for one in shown if VIEW in one["data"]]
        self._subshell = notebook.new_subshell()

    def row(self, name: str) -> dict[str, Any]:
        """A session's newest row; empty when there is none."""
        rows = replay_comm(self._notebook.comm_data(self._comm))
        return next((row for row in reversed(rows) if row["name"] == name), {})

    def ask(self, action: str, name: str) -> dict[str, Any]:
        """Press a button of a row; returns what is said of it."""
        call = uuid4().hex
        do = {"op": "do", "call": call, "action": action, "id": self.row(name)["id"]}
        content = {"comm_id": self._comm, "data": {"method": "custom", "content": do}}
        message = self._notebook.client.session.msg("comm_msg", content)
        message["header"]["subshell_id"] = self._subshell
        self._notebook.client.shell_channel.send(message)
        self._notebook.wait_until(lambda: bool(self._answers(call)))
        return self._answers(call)[0]

    def _answers(self, call: str) -> list[dict[str, Any]]:
        said = [one["data"].get("content", {}) for one in self._notebook.comm_data(self._comm)]
        return [one for one in said if one.get("op") == "done" and one.get("call") == call]


@pytest.fixture
def table(notebook: Driver) -> Iterator[Table]:
    yield Table(notebook)
    notebook.run("%kill --all")


def test_a_cell_goes_to_the_background_comes_back_below_the_table_and_is_run_again(
    table: Table, notebook: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    talk = "echo hi >&9; read line; echo $line; read line"
    request = notebook.start(f"%session --name talker exec 9>{blocking_lifeline.path}; {talk}")
    blocking_lifeline.held()
    notebook.wait_until(lambda: table.row("talker").get("foreground") is True)
    assert "error" not in table.ask("background", "talker")
    assert notebook.finish(request).status == "ok"
    notebook.wait_until(lambda: table.row("talker")["foreground"] is False)

    assert "error" not in table.ask("foreground", "talker")
    notebook.wait_until(lambda: table.row("talker")["foreground"] is True)
    notebook.run("%send talker and on it goes")
    notebook.wait_text(table.request, "and on it goes")
    assert "error" not in table.ask("background", "talker")
    notebook.wait_text(table.request, "not followed any more; it goes on")

    first = table.row("talker")["id"]
    assert "error" not in table.ask("kill", "talker")
    blocking_lifeline.released()
    assert table.ask("rerun", "talker")["text"].startswith("runs again as talker (pid ")
    notebook.wait_until(lambda: table.row("talker")["alive"] is True and table.row("talker")["id"] != first)


def test_what_can_not_be_brought_back_says_why_in_its_row(table: Table, notebook: Driver) -> None:
    notebook.run("%session --name over true")
    notebook.wait_until(lambda: table.row("over").get("word") == "exited")
    assert "one that is not over" in table.ask("foreground", "over")["error"]
    notebook.wait_until(lambda: "one that is not over" in table.row("over")["error"])
