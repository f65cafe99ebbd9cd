"""A kernel of ours behind jupyter_client: what a front-end sends, and what it gets back."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.lifeline import BlockingLifeline
from vibesbox_kernel.frontends import install

START_SECONDS = 60
SECONDS = 5.0

Message = dict[str, Any]


@dataclass
class Result:
    """What one request gave: its reply, and the iopub messages that name it as their parent."""

    reply: Message = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = self.reply["content"]
        return content

    @property
    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = self.reply["metadata"]
        return metadata

    @property
    def status(self) -> str:
        return str(self.content["status"])

    @property
    def text(self) -> str:
        return "".join(one["content"]["text"] for one in self.messages if one["msg_type"] == "stream")

    @property
    def kinds(self) -> list[str]:
        return [one["msg_type"] for one in self.messages]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [one["content"] for one in self.messages if one["msg_type"] == kind]


class Driver:
    """Sends requests and sorts what comes back by the request that it belongs to."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client
        self._iopub: list[Message] = []
        self._replies: dict[str, Message] = {}

    @property
    def pid(self) -> int:
        pid = self.manager.provisioner.pid  # type: ignore[union-attr]
        assert isinstance(pid, int)
        return pid

    def run(self, code: str, *, timeout: float = SECONDS, **options: Any) -> Result:
        """Execute a cell and wait for its end."""
        return self.finish(self.client.execute(code, **options), timeout=timeout)

    def start(self, code: str, **options: Any) -> str:
        """Execute a cell without waiting for it; returns the request's id."""
        return str(self.client.execute(code, **options))

    def finish(self, request: str, *, timeout: float = SECONDS) -> Result:
        """Wait until a request is answered and idle."""
        result = Result(reply=self.reply(request, timeout=timeout))
        self.wait_iopub(request, lambda seen: any(map(_is_idle, seen)), timeout=timeout)
        result.messages = self.seen(request)
        return result

    def reply(self, request: str, *, timeout: float = SECONDS) -> Message:
        """The answer to a request on the shell channel."""
        deadline = time.monotonic() + timeout
        while request not in self._replies:
            message: Message = self.client.get_shell_msg(timeout=max(0.0, deadline - time.monotonic()))
            self._replies[message["parent_header"].get("msg_id")] = message
        return self._replies.pop(request)

    def ask(self, request: str, *, timeout: float = SECONDS) -> dict[str, Any]:
        """The content of the answer to a request that is already sent."""
        content: dict[str, Any] = self.reply(request, timeout=timeout)["content"]
        return content

    def seen(self, request: str) -> list[Message]:
        """The iopub messages of a request so far."""
        return [one for one in self._iopub if one["parent_header"].get("msg_id") == request]

    def wait_iopub(self, request: str, wanted: Callable[[list[Message]], bool], *, timeout: float = SECONDS) -> None:
        """Read iopub until what a request has got is as wanted."""
        self.wait_until(lambda: bool(self.seen(request)) and wanted(self.seen(request)), timeout=timeout)

    def wait_until(self, wanted: Callable[[], bool], *, timeout: float = SECONDS) -> None:
        """Read iopub until something is as wanted."""
        deadline = time.monotonic() + timeout
        while not wanted():
            try:
                self._iopub.append(self.client.get_iopub_msg(timeout=max(0.0, deadline - time.monotonic())))
            except Empty:
                last = "\n".join(str(one["content"]) for one in self._iopub[-5:])
                raise AssertionError(f"not in {timeout} s; the last messages are:\n{last}") from None

    def wait_text(self, request: str, text: str, *, timeout: float = SECONDS) -> None:
        """Read iopub until a text stands in a request's output."""
        self.wait_iopub(request, lambda seen: text in Result(messages=seen).text, timeout=timeout)

    def wait_shown(self, request: str, pattern: str, *, timeout: float = SECONDS) -> None:
        """Wait until what a request displays, or has put in the place of that, matches a pattern somewhere."""
        self.wait_iopub(request, lambda seen: re.search(pattern, _displayed(seen[-1])) is not None, timeout=timeout)

    def comm_data(self, comm_id: str) -> list[dict[str, Any]]:
        """The contents of everything that a comm has sent, its opening included, whatever its parent."""
        return [one["content"] for one in self._iopub if one["content"].get("comm_id") == comm_id]

    def send(self, kind: str, content: dict[str, Any], **metadata: Any) -> str:
        """Send any message on the shell channel; returns its id."""
        message = self.client.session.msg(kind, content, metadata=metadata)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def new_subshell(self) -> str:
        """What JupyterLab's "New Subshell Console for Notebook" opens; returns its id."""
        request = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(request)
        while True:
            message = self.client.get_control_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                return str(message["content"]["subshell_id"])

    def start_in(self, subshell: str, code: str, *, allow_stdin: bool = False) -> str:
        """Execute a cell in a subshell, without waiting for it; returns the request's id."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": allow_stdin}
        message = self.client.session.msg("execute_request", content)
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def open_comm(self, target: str) -> str:
        """Open a comm, as a front-end does; returns its id."""
        comm_id = uuid4().hex
        self.send("comm_open", {"comm_id": comm_id, "target_name": target, "data": {}})
        return comm_id

    def send_comm(self, comm_id: str, content: dict[str, Any]) -> str:
        """What a widget's ``model.send`` sends."""
        return self.send("comm_msg", {"comm_id": comm_id, "data": {"method": "custom", "content": content}})

    def restart(self) -> None:
        """What a front-end's restart does."""
        self.manager.restart_kernel()
        self.client.wait_for_ready(timeout=START_SECONDS)


def install_spec(prefix: Path) -> Path:
    """Install our kernelspec below a directory and return Jupyter's data directory there."""
    install.install(prefix=str(prefix))
    return prefix / "share" / "jupyter"


@contextmanager
def running_kernel(data_directory: Path, *, connection_file: str = "", **options: Any) -> Iterator[Driver]:
    """A kernel that runs until the block ends; with another's connection file it is that one's successor."""
    specs = KernelSpecManager(kernel_dirs=[str(data_directory / "kernels")], ensure_native_kernel=False)
    manager = KernelManager(kernel_name=install.NAME, kernel_spec_manager=specs, connection_file=connection_file)
    manager.start_kernel(**options)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=START_SECONDS)
        yield Driver(manager, client)
    finally:
        client.stop_channels()
        if manager.is_alive():
            manager.shutdown_kernel()
        manager.cleanup_resources()


def hold(lifeline: BlockingLifeline) -> str:
    """A command that says that it runs, and then runs for long.

    One process does both: were it bash that says so, an interrupt might meet it before its child is there.
    """
    return f"sh -c 'echo on >{lifeline.path}; exec sleep 100'"


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_gone(*pids: int, timeout: float = SECONDS) -> None:
    """Wait until none of these processes is left; the system tells by pidfd."""
    deadline = time.monotonic() + timeout
    for pid in pids:
        while is_alive(pid):
            assert time.monotonic() < deadline, f"process {pid} is left"
            os.sched_yield()


def _displayed(message: Message) -> str:
    return str(message["content"].get("data", {}).get("text/plain", ""))


def _is_idle(message: Message) -> bool:
    return bool(message["msg_type"] == "status" and message["content"]["execution_state"] == "idle")
