"""Cells whose stdout and stderr are told apart."""

from __future__ import annotations

from tests.kernel.driver import Driver


def test_with_two_terminals_each_message_has_its_streams_name(kernel: Driver) -> None:
    """Jupyter: a stream message says whose it is; front-ends and converters show stderr in another way."""
    result = kernel.run(
        "%%session --io split\necho one; sleep 0.05; echo two >&2; sleep 0.05; echo three; [[ -t 1 && -t 2 ]]"
    )
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
    result = kernel.run("%%session --io split\nset -x\necho a\nsleep 0.05\necho b\n{ set +x; } 2>/dev/null")
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
