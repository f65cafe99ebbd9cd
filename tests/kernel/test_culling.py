"""Idle kernels are culled by many servers; one with a running session is not idle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.error import HTTPError

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.browser.server import LabServer
from tests.kernel.driver import Driver, is_alive
from vibesbox_kernel.frontends.activity import NO_COMM

TIMEOUT_SECONDS = 10
"""Several times the distance of two signs of activity; a kernel that takes longer to start would be culled, too."""
DEADLINE_SECONDS = 90
CULLING = (
    f"--MappingKernelManager.cull_idle_timeout={TIMEOUT_SECONDS}",
    "--MappingKernelManager.cull_interval=1",
    "--MappingKernelManager.cull_connected=True",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabServer]:
    """A server that culls what is idle, whoever is connected."""
    with LabServer(tmp_path / "lab", args=CULLING) as server:
        yield server


@contextmanager
def client_of(server: LabServer, kernel: str) -> Iterator[BlockingKernelClient]:
    """A client of a kernel that the server has started."""
    client = BlockingKernelClient(connection_file=str(server.runtime / f"kernel-{kernel}.json"))
    client.load_connection_file()
    client.start_channels(hb=False)  # a kernel that is just starting has none, and would be taken for dead
    try:
        wait_until(lambda: _answers(client))
        yield client
    finally:
        client.stop_channels()


def _answers(client: BlockingKernelClient) -> bool:
    """Whether a kernel has answered, and its iopub is heard."""
    client.kernel_info()
    try:
        client.get_shell_msg(timeout=1)
        client.get_iopub_msg(timeout=1)
    except Empty:
        return False
    return True


def printed(client: BlockingKernelClient, code: str) -> str:
    """What a cell prints."""
    pieces: list[str] = []

    def note(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            pieces.append(message["content"]["text"])

    reply = client.execute_interactive(code, output_hook=note, timeout=DEADLINE_SECONDS)
    assert reply["content"]["status"] == "ok"
    return "".join(pieces)


def wait_until(happened: Callable[[], bool]) -> None:
    """Look again and again."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def last_activity(server: LabServer, kernel: str) -> datetime | None:
    """When a kernel was active last; None once it is culled."""
    try:
        return datetime.fromisoformat(server.request("GET", f"/api/kernels/{kernel}")["last_activity"])
    except HTTPError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return None


def test_a_kernel_with_a_running_session_is_not_culled_and_once_it_is_over_it_is(server: LabServer):
    """Jupyter: MappingKernelManager.cull_idle_timeout."""
    shell = server.start_kernel("vibesbox")
    with client_of(server, shell) as client:
        printed(client, "%%session --bg --name work\nexec sleep 600")
        first = int(printed(client, "%ps --json").partition('"pid": ')[2].partition(",")[0])
    python = server.start_kernel("python3")
    with client_of(server, python) as client:
        printed(client, "%load_ext vibesbox")
        second = int(printed(client, "work = %session --bg exec sleep 600\nprint(work.pid)"))
    working = {kernel: last_activity(server, kernel) for kernel in (shell, python)}
    for kernel, before in working.items():
        assert before is not None
        # Later than it would have been culled.
        wait_until(partial(_is_later, server, kernel, before))

    for pid in (first, second):
        assert is_alive(pid)
        os.kill(pid, signal.SIGKILL)
    for kernel in working:
        wait_until(partial(_is_culled, server, kernel))


def test_only_a_session_that_lasts_shows_activity(new_kernel: Callable[[], Driver]):
    """A short cell publishes enough by itself, and a client need not expect messages of a comm in one."""
    kernel = new_kernel()
    for _ in range(7):
        kernel.run("sleep 1")
    assert kernel.comm_data(NO_COMM) == []

    kernel.run("%%session --bg --name work\nexec sleep 600")
    kernel.wait_until(lambda: kernel.comm_data(NO_COMM) != [], timeout=DEADLINE_SECONDS)


def _is_culled(server: LabServer, kernel: str) -> bool:
    return last_activity(server, kernel) is None


def _is_later(server: LabServer, kernel: str, before: datetime) -> bool:
    now = last_activity(server, kernel)
    assert now is not None, "it was culled"
    return now > before + timedelta(seconds=TIMEOUT_SECONDS + 1)
