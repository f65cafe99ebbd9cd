"""A bench for the bash texts, on a terminal and on a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell.bench import Bench


@pytest.fixture(params=["pty", "pipe"])
def bench(request: pytest.FixtureRequest, isolation: Path) -> Iterator[Bench]:
    """Runs cells one after another, without a manager."""
    made = Bench(isolation / "bench", io=request.param)
    yield made
    made.close()
