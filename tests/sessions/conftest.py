"""A real SessionManager for every test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from vibesbox_kernel.sessions import SessionManager


@pytest.fixture
async def manager() -> AsyncIterator[SessionManager]:
    """A manager with a broker of its own; everything of it is gone after the test."""
    async with SessionManager() as one:
        yield one
