"""The terminal as a front-end meets it: what %fg -w shows, and what a cell offers while it runs."""

from __future__ import annotations

from typing import Any

from tests.gate import Gate
from tests.kernel.driver import START_SECONDS, Driver

VIEW = "application/vnd.jupyter.widget-view+json"


def test_a_terminal_is_a_view_and_its_static_picture(kernel: Driver) -> None:
    kernel.run("%%session --bg --name shown\necho '<in> the terminal'; exec cat")
    kernel.wait_until(lambda: "terminal" in kernel.run("%tail shown").text)
    live, picture = kernel.run("%fg -w shown").of_kind("display_data")
    assert VIEW in live["data"]
    assert picture["data"]["text/plain"].startswith("Terminal of shown (pid ")
    assert picture["data"]["text/plain"].endswith("\n<in> the terminal\n")
    assert '<div class="vb-static-' in picture["data"]["text/html"]
    assert picture["transient"]["display_id"]
    kernel.run("%kill shown")


def test_a_session_without_a_terminal_says_how_to_have_one(kernel: Driver) -> None:
    kernel.run("%%session --bg --io pipe --name plain\nexec sleep 600")
    refused = kernel.run("%fg -w plain")
    assert refused.content["ename"] == "NoTerminalError"
    assert "(--io pipe); start it with --io pty to have one" in refused.content["evalue"]
    kernel.run("%kill plain")


def screen_at(gate: Gate) -> str:
    """A cell that draws on the whole screen until the gate is opened."""
    return f"printf '\\033[?1049hdrawn'; read -r word <{gate}; printf '\\033[?1049l'; echo after"


def offered(kernel: Driver, request: str) -> list[dict[str, Any]]:
    """The widgets that a cell has shown."""
    shown = [one["content"] for one in kernel.seen(request) if one["msg_type"] == "display_data"]
    return [one for one in shown if VIEW in one["data"]]


def offer(kernel: Driver, request: str) -> dict[str, Any]:
    """What a cell offers; the first time ipywidgets is loaded."""
    kernel.wait_until(lambda: bool(offered(kernel, request)), timeout=START_SECONDS)
    (shown,) = offered(kernel, request)
    return shown


def test_a_cell_offers_a_terminal_while_it_runs_and_takes_the_offer_back(kernel: Driver, gate: Gate) -> None:
    request = kernel.start(screen_at(gate), allow_stdin=True)
    shown = offer(kernel, request)
    gate.open()
    kernel.finish(request)

    def taken_back() -> bool:
        changes = [one["content"] for one in kernel.seen(request) if one["msg_type"] == "update_display_data"]
        return any(one["transient"] == shown["transient"] and VIEW not in one["data"] for one in changes)

    kernel.wait_until(taken_back)


def test_an_offer_that_is_taken_becomes_a_terminal_with_a_picture(kernel: Driver, gate: Gate) -> None:
    request = kernel.start(screen_at(gate), allow_stdin=True)
    shown = offer(kernel, request)
    comm_id = shown["data"][VIEW]["model_id"]
    kernel.send_comm(comm_id, {"op": "unfold"})
    kernel.send_comm(comm_id, {"op": "hello", "view": "v"})
    kernel.wait_until(
        lambda: "replay" in [one["data"].get("content", {}).get("op") for one in kernel.comm_data(comm_id)]
    )
    gate.open()
    kernel.finish(request)
    kernel.wait_until(lambda: any("Terminal of pid" in str(one["content"]) for one in kernel.seen(request)))
    assert offered(kernel, request) == [shown]


def test_where_nobody_answers_nothing_is_offered(kernel: Driver, gate: Gate) -> None:
    """Jupyter: nbconvert and papermill do not allow stdin, and press no buttons."""
    request = kernel.start(screen_at(gate), allow_stdin=False)
    kernel.wait_text(request, "draws on the whole screen")
    gate.open()
    kernel.finish(request)
    assert offered(kernel, request) == []


def test_a_program_that_takes_keys_is_offered_a_terminal_too(kernel: Driver) -> None:
    """Ours: a REPL with a line editor, for one; a cell has no keyboard."""
    request = kernel.start('read -n 1 -s key; echo "got $key"', allow_stdin=True)
    shown = offer(kernel, request)
    kernel.wait_text(request, "%fg -w ")
    kernel.send_comm(shown["data"][VIEW]["model_id"], {"op": "type", "view": "v", "text": "x"})
    assert kernel.finish(request).text.endswith("got x\n")
