"""Questions to bash that nobody sees."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.lifeline import Lifeline
from vibesbox_kernel.errors import DirectoryNotFoundError
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.aside import Answer, ask

pytestmark = pytest.mark.anyio

BASH = "/bin/bash"


@pytest.fixture
async def manager() -> AsyncIterator[SessionManager]:
    async with SessionManager() as made:
        yield made


async def test_an_answer_has_the_exit_status_and_both_streams(manager: SessionManager) -> None:
    answer = await ask(
        manager,
        [BASH, "-c", "echo out; echo err >&2; exit 3"],
        bash=BASH,
        cwd="/",
        env={"PATH": os.environ["PATH"]},
        at_most=5,
    )
    assert answer == Answer(3, "out\nerr\n")


async def test_a_question_is_no_session_and_leaves_no_file(manager: SessionManager) -> None:
    await ask(manager, [BASH, "-c", "pwd"], bash=BASH, cwd="/", at_most=5)
    assert manager.list_sessions() == []
    assert os.listdir(manager.workspace.path) == []


async def test_a_question_that_takes_too_long_is_ended(manager: SessionManager, lifeline: Lifeline) -> None:
    words = [BASH, "-c", f"exec 9>{lifeline.path}; echo on >&9; setsid sleep 600"]
    await ask(manager, [BASH, "-c", ":"], bash=BASH, cwd="/", at_most=5)  # so that the broker is there
    with anyio.fail_after(10):
        assert await ask(manager, words, bash=BASH, cwd="/", at_most=2) is None
        await lifeline.held()
        await lifeline.released()


async def test_an_endless_answer_is_cut_off(manager: SessionManager) -> None:
    with anyio.fail_after(5):
        assert await ask(manager, [BASH, "-c", "yes"], bash=BASH, cwd="/", at_most=5) is None


async def test_a_question_from_nowhere_is_an_error(manager: SessionManager) -> None:
    with pytest.raises(DirectoryNotFoundError):
        await ask(manager, [BASH, "-c", "pwd"], bash=BASH, cwd="/no/such/directory", at_most=5)
    assert os.listdir(manager.workspace.path) == []
