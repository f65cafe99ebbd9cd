"""A kernel under measurement, and a client that reads its messages straight from the sockets.

jupyter_client signs and packs the messages; waiting is ours, so that no event loop of a client lies between the
kernel's last message and the clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

START_SECONDS = 30.0
LATE_SECONDS = 0.3
_RECONNECT_MS = 2
"""zmq tries every 100 ms by default; start-ups would be measured to that only."""


class KernelFailedError(Exception):
    """A kernel did not do what it was asked."""


@dataclass(frozen=True)
class Message:
    """One message on iopub.

    Attributes:
        at: Seconds of ``time.perf_counter`` when it was read.
        size: Bytes of the whole message, as sent.
    """

    at: float
    size: int
    kind: str
    content: dict[str, Any]

    @property
    def text(self) -> str:
        """What it adds to the cell, or puts in place of something."""
        return str(self.content.get("text", self.content.get("data", {}).get("text/plain", "")))


@dataclass
class Ran:
    """A cell that was run.

    Attributes:
        seconds: From sending the request until its idle was read.
        messages: What the kernel published for it, without the statuses and the echo of the input.
    """

    seconds: float = 0.0
    messages: list[Message] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(message.text for message in self.messages if message.kind == "stream")


class Kernel:
    """A kernel and its client.

    Args:
        specs: Knows the kernels.
        name: The kernelspec's name.
        directory: Where it runs.
    """

    def __init__(self, specs: KernelSpecManager, name: str, directory: Path) -> None:
        self.name = name
        self.started_at = 0.0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        self._manager = KernelManager(kernel_name=name, kernel_spec_manager=specs, context=self._context)
        self._client = self._manager.client()
        self._directory = directory
        self._log = directory / f"{name}.log"

    def start(self) -> None:
        """Start the kernel, without waiting for it."""
        self.started_at = time.perf_counter()
        with self._log.open("ab") as log:
            self._manager.start_kernel(cwd=str(self._directory), stdout=log, stderr=log)
        self._client.load_connection_info(self._manager.get_connection_info())
        self._client.start_channels(hb=False, control=False)

    def wait_ready(self) -> float:
        """Seconds from the start to the first answer; when this returns, iopub is connected too."""
        deadline = time.perf_counter() + START_SECONDS
        request = self._client.kernel_info()
        self._reply(request, deadline)
        took = time.perf_counter() - self.started_at
        while not self._client.iopub_channel.socket.poll(200):
            self._check(deadline)
            self._client.kernel_info()
        return took

    def run(self, code: str, *, at_most: float = 10.0) -> Ran:
        """Run a cell until its idle.

        Args:
            at_most: Seconds after which it has failed.

        Raises:
            KernelFailedError: It took too long, or the reply is an error.
        """
        return self.run_queued([code], at_most=at_most)[0]

    def run_queued(self, codes: list[str], *, at_most: float = 10.0) -> list[Ran]:
        """Send all requests at once, as "Run all" does, and wait for the last one's idle."""
        started = time.perf_counter()
        requests = {self._client.execute(code): Ran() for code in codes}
        idle: set[str] = set()
        while len(idle) < len(requests):
            parent, message = self._published(started + at_most)
            if parent not in requests:
                continue
            if message.kind != "status":
                _note(requests[parent], message)
            elif message.content["execution_state"] == "idle":
                requests[parent].seconds = message.at - started
                idle.add(parent)
        for request in requests:
            self._reply(request, started + at_most)
        return list(requests.values())

    def complete(self, code: str) -> tuple[float, list[str]]:
        """Complete what is begun: how many seconds the reply took, and the matches."""
        started = time.perf_counter()
        reply = self._reply(self._client.complete(code), started + 10)
        return time.perf_counter() - started, list(reply["matches"])

    def take_late(self, ran: Ran) -> None:
        """Add what comes after a cell's idle, should there be any."""
        while self._client.iopub_channel.socket.poll(round(LATE_SECONDS * 1000)):
            _, message = self._published(time.perf_counter() + 1)
            _note(ran, message)

    def close(self) -> None:
        """End the kernel."""
        try:
            self._client.stop_channels()
            if self._manager.has_kernel:
                self._manager.shutdown_kernel()
        finally:
            self._context.destroy(linger=0)

    def _published(self, deadline: float) -> tuple[str, Message]:
        frames = self._receive(self._client.iopub_channel.socket, deadline)
        at = time.perf_counter()
        message = self._unpack(frames)
        size = sum(map(len, frames))
        parent = str(message["parent_header"].get("msg_id"))
        return parent, Message(at, size, message["header"]["msg_type"], message["content"])

    def _reply(self, request: str, deadline: float) -> dict[str, Any]:
        while True:
            message = self._unpack(self._receive(self._client.shell_channel.socket, deadline))
            if message["parent_header"].get("msg_id") == request:
                break
        content: dict[str, Any] = message["content"]
        if content.get("status", "ok") != "ok":
            raise KernelFailedError(f"{self.name}: {content.get('ename')}: {content.get('evalue')}")
        return content

    def _receive(self, socket: zmq.Socket[bytes], deadline: float) -> list[bytes]:
        while not socket.poll(200):
            self._check(deadline)
        return socket.recv_multipart()

    def _check(self, deadline: float) -> None:
        if time.perf_counter() > deadline:
            raise KernelFailedError(f"{self.name}: no answer in time")
        if not self._manager.is_alive():
            raise KernelFailedError(f"{self.name}: the kernel has died:\n{self._log.read_text('utf-8', 'replace')}")

    def _unpack(self, frames: list[bytes]) -> dict[str, Any]:
        session = self._client.session
        _, rest = session.feed_identities(frames)
        message: dict[str, Any] = session.deserialize(rest)
        return message


@contextmanager
def running(specs: KernelSpecManager, name: str, directory: Path) -> Iterator[Kernel]:
    """A kernel that is ended whatever happens."""
    kernel = Kernel(specs, name, directory)
    try:
        kernel.start()
        yield kernel
    finally:
        kernel.close()


def _note(ran: Ran, message: Message) -> None:
    if message.kind not in ("status", "execute_input"):
        ran.messages.append(message)
