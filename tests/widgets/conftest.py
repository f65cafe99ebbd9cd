"""A manager without processes, and a comm that writes down what it would have sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import comm
import pytest
from comm.base_comm import BaseComm

from tests.widgets.fake_manager import FakeManager


class RecordingComm(BaseComm):
    """Keeps every message, and the name of the thread that sent it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[tuple[str, dict[str, Any], str]] = []
        self.with_bytes: list[tuple[dict[str, Any], bytes]] = []
        self._changed = threading.Condition()
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        with self._changed:
            self.sent.append((msg_type, data or {}, threading.current_thread().name))
            if buffers:
                self.with_bytes.append((data["content"], b"".join(map(bytes, buffers))))
            self._changed.notify_all()

    def wait(self, wanted: Callable[[RecordingComm], bool]) -> None:
        """Until what was sent is as wanted."""
        with self._changed:
            assert self._changed.wait_for(lambda: wanted(self), timeout=5), self.sent

    @property
    def updates(self) -> list[dict[str, Any]]:
        return [data["state"] for _, data, _ in self.sent if data.get("method") == "update"]

    @property
    def custom(self) -> list[dict[str, Any]]:
        return [data["content"] for _, data, _ in self.sent if data.get("method") == "custom"]


@pytest.fixture
def manager() -> Iterator[FakeManager]:
    fake = FakeManager()
    yield fake
    fake.engine.close()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
