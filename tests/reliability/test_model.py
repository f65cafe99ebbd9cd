"""Any program of fork, setsid, close, write, exec, exit and kill comes out as a model of it says."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reliability import story as story_program
from tests.reliability.observer import Observer
from tests.reliability.scale import scaled
from vibesbox_kernel.errors import SessionTimeoutError
from vibesbox_kernel.models import EndReason, SessionStatus
from vibesbox_kernel.sessions import BlockingSessionManager

_WRITE = st.tuples(st.just("write"), st.text("abcxyz ", min_size=1, max_size=40))
_STEP = st.one_of(
    _WRITE,
    _WRITE,
    st.just(("setsid",)),
    st.just(("exec",)),
    st.tuples(st.just("close"), st.sampled_from([0, 1, 2])),
)
_END = st.one_of(
    st.just(("stay",)),
    st.tuples(st.just("exit"), st.integers(0, 255)),
    st.tuples(st.just("kill"), st.sampled_from([1, 2, 6, 9, 10, 11, 15])),
)


def _stories(children: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[list[Any]]:
    step = st.one_of(_STEP, st.tuples(st.just("fork"), children, st.booleans()))
    return st.builds(lambda steps, end: [*steps, *end], st.lists(step, max_size=5), st.lists(_END, max_size=1))


STORIES = st.recursive(_stories(st.just([])), _stories, max_leaves=8)


@dataclass
class Model:
    """What a story must come to.

    Attributes:
        code: The leader's returncode; None when it does not end by itself.
        lines: What is put out, in no order: processes that nobody waits for run at the same time.
        stays: Whether any process stays until it is killed.
    """

    lines: Counter[str] = field(default_factory=Counter)
    stays: bool = False
    code: int | None = None

    @classmethod
    def of(cls, story: list[Any]) -> Model:
        """The model of a leader's story."""
        model = cls()
        model.code = model._live(story, set())
        return model

    def _live(self, story: list[Any], closed: set[int]) -> int | None:
        for verb, *facts in story:
            if verb == "write":
                if 1 in closed:
                    return 99
                self.lines[facts[0]] += 1
            elif verb == "fork":
                ended = self._live(facts[0], set(closed))
                if facts[1] and ended is None:
                    return None  # its parent waits for ever
            elif verb == "close":
                closed.add(facts[0])
            elif verb == "exit":
                return int(facts[0])
            elif verb == "kill":
                return -int(facts[0])
            elif verb == "stay":
                self.stays = True
                return None
        return 0


@pytest.fixture
def blocking() -> Iterator[BlockingSessionManager]:
    """A manager for all the stories of one test."""
    manager = BlockingSessionManager()
    yield manager
    manager.close()


def _in_turn(story: list[Any]) -> list[Any]:
    """The same, each child waited for: when a terminal's leader ends, the kernel hangs up on all the others."""
    return [["fork", _in_turn(step[1]), True] if step[0] == "fork" else step for step in story]


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _check(manager: BlockingSessionManager, observer: Observer, story: list[Any], io: str) -> None:
    model = Model.of(story)
    program = [sys.executable, "-I", "-S", str(Path(story_program.__file__)), json.dumps(story)]
    pid = manager.start_session(f"exec {shlex.join(program)}", io=io)
    if model.stays:
        _wait_until_all_is_said(manager, pid, model)
        assert manager.info(pid).status is SessionStatus.RUNNING
        assert manager.terminate_session(pid, force=True)
    info = manager.wait(pid, 20)
    if model.code is not None:
        assert info.exit_status is not None
        assert info.exit_status.returncode == model.code
    reason = EndReason.EXITED if (model.code or 0) >= 0 else EndReason.SIGNALLED
    assert info.end_reason is (EndReason.KILLED if model.stays else reason)
    assert Counter(line for line in manager.read_output(pid).split("\n") if line) == model.lines
    assert observer.of(pid) == []


def _wait_until_all_is_said(manager: BlockingSessionManager, pid: int, model: Model) -> None:
    """Until nothing more will be said, and a leader that ends has ended."""
    wanted = sum(len(line) + 1 for line, times in model.lines.items() for _ in range(times))
    cursor = 0
    while cursor < wanted:
        cursor = manager.read(pid, cursor, wait=20).next_cursor
    while model.code is not None and manager.info(pid).exit_status is None:
        with contextlib.suppress(SessionTimeoutError):
            manager.wait(pid, 0.01)


@pytest.mark.parametrize("io", ["pipe", "pty"])
@scaled("examples", short=25, soak=1500)
def test_any_program_comes_out_as_its_model_says(blocking, observer, figure, examples, io):
    """Ours: output, status, "running until the tree is gone", and nothing left after an end."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STORIES)
    def tell(story: list[Any]) -> None:
        plain = _plain(story)
        _check(blocking, observer, _in_turn(plain) if io == "pty" else plain, io)

    tell()
    observer.learn()
    blocking.cleanup_all()
    observer.wait_gone()
    figure(0, f"random programs that differ from their model ({io})", 0, "", target="0", scale=f"{examples} programs")
