"""What a demanding user expects of a shell kernel, and no peer was found to do: one test for each expectation.

Each is tested more closely where its part is; here it is seen once, as a front-end sees it.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.kernel.driver import Driver, hold, is_alive, wait_gone
from tests.kernel.test_input import run_with
from tests.lifeline import BlockingLifeline
from tests.widgets.replay import replay_comm

LONG_SECONDS = 30.0


def make_gate(directory: Path) -> Path:
    """A FIFO that holds up a cell until somebody writes a line to it."""
    os.mkfifo(directory / "gate")
    return directory / "gate"


def test_1_whatever_reads_is_asked_for_and_secrets_are_masked(kernel: Driver) -> None:
    programs = {
        "read -p 'a: ' x; echo $x": ("a: ", False),
        "read -s -p 'b: ' x; echo; echo $x": ("b: ", True),
        """python3 -c 'print(input("c: "))'""": ("c: ", False),
        """python3 -c 'import getpass; print(getpass.getpass("d: "))'""": ("d: ", True),
    }
    for program, (prompt, password) in programs.items():
        result, questions = run_with(kernel, program, "answer")
        assert questions == [{"prompt": prompt, "password": password}]
        assert "answer" in result.text


def test_2_two_cells_work_at_once_and_one_is_sent_to_the_background_after_it_was_started(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    subshell = kernel.new_subshell()
    request = kernel.start(f"%%session --name late\n{hold(blocking_lifeline)}")
    blocking_lifeline.held()
    assert kernel.finish(kernel.start_in(subshell, "echo beside")).text == "beside\n"
    assert kernel.finish(kernel.start_in(subshell, "%bg late")).status == "ok"
    reply = kernel.finish(request)
    assert reply.status == "ok"
    assert is_alive(reply.metadata["pid"])
    assert kernel.run("echo next").text == "next\n"
    kernel.run("%kill late")


def test_3_background_output_is_live_and_stays_with_its_cell(kernel: Driver, isolation: Path) -> None:
    gate = make_gate(isolation)
    request = kernel.start(
        f"%%session --bg --name talker\nexec 3<>{gate}; while read word <&3; do echo got $word; done"
    )
    kernel.finish(request)
    for word in ("one", "two", "three"):
        assert kernel.run(f"echo {word} >{gate}; echo other").text == "other\n"
        kernel.wait_text(request, f"got {word}\n")
    kernel.run("%kill talker")


def test_4_a_reply_has_the_facts_as_fields(kernel: Driver) -> None:
    facts = kernel.run("sleep 0.2; exit 3").metadata
    assert (facts["exit_code"], facts["signal"], facts["pid"] > 0, len(facts["session_id"])) == (3, None, True, 36)
    assert facts["duration"] >= 0.2
    assert facts["cpu"] >= 0
    assert facts["peak_rss"] > 1_000_000
    assert kernel.run("kill -9 $$").metadata["signal"] == signal.SIGKILL


def test_5_nothing_is_left_after_the_kernel_is_killed(new_kernel: Callable[..., Driver]) -> None:
    kernel = new_kernel()
    kinds = ("{} & echo $!", "setsid {} & echo $!", "(setsid {} & echo $!)", "nohup {} >/dev/null 2>&1 & echo $!")
    pids = [int(kernel.run(kind.format("sleep 1000")).text) for kind in kinds]
    assert all(map(is_alive, pids))
    os.kill(kernel.pid, signal.SIGKILL)
    wait_gone(*pids, timeout=10)


def test_6_an_interrupt_always_ends_the_cell_and_keeps_the_shells_state(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    request = kernel.start(f"kept=yes; trap '' INT; setsid -w {hold(blocking_lifeline)}")
    blocking_lifeline.held()
    kernel.manager.interrupt_kernel()
    kernel.manager.interrupt_kernel()
    result = kernel.finish(request, timeout=LONG_SECONDS)
    assert result.content["ename"] == "Interrupted"
    assert "sleep 100 (pid " in result.text
    blocking_lifeline.released()
    assert kernel.run("echo $kept; trap - INT").text == "yes\n"


def test_7_a_flood_is_bounded_on_the_page_and_kept_whole(kernel: Driver, isolation: Path) -> None:
    result = kernel.run("%%session --name flood\nseq 1 1000000", timeout=LONG_SECONDS)
    assert result.status == "ok"
    shown = "".join(json.dumps(message["content"]) for message in result.messages)
    assert len(shown) < 1_500_000
    assert len(result.messages) < 200
    assert "%tail flood" in shown
    kernel.run(f"%tail flood --save {isolation}/all")
    assert (isolation / "all").read_bytes() == b"".join(b"%d\n" % number for number in range(1, 1_000_001))


def test_8_stdout_is_a_terminal_and_stderr_is_still_another_stream(kernel: Driver) -> None:
    result = kernel.run("%%session --io split\n[[ -t 1 && -t 2 ]] && echo terminal; echo wrong >&2")
    streams = {one["name"]: one["text"] for one in result.of_kind("stream")}
    assert streams == {"stdout": "terminal\n", "stderr": "wrong\n"}


def test_9_text_is_exact_to_the_byte(kernel: Driver) -> None:
    result = kernel.run(
        "printf 'a\\tb'; echo \"wow!x\"; printf 'é'; printf 'no newline'\n[[ \"\t\" == $'\\t' ]] || echo tab"
    )
    assert result.text == "a\tbwow!x\néno newline"


def test_10_a_cell_is_exactly_a_script(kernel: Driver) -> None:
    many = "".join(f"x{number}={number}\n" for number in range(1000))
    assert kernel.run(f"{many}echo $x999", timeout=LONG_SECONDS).text == "999\n"
    large = f": '{'y' * 1_000_000}'\necho large"
    assert kernel.run(large, timeout=LONG_SECONDS).text == "large\n"
    reading = "%%session --io pipe\ncat\necho after the cat"
    assert kernel.run(reading).text == "after the cat\n"
    broken = kernel.run("echo ran\nif true; then\n")
    assert (broken.content["ename"], "ran" in broken.text) == ("SyntaxError", False)


def test_11_exit_and_errexit_are_errors_with_their_code_and_the_state_stays(kernel: Driver) -> None:
    for ending, code in (("exit 3", 3), ("set -e; false; echo never", 1)):
        result = kernel.run(f"kept='{ending}'; {ending}")
        assert (result.status, result.metadata["exit_code"]) == ("error", code)
        assert kernel.run("set +e; echo $kept").text == f"{ending}\n"


def test_12_whether_code_is_complete_is_known(kernel: Driver) -> None:
    answers = {"echo hi": "complete", "for i in 1 2; do": "incomplete", "cat <<E\nx": "incomplete", "fi": "invalid"}
    for code, status in answers.items():
        assert kernel.ask(kernel.client.is_complete(code))["status"] == status


def test_13_completion_and_inspection_answer_while_a_cell_runs(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    kernel.run("my_own_function() { echo its body; }")
    request = kernel.start(hold(blocking_lifeline))
    blocking_lifeline.held()
    assert "my_own_function" in kernel.ask(kernel.client.complete("my_own_f"))["matches"]
    found = kernel.ask(kernel.client.inspect("my_own_function", 3))
    assert "its body" in found["data"]["text/plain"]
    kernel.manager.interrupt_kernel()
    kernel.finish(request)


def test_14_output_can_be_had_again_from_another_client(kernel: Driver) -> None:
    kernel.run("%%session --name earlier\nseq 1 50")
    other = kernel.manager.blocking_client()
    other.start_channels()
    try:
        again = Driver(kernel.manager, other)
        other.wait_for_ready(timeout=LONG_SECONDS)
        assert again.run("%tail earlier -n 2").text == "49\n50\n"
    finally:
        other.stop_channels()


def test_15_a_live_table_has_figures_and_buttons_that_end_sessions(kernel: Driver) -> None:
    kernel.run("%%session --bg --name burner\nwhile :; do :; done")
    opened = kernel.run("%ps -w").of_kind("comm_open")
    table = next(str(one["comm_id"]) for one in opened if "caption" in one["data"]["state"])
    kernel.send_comm(table, {"op": "hello"})

    def row() -> dict[str, str]:
        return next((one for one in replay_comm(kernel.comm_data(table)) if one["name"] == "burner"), {})

    kernel.wait_until(lambda: bool(row().get("cpu") and row().get("memory")))
    kernel.send_comm(table, {"op": "do", "call": "1", "action": "terminate", "id": row()["id"]})
    kernel.wait_until(lambda: row().get("word") == "killed")


def test_16_the_users_history_file_is_left_alone_while_history_is_known(kernel: Driver) -> None:
    history = Path(kernel.run("printf %s ~/.bash_history").text)
    before = history.read_bytes() if history.exists() else None
    kernel.run("echo to be remembered")
    found = kernel.ask(kernel.client.history(hist_access_type="search", pattern="*be remembered*", n=1))
    assert [entry[2] for entry in found["history"]] == ["echo to be remembered"]
    assert (history.read_bytes() if history.exists() else None) == before


def test_17_time_directory_environment_niceness_and_memory_are_options_of_a_cell(kernel: Driver) -> None:
    shown = kernel.run("%%session --cwd /usr --env WHO=me --nice 5\necho $PWD $WHO $(nice)")
    assert shown.text == "/usr me 5\n"
    assert kernel.run("echo $PWD ${WHO-unset} $(nice)").text.endswith(" unset 0\n")
    assert kernel.run("%%session --timeout 0.2\nsleep 60").content["ename"] == "TimedOut"
    hungry = "%%session --mem 30M\nx=$(head -c 60000000 /dev/zero | tr '\\0' x); sleep 60"
    assert kernel.run(hungry, timeout=LONG_SECONDS).content["ename"] == "MemoryLimit"
