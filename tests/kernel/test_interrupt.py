"""Interrupts, as front-ends send them."""

from __future__ import annotations

import os
import signal

from tests.kernel.driver import SECONDS, Driver, hold
from tests.lifeline import BlockingLifeline


def test_an_interrupt_request_ends_the_cell_and_keeps_the_state(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    request = kernel.start(f"before=kept; cd /usr; {hold(blocking_lifeline)}; echo never")
    blocking_lifeline.held()
    kernel.manager.interrupt_kernel()
    result = kernel.finish(request)
    assert (result.status, result.content["ename"]) == ("error", "Interrupted")
    assert "never" not in result.text
    assert kernel.run("echo $before $PWD").text == "kept /usr\n"


def test_sigint_is_an_interrupt_for_clients_that_know_no_message(
    kernel: Driver, blocking_lifeline: BlockingLifeline
) -> None:
    request = kernel.start(hold(blocking_lifeline))
    blocking_lifeline.held()
    os.kill(kernel.pid, signal.SIGINT)
    assert kernel.finish(request).content["ename"] == "Interrupted"
    assert kernel.run("echo alive").text == "alive\n"


def test_an_interrupt_when_nothing_runs_does_no_harm(kernel: Driver) -> None:
    kernel.client.control_channel.send(kernel.client.session.msg("interrupt_request", {}))
    assert kernel.client.get_control_msg(timeout=SECONDS)["content"]["status"] == "ok"
    os.kill(kernel.pid, signal.SIGINT)
    kernel.ask(kernel.client.kernel_info())  # the loop that answers has taken the signal before
    assert kernel.run("echo alive").text == "alive\n"


def test_interrupted_cells_stop_the_queue(kernel: Driver, blocking_lifeline: BlockingLifeline) -> None:
    first = kernel.start(hold(blocking_lifeline))
    second = kernel.start("echo never")
    blocking_lifeline.held()
    kernel.manager.interrupt_kernel()
    assert kernel.finish(first).status == "error"
    assert kernel.ask(second)["status"] == "aborted"


def test_a_wait_can_be_interrupted(kernel: Driver) -> None:
    kernel.run("%%session --bg --name awaited\nsleep 600")
    request = kernel.start("%wait awaited")
    kernel.wait_iopub(request, lambda seen: seen[-1]["msg_type"] == "execute_input")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(request).content["ename"] == "Interrupted"
    assert kernel.run("%kill awaited").status == "ok"
