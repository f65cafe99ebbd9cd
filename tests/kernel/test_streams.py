"""Cells whose stdout and stderr are told apart."""

from __future__ import annotations

import pytest

from tests.gate import Gate
from tests.kernel.driver import Driver


@pytest.mark.parametrize(("io", "terminal"), [("split", True), ("split-pipe", False)])
def test_each_message_has_its_streams_name(kernel: Driver, gate: Gate, io: str, terminal: bool) -> None:
    """Jupyter: a stream message says whose it is; front-ends and converters show stderr in another way."""
    test = f"{'' if terminal else '!'} [[ -t 1 || -t 2 ]]"
    wait = f"read go <{gate}"
    request = kernel.start(f"%%session --io {io}\necho one; {wait}; echo two >&2; {wait}; echo three; {test}")
    for seen in ("one", "two"):
        kernel.wait_text(request, seen)
        gate.open()
    result = kernel.finish(request)
    assert [(one["name"], one["text"]) for one in result.of_kind("stream")] == [
        ("stdout", "one\n"),
        ("stderr", "two\n"),
        ("stdout", "three\n"),
    ]
    assert result.status == "ok"


def test_the_state_of_a_cell_with_two_terminals_carries_on(kernel: Driver) -> None:
    kernel.run("%%session --io split\ncd /tmp; x=5; ls /nowhere")
    assert kernel.run("pwd; echo $x").text == "/tmp\n5\n"


def test_the_trace_of_a_cell_comes_in_its_order_on_stderr(kernel: Driver) -> None:
    """Bash: `set -x` traces to stderr."""
    result = kernel.run("%%session --io split\nset -x\necho a\necho b\n{ set +x; } 2>/dev/null")
    texts = {
        name: "".join(one["text"] for one in result.of_kind("stream") if one["name"] == name)
        for name in ("stdout", "stderr")
    }
    assert texts["stdout"] == "a\nb\n"
    assert "echo a" in texts["stderr"]
    assert "echo b" in texts["stderr"]


def test_a_failing_cell_with_two_terminals_has_shown_all_before_its_reply(kernel: Driver) -> None:
    """Ours: both terminals are drained when the shell hands over."""
    result = kernel.run("%%session --io split\nseq 500; seq 500 >&2; exit 3")
    assert result.content["evalue"] == "exit status 3"
    wanted = "".join(f"{number}\n" for number in range(1, 501))
    for name in ("stdout", "stderr"):
        assert "".join(one["text"] for one in result.of_kind("stream") if one["name"] == name) == wanted


def test_bars_that_are_rewritten_below_one_another_end_as_in_a_terminal(kernel: Driver, gate: Gate) -> None:
    """Jupyter: `clear_output` with wait, so that nothing flickers, and a display that is updated in place."""
    step = r"printf '\033[2A\033[2K\ra: %s\n\033[2K\rb: %s\n' $n $n"
    begin = f"echo first; echo a: 0; echo b: 0; read go <{gate}"
    request = kernel.start(f"{begin}; for n in 1 2 3; do {step}; done; seq 2")
    kernel.wait_text(request, "b: 0")
    gate.open()
    result = kernel.finish(request)
    assert result.of_kind("clear_output") == [{"wait": True}]
    shown = [*result.of_kind("display_data"), *result.of_kind("update_display_data")]
    assert shown[-1]["data"]["text/plain"] == "first\na: 3\nb: 3\n1\n2"
    assert len({one["transient"]["display_id"] for one in shown}) == 1


def test_a_cell_that_shows_something_else_as_well_is_not_cleared(kernel: Driver, gate: Gate) -> None:
    """Ours: a first frame that stays is better than a picture that is lost."""
    show = "echo '# x' | vibesbox-show -t md"
    request = kernel.start(f"{show}; echo one; read go <{gate}; " + r"printf '\033[A\rONE\n'")
    kernel.wait_text(request, "one")
    gate.open()
    result = kernel.finish(request)
    assert result.of_kind("clear_output") == []
    assert result.of_kind("display_data")[-1]["data"]["text/plain"] == "ONE"
