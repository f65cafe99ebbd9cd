"""Magics in cells of the kernel."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.kernel.driver import Driver, Result


def test_an_unknown_magic_names_the_nearest_and_runs_nothing(kernel: Driver) -> None:
    result = kernel.run("%pss\necho ran")
    assert (result.status, result.content["ename"]) == ("error", "MagicError")
    assert "%ps" in result.content["evalue"]
    assert result.text == ""


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("%kill --froce x", "MagicError"),
        ("%kill no-such-session", "SessionNotFoundError"),
        ("%%session --timeout never\necho ran", "MagicError"),
        ("%%session --cwd /no/such/directory\necho ran", "DirectoryNotFoundError"),
    ],
)
def test_a_magic_that_can_not_be_is_an_error_in_one_line(kernel: Driver, line: str, name: str) -> None:
    result = kernel.run(line)
    assert (result.status, result.content["ename"]) == ("error", name)
    assert len(result.content["traceback"]) == 1
    assert "ran" not in result.text


def test_ps_shows_a_table_as_text_and_as_html(kernel: Driver) -> None:
    kernel.run("%%session --name shown\necho hi")
    (shown,) = kernel.run("%ps").of_kind("display_data")
    assert "shown" in shown["data"]["text/plain"]
    assert "<table" in shown["data"]["text/html"]


def test_ps_gives_json(kernel: Driver) -> None:
    kernel.run("%%session --name as-json\nexit 4")
    names = {one["name"]: one for one in json.loads(kernel.run("%ps --json").text)}
    assert names["as-json"]["exit_code"] == 4


def test_magics_at_the_head_are_carried_out_before_the_script(kernel: Driver) -> None:
    result = kernel.run("%vibesbox version\necho script")
    assert result.text.startswith("Vibesbox ")
    assert result.text.endswith("\nscript\n")


def test_help_is_shown_and_runs_nothing(kernel: Driver) -> None:
    assert "SIGKILL at once" in kernel.run("%kill?").text


def test_one_line_sessions_share_the_state(kernel: Driver) -> None:
    kernel.run("one_line=known")
    assert kernel.run("%session echo $one_line").text == "known\n"


def test_kill_ends_a_session_and_says_so(kernel: Driver) -> None:
    kernel.run("%%session --bg --name victim\nsleep 600")
    result = kernel.run("%kill victim")
    assert result.status == "ok"
    assert "victim" in result.text


def test_a_wait_that_ends_too_early_is_a_failure(kernel: Driver) -> None:
    kernel.run("%%session --bg --name slow\nsleep 600")
    result = kernel.run("%wait slow -t 0.1")
    assert result.status == "error"
    assert "has not ended after 0.1 s" in result.text
    assert result.content["evalue"] == "%wait: the session did not end in that time"
    kernel.run("%kill slow")


def test_tail_shows_the_last_lines(kernel: Driver) -> None:
    kernel.run("%%session --name lines\nseq 1 100")
    assert kernel.run("%tail lines -n 2").text == "99\n100\n"


def test_tail_follows_until_the_session_ends(kernel: Driver) -> None:
    kernel.run("%%session --bg --name steps\nfor i in 1 2 3; do echo $i; sleep 0.05; done")
    assert kernel.run("%tail steps -f").text == "1\n2\n3\n"


def test_interrupting_a_follow_leaves_the_session_alone(kernel: Driver) -> None:
    kernel.run("%%session --bg --name followed\necho first; sleep 600")
    request = kernel.start("%tail followed -f")
    kernel.wait_text(request, "first")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request).content["ename"] == "Interrupted"
    assert _is_running(kernel.run("%ps --json"), "followed")
    kernel.run("%kill followed")


def test_the_listing_changes_in_place_until_it_is_interrupted(kernel: Driver, isolation: Path) -> None:
    """Jupyter: update_display_data; the sessions go on."""
    kernel.run("%session --bg --name stays sleep 600")
    gate = isolation / "gate"
    os.mkfifo(gate)
    kernel.run(f"%session --bg --name goes read line <{gate}; true")
    request = kernel.start("%ps -f")
    kernel.wait_shown(request, r"goes +\d+ +running")
    with gate.open("w"):
        pass
    kernel.wait_shown(request, r"goes +\d+ +exited")
    kernel.manager.interrupt_kernel()
    result = kernel.finish(request)
    assert result.content["ename"] == "Interrupted"
    (shown,) = result.of_kind("display_data")
    places = {one["transient"]["display_id"] for one in result.of_kind("update_display_data")}
    assert places == {shown["transient"]["display_id"]}
    assert _is_running(kernel.run("%ps --json"), "stays")
    kernel.run("%kill --all")


def test_there_is_no_python_whose_values_could_be_put_into_a_cell(kernel: Driver) -> None:
    """Ours: --expand is for IPython."""
    failed = kernel.run("%%session --expand\necho {x}")
    assert "no Python here" in failed.content["evalue"]
    assert failed.text == ""


def _is_running(listing: Result, name: str) -> bool:
    return any(one["name"] == name and one["status"] == "running" for one in json.loads(listing.text))


def test_a_formatted_cell_takes_the_place_of_the_cell(kernel: Driver) -> None:
    """Jupyter: the payload set_next_input with replace."""
    result = kernel.run("%%fmt\nif true\nthen touch ran;fi")
    payload = {"source": "set_next_input", "text": "if true; then touch ran; fi", "replace": True}
    assert (result.content["payload"], result.text) == ([payload], "")
    assert kernel.run("ls ran").status == "error"


def test_findings_on_a_cell_are_shown_and_nothing_of_it_is_run(kernel: Driver) -> None:
    result = kernel.run("%%lint\ntouch $ran")
    assert "2:7: info: Double quote" in result.of_kind("display_data")[0]["data"]["text/plain"]
    assert result.status == "ok"
