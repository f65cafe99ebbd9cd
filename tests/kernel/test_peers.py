"""What other shell kernels, ``%%bash`` and ``!`` were seen to do wrong, each as a test that this one does it right."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gate import Gate
from tests.kernel.driver import SECONDS, Driver, Result, wait_gone
from tests.kernel.test_input import run_with
from tests.lifeline import BlockingLifeline

LONG_SECONDS = 30.0


def test_half_a_character_is_not_taken_for_the_end_of_output(kernel: Driver, gate: Gate, second_gate: Gate) -> None:
    """%%bash: a read that holds only a part of a UTF-8 character ends all output, and the reply is ok."""
    request = kernel.start(
        rf"printf 'one\n\xc3'; read line <{gate}; printf '\xa9\n'; read line <{second_gate}; echo THE REST"
    )
    kernel.wait_text(request, "one\n")
    gate.open()
    kernel.wait_text(request, "é\n")
    second_gate.open()
    assert kernel.finish(request).text == "one\né\nTHE REST\n"


def test_a_background_session_that_writes_much_comes_to_its_end(kernel: Driver, isolation: Path) -> None:
    """%%bash --bg: deadlocks on 200 KB, since it drains only after it has waited."""
    kernel.run(f"%%session --bg --name flood\ncd {isolation}; seq 1 200000; touch done")
    assert kernel.run("%wait flood", timeout=LONG_SECONDS).status == "ok"
    assert (isolation / "done").exists()


@pytest.mark.parametrize("stubborn", ["trap '' INT; {}", "trap '' INT; setsid -w {}"])
def test_an_interrupt_ends_what_ignores_it_or_has_left_the_group(
    kernel: Driver, blocking_lifeline: BlockingLifeline, stubborn: str
) -> None:
    """%%bash: says "interrupted" with a TypeError of its own, and the process goes on unseen."""
    waiter = f"sh -c 'exec 9>{blocking_lifeline.path}; echo up >&9; exec sleep 100'"
    request = kernel.start(f"kept=yes; {stubborn.format(waiter)}")
    blocking_lifeline.held()
    kernel.manager.interrupt_kernel()
    kernel.manager.interrupt_kernel()
    result = kernel.finish(request, timeout=LONG_SECONDS)
    assert (result.status, result.content["ename"]) == ("error", "Interrupted")
    blocking_lifeline.released()
    assert kernel.run("echo $kept; trap - INT").text == "yes\n"


def test_one_long_line_is_no_flood_of_messages(kernel: Driver) -> None:
    """%%bash: at most 100 bytes a message, so 10 MB without a newline are never done."""
    result = kernel.run("head -c 10000000 /dev/zero | tr '\\0' x", timeout=LONG_SECONDS)
    assert result.status == "ok"
    assert len(result.messages) < 50
    assert sum(len(str(one["content"])) for one in result.messages) < 1_000_000


@pytest.mark.parametrize(
    "script", ["echo 'open", "cat <<X\nno end", "for i in 1 2", "if true; then", "echo $(", "x=(1"]
)
def test_what_is_not_finished_gets_a_reply_and_the_next_cell_runs(kernel: Driver, script: str) -> None:
    """bash_kernel: no reply at all, [*] for ever. xonsh: every later cell is swallowed."""
    result = kernel.run(script)
    assert result.status == ("ok" if script.startswith("cat") else "error")
    assert kernel.run("echo next").text == "next\n"


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("set -e; false; echo", 1), ("set -u; : $nothing", 127)])
def test_leaving_the_shell_is_an_error_that_stops_run_all_and_loses_nothing(
    kernel: Driver, gate: Gate, script: str, code: int
) -> None:
    """bash_kernel: the shell is restarted silently, the cell is ok, all variables are gone and Run all goes on."""
    first = kernel.start(f"kept=yes; read line <{gate}; {script}")
    second = kernel.start("echo never")
    gate.open()
    result = kernel.finish(first)
    assert (result.status, result.metadata["exit_code"]) == ("error", code)
    assert kernel.ask(second)["status"] == "aborted"
    assert kernel.run("set +eu; echo $kept").text == "yes\n"


def test_the_output_of_a_background_job_lands_in_no_other_cell(kernel: Driver, gate: Gate) -> None:
    """bash_kernel: it lands wherever a cell runs, once within the hidden `echo $?`, and makes an error of `true`."""
    request = kernel.start(f"(read line <{gate}; for i in $(seq 1 200); do echo chat $i; done) & echo mine")
    kernel.finish(request)
    others = [kernel.run(f"echo go >{gate}; true"), *(kernel.run("true") for _ in range(3))]
    assert [(one.status, one.text) for one in others] == [("ok", "")] * 4
    kernel.wait_text(request, "chat 200\n")
    assert "".join(f"chat {i}\n" for i in range(1, 201)) in Result(messages=kernel.seen(request)).text


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("printf '%s' 'a\tb'", "a\tb"),
        ("cat <<X\n\t\tindented\nX", "\t\tindented\n"),
        ('echo "wow!x" !!', "wow!x !!\n"),
        ("printf abc", "abc"),
        ("printf 'a\\n\\nb\\n\\n'", "a\n\nb\n\n"),
        ("env | grep -c PS1; PS1='[PROMPT] $ '; echo \"$PS1\"; echo $?", None),
        ("PS1='x> '; PS2='y> '; set | grep -c PS1=", "1\n"),
    ],
)
def test_the_text_of_a_cell_and_of_its_output_is_what_it_is(kernel: Driver, script: str, output: str | None) -> None:
    """bash_kernel: drops TABs, expands `!`, loses step at its prompt; zsh-jupyter-kernel: hangs at `abc`."""
    result = kernel.run(script)
    assert result.status == "ok"
    assert result.text == (output if output is not None else result.text)
    assert output is not None or result.text.endswith("[PROMPT] $ \n0\n")
    assert kernel.run("echo next").text == "next\n"


def test_output_is_shown_while_the_cell_runs_and_failures_are_failures(kernel: Driver, gate: Gate) -> None:
    """calysto_bash: all output comes at the end, and every failure is ok."""
    request = kernel.start(f"echo first; read line <{gate}; echo second; false")
    kernel.wait_text(request, "first\n")
    gate.open()
    result = kernel.finish(request)
    assert (result.text, result.status) == ("first\nsecond\n", "error")


@pytest.mark.parametrize("script", ["exit 3", "foo )", "echo 'open", "kill -9 $$", "exec false"])
def test_after_a_bad_end_every_later_cell_is_as_ever(kernel: Driver, script: str) -> None:
    """xonsh: after a syntax error cells are swallowed with ok, after exit 3 each of them answers SystemExit 3."""
    kernel.run("known=yes")
    assert kernel.run(script).status == "error"
    for _ in range(2):
        result = kernel.run("echo $known")
        assert (result.status, result.text) == ("ok", "yes\n")


def test_sigterm_ends_the_kernel_while_a_cell_runs_and_its_children_too(
    new_kernel: Callable[[], Driver], blocking_lifeline: BlockingLifeline
) -> None:
    """xonsh: the kernel does not end. Others: what they have started stays."""
    kernel = new_kernel()
    kernel.start(f"exec 9>{blocking_lifeline.path}; echo up >&9; sleep 100 & sleep 100")
    blocking_lifeline.held()
    os.kill(kernel.pid, signal.SIGTERM)
    wait_gone(kernel.pid)
    blocking_lifeline.released()


def test_a_cell_may_be_silent_for_long(kernel: Driver) -> None:
    """pshnb: has a time limit of 2 s that nobody has asked for."""
    assert kernel.run("sleep 2.5; echo done").text == "done\n"


def test_after_an_interrupt_cells_are_in_step(kernel: Driver, blocking_lifeline: BlockingLifeline) -> None:
    """pshnb: later cells return empty and ok, and the process lives on."""
    request = kernel.start(f"echo up >{blocking_lifeline.path}; sleep 100; echo late")
    blocking_lifeline.held()
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request).content["ename"] == "Interrupted"
    assert [kernel.run(f"echo {n}; exit {n}").metadata["exit_code"] for n in (0, 4, 0)] == [0, 4, 0]
    assert kernel.run("echo in step").text == "in step\n"


def test_what_a_cell_reads_is_what_was_typed(kernel: Driver) -> None:
    """pshnb: `read x` gets its own end mark. Most others: hang for ever."""
    result, questions = run_with(kernel, "read -p 'x: ' x; echo got $x", "typed")
    assert [one["prompt"] for one in questions] == ["x: "]
    assert result.text == "got typed\n"


def test_a_command_in_the_middle_that_reads_does_not_eat_the_rest(kernel: Driver) -> None:
    """Every peer but xonsh: it eats the script, or hangs."""
    result = kernel.run("echo before; cat; ssh-keygen -y -f /dev/stdin 2>/dev/null; echo after", allow_stdin=False)
    assert result.text.startswith("before\n")
    assert "after\n" in result.text


def test_a_background_job_outlives_its_cell(kernel: Driver, blocking_lifeline: BlockingLifeline) -> None:
    """IPython's `!cmd &`: the job is killed when the cell ends, without a word."""
    kernel.run(f"(exec 9>{blocking_lifeline.path}; echo up >&9; exec sleep 100) &")
    blocking_lifeline.held()
    assert kernel.run("echo next").text == "next\n"
    assert "sleep 100" in str(kernel.run("%ps").of_kind("display_data"))
    assert kernel.run("%kill --all -9").status == "ok"
    blocking_lifeline.released()


def test_the_users_own_history_is_left_alone(new_kernel: Callable[[], Driver]) -> None:
    """bash_kernel, calysto_bash and pshnb: write the cells and their own bookkeeping into it."""
    history = Path.home() / ".bash_history"
    history.write_text("mine\n")
    kernel = new_kernel()
    kernel.run("echo one; history -a; history -s two; set -o history")
    kernel.run("exit 0")
    kernel.manager.shutdown_kernel()
    assert history.read_text() == "mine\n"


def test_tracing_changes_no_status(kernel: Driver) -> None:
    """bash_kernel: `set -x` breaks the status, which it reads from the output."""
    assert kernel.run("set -x; echo a").status == "ok"
    result = kernel.run("true")
    assert (result.status, result.text) == ("ok", "++ true\n")
    assert kernel.run("false").metadata["exit_code"] == 1
    kernel.run("set +x")


def test_an_environment_can_be_activated(kernel: Driver, isolation: Path) -> None:
    """bash_kernel: conda and venv change the prompt by which it finds the end of a cell."""
    activate = isolation / "activate"
    activate.write_text('PS1="(venv) $PS1"; PATH="/venv/bin:$PATH"; deactivate() { PATH=${PATH#/venv/bin:}; }\n')
    kernel.run(f". {activate}")
    assert kernel.run("echo ${PATH%%:*}; deactivate; echo ${PATH%%:*}").text.splitlines()[0] == "/venv/bin"
    assert kernel.run("echo ${PATH%%:*}").text != "/venv/bin\n"


def test_a_thousand_lines_are_one_script(kernel: Driver) -> None:
    """bash_kernel: 55 ms a line, so a minute."""
    lines = "\n".join(f"x{number}='{number}'" for number in range(1000))
    result = kernel.run(f"{lines}\necho $x999 $LINENO", timeout=SECONDS)
    assert result.text == "999 1001\n"
