"""What a front-end asks besides running cells, also while one runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernel.driver import Driver, hold
from tests.lifeline import BlockingLifeline
from tests.widgets.replay import replay_comm
from vibesbox_kernel import __version__


@pytest.fixture
def busy(kernel: Driver, blocking_lifeline: BlockingLifeline) -> Iterator[str]:
    """A request whose cell runs as long as the test."""
    request = kernel.start(hold(blocking_lifeline))
    blocking_lifeline.held()
    yield request
    kernel.manager.interrupt_kernel()
    kernel.finish(request)


def test_the_kernel_says_truthfully_what_it_is(kernel: Driver) -> None:
    info = kernel.ask(kernel.client.kernel_info())
    version = kernel.run('printf %s "${BASH_VERSION%%(*}"').text
    assert info["language_info"] == {
        "name": "bash",
        "version": version,
        "mimetype": "text/x-sh",
        "file_extension": ".sh",
        "codemirror_mode": "shell",
        "pygments_lexer": "bash",
    }
    assert (info["implementation"], info["implementation_version"]) == ("vibesbox", __version__)
    assert version in info["banner"]
    assert info["supported_features"] == ["kernel subshells"]


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("%vibe", "%vibesbox"),
        ("%%sess", "%%session"),
        ("%ps --js", "--json"),
        ("%%session --dur", "--durable"),
        ("%%session --on-full ", "block"),
        ("%%session --bg --leftovers ki", "kill"),
        ("%%session --io=pi", "pipe"),
        ("%kill -s HU", "HUP"),
        ("ls; mkdi", "mkdir"),
        ("x=1 && mkdi", "mkdir"),
        ("ls /usr/loca", "/usr/local/"),
        ("echo\ncat /etc/passw", "/etc/passwd"),
    ],
)
def test_completion_knows_magics_options_commands_and_files(kernel: Driver, code: str, match: str) -> None:
    content = kernel.ask(kernel.client.complete(code))
    assert match in content["matches"]
    before = code[: content["cursor_start"]]
    assert match.startswith(code[len(before) : content["cursor_end"]])


def test_completion_knows_sessions_by_name(kernel: Driver) -> None:
    kernel.run("%%session --name known-by-name\ntrue")
    for line in ("%tail known", "%durable known", "%adopt known", "%%session --bg --after known"):
        assert "known-by-name" in kernel.ask(kernel.client.complete(line))["matches"]


def test_completion_looks_from_the_shells_directory(kernel: Driver) -> None:
    kernel.run("cd /usr")
    assert "local/" in kernel.ask(kernel.client.complete("ls loca"))["matches"]


def test_questions_about_code_are_no_sessions(kernel: Driver) -> None:
    kernel.ask(kernel.client.complete("mkdi"))
    kernel.ask(kernel.client.is_complete("echo hi"))
    assert "--norc" not in kernel.run("%ps -a --json").text


@pytest.mark.usefixtures("busy")
def test_completion_and_kernel_info_are_answered_while_a_cell_runs(kernel: Driver) -> None:
    assert "%kill" in kernel.ask(kernel.client.complete("%ki"))["matches"]
    assert "doctor" in kernel.ask(kernel.client.complete("%vibesbox do"))["matches"]
    assert kernel.ask(kernel.client.kernel_info())["implementation"] == "vibesbox"
    assert kernel.ask(kernel.client.is_complete("if true"))["status"] == "incomplete"


def test_quick_answers_do_not_take_the_running_cells_output(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    gate = blocking_lifeline.path.with_name("gate")
    kernel.run(f"mkfifo {gate}")
    request = kernel.start(f"echo on >{blocking_lifeline.path}; read word <{gate}; echo got $word")
    blocking_lifeline.held()
    question = kernel.client.complete("%ki")
    kernel.ask(question)
    gate.write_text("it\n")
    result = kernel.finish(request)
    assert result.text == "got it\n"
    kernel.wait_iopub(question, lambda seen: seen[-1]["content"].get("execution_state") == "idle")


def test_a_live_table_is_a_view_and_its_static_picture(kernel: Driver) -> None:
    live, picture = kernel.run("%ps -w").of_kind("display_data")
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    assert '<div class="vb-static-' in picture["data"]["text/html"]
    assert picture["transient"]["display_id"]


def test_a_live_log_is_a_view_and_its_last_lines(kernel: Driver) -> None:
    kernel.run("%%session --name counted\nseq 30")
    live, picture = kernel.run("%tail -w -n 2 counted").of_kind("display_data")
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    assert picture["data"]["text/plain"].endswith("; the end of its output:\n29\n30\n")
    assert '<div class="vb-static-' in picture["data"]["text/html"]
    assert kernel.run("%tail -w nothing").content["ename"] == "SessionNotFoundError"


@pytest.mark.parametrize("action", ["terminate", "kill"])
def test_the_table_follows_sessions_and_its_button_kills_while_a_cell_runs(
    kernel: Driver, blocking_lifeline: BlockingLifeline, action: str
) -> None:
    table, name = _open_table(kernel), f"to-{action}"
    request = kernel.start(f"%%session --name {name}\n{hold(blocking_lifeline)}")
    blocking_lifeline.held()
    kernel.wait_until(lambda: _row(kernel, table, name).get("word") == "running")
    kernel.send_comm(table, {"op": "do", "call": "1", "action": action, "id": _row(kernel, table, name)["id"]})
    assert kernel.finish(request).content["ename"] == "Killed"
    kernel.wait_until(lambda: _row(kernel, table, name).get("word") == "killed")


def _cpu(kernel: Driver, table: str, name: str) -> float:
    """What a row says of a session's processor time, in seconds; 0 while it says nothing."""
    return float(_row(kernel, table, name).get("cpu", "").removesuffix(" s") or 0)


def test_a_table_measures_once_a_second_while_it_is_looked_at(kernel: Driver) -> None:
    table = _open_table(kernel)
    kernel.run("%%session --bg --name burner\nwhile :; do :; done")
    kernel.send_comm(table, {"op": "hello"})
    kernel.wait_until(lambda: _cpu(kernel, table, "burner") >= 1.0, timeout=60)
    assert _row(kernel, table, "burner")["memory"]
    kernel.run("%kill burner")


def test_a_page_that_reloads_gets_its_table_back_while_a_cell_runs(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    """Jupyter: JupyterLab opens a comm of jupyter.widget.control and asks for all states."""
    table = _open_table(kernel)
    request = kernel.start(hold(blocking_lifeline))
    blocking_lifeline.held()
    control = "control-of-a-test"
    kernel.send("comm_open", {"comm_id": control, "target_name": "jupyter.widget.control", "data": {}}, version="1.0.0")
    kernel.send("comm_msg", {"comm_id": control, "data": {"method": "request_states"}})
    kernel.wait_until(lambda: any(table in one["data"].get("states", {}) for one in kernel.comm_data(control)))
    kernel.manager.interrupt_kernel()
    kernel.finish(request)


def _open_table(kernel: Driver) -> str:
    """Show a live table; returns its comm's id."""
    opened = kernel.run("%ps -w").of_kind("comm_open")
    return next(str(one["comm_id"]) for one in opened if "caption" in one["data"]["state"])


def _row(kernel: Driver, table: str, name: str) -> dict[str, Any]:
    """A session's row as a browser has it now; empty when there is none."""
    return next((row for row in replay_comm(kernel.comm_data(table)) if row["name"] == name), {})


def test_what_is_known_of_a_word_is_told_in_text_and_html(kernel: Driver) -> None:
    """Jupyter: Introspection."""
    kernel.run("told() { echo 'a < b'; }")
    content = kernel.ask(kernel.client.inspect("told", 2))
    assert content["found"] is True
    assert "echo 'a < b'" in content["data"]["text/plain"]
    assert "echo &#x27;a &lt; b&#x27;" in content["data"]["text/html"]
    assert kernel.ask(kernel.client.inspect("no-such-thing", 3))["found"] is False


def test_completions_say_of_what_kind_they_are(kernel: Driver) -> None:
    """Jupyter: _jupyter_types_experimental, which JupyterLab has icons for."""
    kernel.run("of_a_kind() { :; }")
    content = kernel.ask(kernel.client.complete("of_a"))
    expected = {"text": "of_a_kind", "type": "function", "start": 0, "end": 4}
    assert content["metadata"]["_jupyter_types_experimental"] == [expected]


@pytest.mark.usefixtures("busy")
def test_words_are_known_and_completed_while_a_cell_runs(kernel: Driver) -> None:
    """Ours: the fast lane."""
    assert kernel.ask(kernel.client.inspect("cd", 2))["found"] is True
    assert "mkdir" in kernel.ask(kernel.client.complete("mkdi"))["matches"]
