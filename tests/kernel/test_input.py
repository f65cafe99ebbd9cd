"""Cells that wait for input, as front-ends meet them: input boxes, end of file, interrupts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.kernel.driver import SECONDS, START_SECONDS, Driver, Result

NAME = "read -p 'Name: ' name; echo hello $name"


def asked(kernel: Driver) -> dict[str, Any]:
    """What the next input box says."""
    message = kernel.client.get_stdin_msg(timeout=SECONDS)
    assert message["msg_type"] == "input_request"
    content: dict[str, Any] = message["content"]
    return content


def run_with(kernel: Driver, code: str, *answers: str) -> tuple[Result, list[dict[str, Any]]]:
    """Run a cell, answering each of its questions; returns the questions as well."""
    request = kernel.start(code)
    questions = []
    for answer in answers:
        questions.append(asked(kernel))
        kernel.client.input(answer)
    return kernel.finish(request), questions


def test_a_line_that_is_read_is_asked_for(kernel: Driver) -> None:
    """Jupyter: input_request; the front-end shows prompt and answer, so the cell shows neither."""
    result, questions = run_with(kernel, NAME, "world")
    assert questions == [{"prompt": "Name: ", "password": False}]
    assert result.text == "hello world\n"
    assert result.status == "ok"


def test_what_is_not_echoed_is_asked_for_as_a_password(kernel: Driver) -> None:
    """Jupyter: input_request, password."""
    result, questions = run_with(kernel, "read -s -p 'Password: ' p; echo; echo ${#p}", "secret")
    assert questions == [{"prompt": "Password: ", "password": True}]
    assert result.text == "6\n"


def test_several_questions_in_a_row_are_asked_one_by_one(kernel: Driver) -> None:
    """Ours: each with its own prompt."""
    code = 'for i in 1 2 3; do read -p "$i? " x; echo "= $x"; done'
    result, questions = run_with(kernel, code, "a", "b", "c")
    assert [one["prompt"] for one in questions] == ["1? ", "2? ", "3? "]
    assert result.text == "= a\n= b\n= c\n"


def test_a_prompt_is_plain_text_and_what_comes_before_it_is_shown(kernel: Driver) -> None:
    """Ours: a box shows no colours."""
    result, questions = run_with(kernel, "printf 'first\\n\\e[1mgo on?\\e[0m '; read x; echo $x", "yes")
    assert questions[0]["prompt"] == "go on? "
    assert result.text.startswith("first\n")
    assert result.text.endswith("yes\n")
    assert "go on" not in result.text


def test_a_single_key_is_asked_for_and_typed_without_enter(kernel: Driver) -> None:
    """Bash: read -n; what comes after it would read the Enter."""
    code = "read -n 1 -p 'Sure? ' key; echo; read -p 'Why? ' why; echo \"$key $why\""
    result, questions = run_with(kernel, code, "y", "because")
    assert [one["prompt"] for one in questions] == ["Sure? ", "Why? "]
    assert result.text == "\ny because\n"


def test_enter_alone_is_a_key_as_well(kernel: Driver) -> None:
    """Ours: nothing of its echo is shown, as of no other answer."""
    result, _ = run_with(kernel, "read -n 1 -p 'Press any key ' key; echo \"<$key>\"", "")
    assert result.text == "<>\n"


@pytest.mark.parametrize("read", ["read -r x", "read -rs x", "x=$(head -n1)"])
def test_an_answer_may_be_longer_than_a_line_of_a_terminal(kernel: Driver, read: str) -> None:
    """POSIX: a terminal drops what a line has beyond MAX_CANON: half a token would be taken for all of it."""
    result, _ = run_with(kernel, f"{read}; echo ${{#x}} ${{x: -3}}", 3000 * "é\t" + "end")
    assert result.text.endswith("6003 end\n")


def test_the_input_can_be_ended(kernel: Driver) -> None:
    """Ours: ^D alone; the cell says so where nothing else stands."""
    result, _ = run_with(kernel, "cat; echo over", "one", "^D")
    assert "^D ends it" in result.text
    assert result.text.endswith("one\nover\n")


def test_a_front_end_that_takes_no_input_lets_the_input_end(kernel: Driver) -> None:
    """Jupyter: allow_stdin; ours: the cell says why."""
    result = kernel.run(NAME, allow_stdin=False)
    assert "allow_stdin" in result.text
    assert result.text.endswith("hello\n")


def test_an_interrupt_ends_the_question(kernel: Driver) -> None:
    """Ours: as at a terminal; the next question gets its own answer, not one to this."""
    request = kernel.start(NAME)
    asked(kernel)
    kernel.manager.interrupt_kernel()
    result = kernel.finish(request)
    assert result.content["ename"] == "Interrupted"
    assert "Name: " in result.text
    kernel.client.input("too late")
    result, questions = run_with(kernel, NAME, "in time")
    assert len(questions) == 1
    assert result.text == "hello in time\n"


def test_a_question_that_nobody_needs_any_more_is_withdrawn(kernel: Driver) -> None:
    """Bash: read -t."""
    request = kernel.start("read -t 1 -p 'Quick: ' x; echo over")
    asked(kernel)
    result = kernel.finish(request)
    assert result.text.endswith("over\n")
    assert result.status == "ok"


def test_comms_and_completion_are_answered_while_a_box_is_open(kernel: Driver) -> None:
    """Ours: nothing waits for the user but the cell."""
    request = kernel.start(NAME)
    asked(kernel)
    assert kernel.ask(kernel.client.complete("ech"))["matches"]
    assert kernel.ask(kernel.client.comm_info())["status"] == "ok"
    kernel.client.control_channel.send(kernel.client.session.msg("kernel_info_request", {}))
    assert kernel.client.get_control_msg(timeout=SECONDS)["content"]["status"] == "ok"
    kernel.client.input("you")
    assert kernel.finish(request).text == "hello you\n"


def test_single_keys_are_not_asked_for(kernel: Driver) -> None:
    """Ours: a line box can not send keys; the cell says who wants them, and what can be done."""
    request = kernel.start("read -n 1 -s x")
    kernel.wait_text(request, "single keys")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request).status == "error"


def test_a_cell_on_pipes_has_no_input(kernel: Driver) -> None:
    """Ours: as a script that nobody attends to."""
    assert kernel.run("%%session --io pipe\ncat; echo over").text == "over\n"


def test_a_session_in_the_background_only_says_that_it_waits(kernel: Driver) -> None:
    """Ours: %send answers it."""
    request = kernel.start(f"%%session --bg --name asker\n{NAME}")
    kernel.wait_text(request, "Name: ")
    while "waits for input" not in kernel.run("%ps").of_kind("display_data")[0]["data"]["text/plain"]:
        os.sched_yield()
    kernel.run("%send asker you")
    kernel.wait_text(request, "hello you\n")


def test_a_secret_is_asked_for_and_stands_nowhere(kernel: Driver) -> None:
    """Ours: %send --secret: not in the notebook, not in the output."""
    request = kernel.start("%%session --bg --name keeper\nread -s word; echo; echo ${#word} letters")
    kernel.wait_iopub(request, lambda seen: seen[-1]["content"].get("execution_state") == "idle")
    result, questions = run_with(kernel, "%send keeper --secret", "hidden")
    assert questions[0]["password"] is True
    assert "keeper" in questions[0]["prompt"]
    kernel.wait_text(request, "6 letters")
    assert "hidden" not in result.text + Result(messages=kernel.seen(request)).text


def test_a_secret_that_nobody_can_be_asked_for_is_an_error(kernel: Driver) -> None:
    """Jupyter: allow_stdin."""
    kernel.run("%%session --bg --name silent\nread x")
    assert "allow_stdin" in kernel.run("%send silent --secret", allow_stdin=False).content["evalue"]
    assert "not found" in kernel.run("%send nobody --secret").content["evalue"]
    kernel.run("%kill silent")


def test_a_cell_that_is_sent_away_while_it_asks_asks_no_more(kernel: Driver) -> None:
    """Ours: in the background it says that it waits, its prompt stands in its cell, and %send answers."""
    request = kernel.start(f"%%session --name sent\n{NAME}")
    asked(kernel)
    kernel.finish(kernel.start_in(kernel.new_subshell(), "%bg sent"))
    assert kernel.reply(request)["content"]["status"] == "ok"
    kernel.wait_text(request, "Name: ")
    kernel.run("%send sent you")
    kernel.wait_text(request, "hello you\n")


def test_a_cell_that_is_followed_again_asks_in_the_cell_that_follows(kernel: Driver) -> None:
    """Ours: %fg gives a session back its input box."""
    kernel.run(f"%%session --bg --name back\n{NAME}")
    result, questions = run_with(kernel, "%fg back", "again")
    assert questions[0]["prompt"] == "Name: "
    assert "hello again\n" in result.text


def test_a_cell_in_a_subshell_asks_as_well(kernel: Driver) -> None:
    """Jupyter: input_request, whichever thread has taken the request."""
    request = kernel.start_in(kernel.new_subshell(), NAME, allow_stdin=True)
    assert asked(kernel)["prompt"] == "Name: "
    kernel.client.input("below")
    assert kernel.finish(request).text == "hello below\n"


def test_two_cells_that_ask_at_the_same_time_are_asked_one_after_the_other(kernel: Driver) -> None:
    """Ours: an answer does not always say what it answers."""
    requests = [kernel.start(NAME), kernel.start_in(kernel.new_subshell(), NAME, allow_stdin=True)]
    for answer in ("one", "two"):
        asked(kernel)
        kernel.client.input(answer)
    texts = [kernel.finish(one).text for one in requests]
    assert sorted(text.splitlines()[0] for text in texts) == ["hello one", "hello two"]


@pytest.fixture
def other(kernel: Driver) -> Iterator[BlockingKernelClient]:
    """A second client of the kernel."""
    client = kernel.manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=START_SECONDS)
        yield client
    finally:
        client.stop_channels()


def test_only_the_client_that_was_asked_can_answer(kernel: Driver, other: BlockingKernelClient) -> None:
    """Jupyter: a question goes to the client whose cell it is; what another says is not for it."""
    request = kernel.start(NAME)
    asked(kernel)
    other.input("somebody else")
    # The kernel takes messages in their order: it has seen that one when it has answered this.
    other.kernel_info(reply=True, timeout=SECONDS)
    kernel.client.input("me")
    assert kernel.finish(request).text == "hello me\n"


def test_a_client_that_never_answers_keeps_no_other_from_being_asked(
    kernel: Driver, other: BlockingKernelClient
) -> None:
    """Ours: a notebook whose box stays open, and a console in a subshell of the same kernel."""
    request = kernel.start(NAME)
    asked(kernel)
    beside = other.session.msg("execute_request", {"code": NAME, "silent": False, "allow_stdin": True})
    beside["header"]["subshell_id"] = kernel.new_subshell()
    other.shell_channel.send(beside)
    assert other.get_stdin_msg(timeout=SECONDS)["content"]["prompt"] == "Name: "
    other.input("you")
    assert kernel_reply(other, beside)["status"] == "ok"
    kernel.client.input("me")
    assert kernel.finish(request).text.startswith("hello me\n")


def kernel_reply(client: BlockingKernelClient, request: dict[str, Any]) -> dict[str, Any]:
    """The content of the answer to a request."""
    while True:
        message = client.get_shell_msg(timeout=SECONDS)
        if message["parent_header"].get("msg_id") == request["header"]["msg_id"]:
            content: dict[str, Any] = message["content"]
            return content
