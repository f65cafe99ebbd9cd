"""The log of guardian and broker, which is bounded and stays the same file."""

from __future__ import annotations

import fcntl
import logging
from pathlib import Path

import pytest

from vibesbox_kernel.broker import log as log_module
from vibesbox_kernel.broker.log import BoundedLog


def test_a_log_that_never_ends_keeps_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Ours: a disk that refuses for months is said again and again; what was last is what somebody looks for."""
    monkeypatch.setattr(log_module, "MAX_LOG_BYTES", 1000)
    monkeypatch.setattr(log_module, "_KEPT_BYTES", 500)
    path = tmp_path / "broker.log"
    with path.open("a+", buffering=1) as first, path.open("a+", buffering=1) as second:
        fcntl.flock(first, fcntl.LOCK_SH)
        file = path.stat().st_ino
        handlers = [BoundedLog(first), BoundedLog(second)]  # guardian and broker
        for number in range(200):
            line = logging.makeLogRecord({"msg": f"line {number:04}"})
            handlers[number % 2].emit(line)
            assert path.stat().st_size <= 1010
    lines = path.read_text().splitlines()
    assert lines == [f"line {number:04}" for number in range(200 - len(lines), 200)]
    assert len(lines) >= 45
    assert path.stat().st_ino == file  # its lock says that they live
