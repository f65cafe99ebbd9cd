"""Cells as a front-end sees them: output, replies, state."""

from __future__ import annotations

import pytest

from tests.gate import Gate
from tests.kernel.driver import Driver, Result
from tests.lifeline import BlockingLifeline


def test_output_comes_between_busy_and_idle_and_the_reply_is_ok(kernel: Driver) -> None:
    result = kernel.run("echo hi")
    assert result.kinds == ["status", "execute_input", "stream", "status"]
    assert (result.text, result.status) == ("hi\n", "ok")


def test_the_reply_says_in_its_metadata_what_the_session_was(kernel: Driver) -> None:
    facts = kernel.run("echo $$; exit 3").metadata
    assert facts["exit_code"] == 3
    assert facts["signal"] is None
    assert facts["pid"] > 0
    assert len(facts["session_id"]) == 36
    assert facts["duration"] >= 0
    assert {"cpu", "peak_rss"} <= facts.keys()
    assert facts["peak_rss"] != 0
    assert facts["status"] == "error"


def test_the_reply_of_a_cell_that_took_its_time_says_what_it_used(kernel: Driver) -> None:
    facts = kernel.run("x=$(head -c 30000000 /dev/zero | tr '\\0' x); sleep 0.3; unset x", timeout=20).metadata
    assert facts["cpu"] > 0
    assert facts["peak_rss"] > 30_000_000


def test_a_failing_cell_is_an_error_reply_with_its_exit_status(kernel: Driver) -> None:
    result = kernel.run("false")
    assert (result.status, result.content["ename"], result.content["evalue"]) == (
        "error",
        "ExitStatus",
        "exit status 1",
    )
    (shown,) = result.of_kind("error")
    assert shown == {key: result.content[key] for key in ("ename", "evalue", "traceback")}
    assert "Traceback" not in "".join(shown["traceback"])


def test_everything_is_known_after_exit(kernel: Driver) -> None:
    kernel.run("cd /tmp; x=5; f() { echo f$x; }; a=(1 '2 3'); export E=exported; alias al='echo aliased'")
    assert kernel.run("exit 3").content["evalue"] == "exit status 3"
    assert kernel.run("pwd; f; echo ${#a[@]}; sh -c 'echo $E'; al").text == "/tmp\nf5\n2\nexported\naliased\n"


def test_a_cell_with_a_syntax_error_runs_nothing(kernel: Driver) -> None:
    result = kernel.run("echo ran\necho 'open")
    assert (result.status, result.content["ename"]) == ("error", "SyntaxError")
    assert "ran" not in result.text
    assert kernel.run("echo on").text == "on\n"


def test_queued_cells_are_aborted_after_a_failure(kernel: Driver, blocking_lifeline: BlockingLifeline) -> None:
    first = kernel.start(f"echo runs >{blocking_lifeline.path}; sleep 0.2; false")
    second = kernel.start("echo never")
    blocking_lifeline.held()
    assert kernel.finish(first).status == "error"
    assert kernel.ask(second)["status"] == "aborted"


def test_cells_are_counted_unless_they_are_not_to_be_remembered(kernel: Driver) -> None:
    count = kernel.run("echo 1").content["execution_count"]
    unremembered = kernel.run("echo 2", store_history=False)
    assert unremembered.content["execution_count"] == count + 1
    assert unremembered.text == "2\n"
    assert kernel.run("echo 3").content["execution_count"] == count + 1


def test_a_silent_cell_shows_nothing_and_is_not_counted(kernel: Driver) -> None:
    count = kernel.run("echo 1").content["execution_count"]
    silent = kernel.run("silently=yes; echo 2; false", silent=True)
    assert silent.kinds == ["status", "status"]
    assert silent.status == "error"
    after = kernel.run("echo $silently")
    assert (after.text, after.content["execution_count"]) == ("yes\n", count + 1)


@pytest.mark.parametrize("nothing", ["", "  \n\n"])
def test_a_blank_cell_is_ok_and_no_session(kernel: Driver, nothing: str) -> None:
    result = kernel.run(nothing)
    assert result.status == "ok"
    assert "session_id" not in result.metadata


def test_what_a_job_writes_later_arrives_in_the_cell_that_started_it(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    gate = blocking_lifeline.path.with_name("gate")
    kernel.run(f"mkfifo {gate}")
    request = kernel.start(f"(read word <{gate}; echo late $word) &\necho early")
    assert kernel.finish(request).text == "early\n"
    other = kernel.run(f"echo news >{gate}; echo other")
    assert other.text == "other\n"
    kernel.wait_text(request, "late news\n")


def test_a_background_session_returns_at_once_and_its_output_comes_to_its_cell(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    gate = blocking_lifeline.path.with_name("gate")
    kernel.run(f"mkfifo {gate}")
    request = kernel.start(f"%%session --bg --name waiter\necho ready; read word <{gate}; echo got $word")
    assert kernel.finish(request).status == "ok"
    assert "waiter" in _table(kernel.run("%ps"))
    assert kernel.run(f"echo it >{gate}").text == ""
    kernel.wait_text(request, "got it\n")
    assert kernel.run("%wait waiter").status == "ok"


def test_a_job_in_the_background_does_not_hold_the_cell_and_shows_in_the_table(kernel: Driver) -> None:
    result = kernel.run("sleep 300 &")
    assert result.status == "ok"
    pid = result.metadata["pid"]
    assert f"{pid}" in _table(kernel.run("%ps"))
    assert kernel.run(f"%kill {pid}").status == "ok"


def test_a_session_over_its_time_is_an_error_that_says_so(kernel: Driver) -> None:
    result = kernel.run("%%session --timeout 0.2\nsleep 60")
    assert result.content["ename"] == "TimedOut"


def test_a_session_over_its_memory_is_an_error_that_says_so(kernel: Driver) -> None:
    result = kernel.run("%%session --mem 30M\nx=$(head -c 60000000 /dev/zero | tr '\\0' x); sleep 60", timeout=20)
    assert result.content["ename"] == "MemoryLimit"
    assert "memory limit ended it" in result.content["evalue"]


def test_a_cell_that_follows_a_failure_is_an_error_that_says_why(kernel: Driver, gate: Gate) -> None:
    kernel.run(f"%%session --bg --name before\nread word <{gate}; exit 3")
    request = kernel.start("%%session --name after --after before\necho ran")
    kernel.wait_text(request, "waits for before (pid ")
    gate.open()
    result = kernel.finish(request)
    assert (result.status, result.content["ename"]) == ("error", "NotStarted")
    assert "did not succeed: exited (exit 3)" in result.content["evalue"]
    assert "\nran\n" not in result.text


def test_an_interrupt_takes_a_queued_cell_from_the_queue(kernel: Driver) -> None:
    kernel.run("%%session --bg --name long\nsleep 600")
    request = kernel.start("%%session --name never --after long\necho ran")
    kernel.wait_text(request, "waits for long (pid ")
    kernel.manager.interrupt_kernel()
    result = kernel.finish(request)
    assert (result.content["ename"], result.content["evalue"]) == ("Interrupted", "interrupted before it was started")
    assert kernel.run("%kill long").status == "ok"


def test_a_shell_that_is_killed_is_an_error_that_names_the_signal(kernel: Driver) -> None:
    result = kernel.run("kill -9 $$")
    assert result.status == "error"
    assert "SIGKILL" in result.content["evalue"]


def _table(result: Result) -> str:
    (shown,) = result.of_kind("display_data")
    return str(shown["data"]["text/plain"])
