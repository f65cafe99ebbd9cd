"""A line that says how long a quiet cell runs already: shown in passing, and gone without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate import Gate
from tests.kernel.driver import Driver, Message, running_kernel

SECONDS = 30.0
RUNNING = "[vibesbox: running for "


@pytest.fixture(scope="module")
def kernel(jupyter_data: Path) -> Iterator[Driver]:
    """A kernel that is soon uneasy."""
    with running_kernel(jupyter_data) as driver:
        driver.run("%vibesbox config quiet_after=0.3")
        yield driver


def shown(messages: list[Message]) -> list[str]:
    """What a page shows that has got these messages."""
    outputs: list[tuple[str | None, str]] = []
    clears = False
    for message in messages:
        kind, content = message["msg_type"], message["content"]
        if kind == "clear_output":
            clears = True
            if not content["wait"]:
                outputs, clears = [], False
        if kind not in ("stream", "display_data", "update_display_data", "error"):
            continue
        if clears:
            outputs, clears = [], False
        if kind == "stream":
            if outputs and outputs[-1][0] == f"stream {content['name']}":
                outputs[-1] = (outputs[-1][0], outputs[-1][1] + content["text"])
            else:
                outputs.append((f"stream {content['name']}", content["text"]))
        elif kind == "error":
            outputs.append((None, content["ename"]))
        else:
            text = content["data"].get("text/plain", "")
            uid = content["transient"].get("display_id")
            if kind == "display_data":
                outputs.append((uid, text))
            else:
                outputs = [(one, text if one == uid else before) for one, before in outputs]
    return [text for _, text in outputs]


def wait_shown(kernel: Driver, request: str, text: str) -> None:
    kernel.wait_until(lambda: any(text in one for one in shown(kernel.seen(request))), timeout=SECONDS)


def wait_until_it_would_be_shown(kernel: Driver, gate: Gate, *, magic: str = "") -> None:
    """Wait until another cell, which began later, shows the line."""
    request = kernel.start_in(kernel.new_subshell(), f"{magic}read go <{gate}", allow_stdin=True)
    wait_shown(kernel, request, RUNNING)
    gate.open()


@pytest.mark.parametrize("io", ["pty", "pipe", "split"])
def test_a_quiet_cell_says_how_long_it_runs_and_what_comes_next_takes_that_away(
    kernel: Driver, gate: Gate, second_gate: Gate, io: str
) -> None:
    code = f"%%session --io {io}\necho one; printf two; read go <{gate}; echo three; read go <{second_gate}"
    request = kernel.start(code, allow_stdin=True)
    wait_shown(kernel, request, RUNNING)
    assert shown(kernel.seen(request))[0] == "one\ntwo"
    gate.open()
    kernel.wait_until(lambda: shown(kernel.seen(request)) == ["one\ntwothree\n"], timeout=SECONDS)
    wait_shown(kernel, request, RUNNING)
    second_gate.open()
    kernel.finish(request, timeout=SECONDS)
    assert shown(kernel.seen(request)) == ["one\ntwothree\n"]


def test_without_any_output_it_says_so_and_leaves_nothing(kernel: Driver, gate: Gate) -> None:
    request = kernel.start(f"read go <{gate}", allow_stdin=True)
    wait_shown(kernel, request, "no output yet]")
    gate.open()
    kernel.finish(request, timeout=SECONDS)
    assert shown(kernel.seen(request)) == []


def test_a_failing_cell_shows_what_it_had_shown_and_its_error(kernel: Driver, gate: Gate) -> None:
    request = kernel.start(f"echo out; echo err >&2; read go <{gate}; exit 3", allow_stdin=True)
    wait_shown(kernel, request, RUNNING)
    gate.open()
    kernel.finish(request, timeout=SECONDS)
    assert shown(kernel.seen(request)) == ["out\nerr\n", "ExitStatus"]


def test_it_shows_how_far_the_cell_has_come(kernel: Driver, gate: Gate) -> None:
    request = kernel.start(f"vibesbox-progress 40% epoch; read go <{gate}", allow_stdin=True)
    wait_shown(kernel, request, "[vibesbox: [####------] 40 % epoch, running for ")
    gate.open()
    kernel.finish(request, timeout=SECONDS)
    assert shown(kernel.seen(request)) == []


def test_where_nobody_looks_on_there_is_none(kernel: Driver, gate: Gate, second_gate: Gate) -> None:
    """Jupyter: nbconvert and papermill take no input, and keep every output."""
    blind = kernel.start(f"echo one; read go <{gate}; echo two", allow_stdin=False)
    kernel.wait_text(blind, "one\n", timeout=SECONDS)
    wait_until_it_would_be_shown(kernel, second_gate)
    gate.open()
    kernel.finish(blind, timeout=SECONDS)
    assert [one["msg_type"] for one in kernel.seen(blind) if "display" in one["msg_type"]] == []
    assert shown(kernel.seen(blind)) == ["one\ntwo\n"]


def test_after_a_question_there_is_none_because_the_answer_could_not_be_written_again(
    kernel: Driver, gate: Gate, second_gate: Gate
) -> None:
    request = kernel.start(f"read -p 'name? ' name; echo $name; read go <{gate}", allow_stdin=True)
    question = kernel.client.get_stdin_msg(timeout=SECONDS)
    kernel.client.input("me")
    assert question["content"]["prompt"] == "name? "
    kernel.wait_text(request, "me\n", timeout=SECONDS)
    wait_until_it_would_be_shown(kernel, second_gate)
    gate.open()
    kernel.finish(request, timeout=SECONDS)
    assert "clear_output" not in [one["msg_type"] for one in kernel.seen(request)]
    assert shown(kernel.seen(request)) == ["me\n"]


def test_a_long_wait_says_what_is_waited_for(kernel: Driver, gate: Gate) -> None:
    script = f"vibesbox-progress 1/4; read go <{gate}"
    kernel.finish(kernel.start(f"%%session --bg --name build\n{script}"), timeout=SECONDS)
    request = kernel.start("%wait build", allow_stdin=True)
    wait_shown(kernel, request, "[vibesbox: waiting for build (pid ")
    wait_shown(kernel, request, "): [##--------] 25 %, running for ")
    gate.open()
    kernel.finish(request, timeout=SECONDS)
    (said,) = shown(kernel.seen(request))
    assert said.endswith("exited (exit 0)\n")


def test_it_can_be_turned_off(kernel: Driver, gate: Gate, second_gate: Gate) -> None:
    kernel.run("%vibesbox config quiet_after=0")
    off = kernel.start(f"echo on; read go <{gate}", allow_stdin=True)
    kernel.wait_text(off, "on\n", timeout=SECONDS)
    wait_until_it_would_be_shown(kernel, second_gate, magic="%vibesbox config quiet_after=0.3\n")
    gate.open()
    kernel.finish(off, timeout=SECONDS)
    assert not [one for one in kernel.seen(off) if "display" in one["msg_type"]]
