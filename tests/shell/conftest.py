"""A bench for the bash texts, on a terminal and on a pipe; a notebook whose cells run on real sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.shell.bench import Bench
from tests.shell.notebook import Notebook
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.runner import CellRunner
from vibesbox_kernel.shell.settings import Settings


@pytest.fixture(params=["pty", "pipe"])
def bench(request: pytest.FixtureRequest, isolation: Path) -> Iterator[Bench]:
    """Runs cells one after another, without a manager."""
    made = Bench(isolation / "bench", io=request.param)
    yield made
    made.close()


@pytest.fixture
async def runner(manager: SessionManager) -> AsyncIterator[CellRunner]:
    """Runs cells; what does not heed an interrupt is ended soon."""
    made = CellRunner(manager, settings=Settings(interrupt_grace=0.3), cwd=str(Path.home()))
    yield made
    await made.aclose()


@pytest.fixture
async def notebook(runner: CellRunner) -> Notebook:
    """Runs cells one after another."""
    return Notebook(runner)
