"""What reliability tests get: an observer of their own, and a place for their figures."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.figures import STORE, Figure, measured, save, table
from tests.reliability.observer import Observer

_FIGURES = pytest.StashKey[list[Figure]]()
_VARIABLE = "RELIABILITY_TEST"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the full forms out, unless ``-m`` names them."""
    if "soak" in config.option.markexpr:
        return
    out = [item for item in items if item.get_closest_marker("soak")]
    if out:
        items[:] = [item for item in items if item not in out]
        config.hook.pytest_deselected(items=out)


@pytest.fixture
def observer(monkeypatch: pytest.MonkeyPatch) -> Observer:
    """Sees every process of the sessions that are started from here on."""
    value = uuid.uuid4().hex
    monkeypatch.setenv(_VARIABLE, value)
    return Observer(_VARIABLE, value)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``figure(3, "gone after SIGKILL of the owner", 0.43, "s", target="< 1 s idle", scale="500 × 3")``."""
    soak = request.node.get_closest_marker("soak") is not None

    def note(number: int, what: str, value: float, unit: str, **more: Any) -> None:
        config: pytest.Config = request.config
        config.stash.setdefault(_FIGURES, []).append(measured(number, what, value, unit, soak=soak, **more))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures of this run, and keep them."""
    figures = config.stash.get(_FIGURES, [])
    if not figures:
        return
    save(Path(config.rootpath) / STORE, figures)
    rows = table(figures)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    terminalreporter.section("reliability")
    for row in rows:
        terminalreporter.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
