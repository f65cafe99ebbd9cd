"""Puts a fault into the brokers that are started from now on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reliability import faulty
from vibesbox_kernel.sessions import link

_TRUE = link._BOOTSTRAP


def operate(monkeypatch: pytest.MonkeyPatch, directory: Path, **orders: Any) -> None:
    """Let the next broker start with these orders; see ``faulty``."""
    # Under the true file's name: that is how a broker is known in a list of processes.
    script = directory / _TRUE.name
    script.write_text(Path(faulty.__file__).read_text("utf-8"), "utf-8")
    (directory / "faulty.json").write_text(json.dumps({"bootstrap": str(_TRUE), **orders}), "utf-8")
    monkeypatch.setattr(link, "_BOOTSTRAP", script)


def heal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next broker be a healthy one."""
    monkeypatch.setattr(link, "_BOOTSTRAP", _TRUE)
