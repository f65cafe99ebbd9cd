"""What the looks at a session's processes come to."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.broker.parts import a_session
from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.blocked import Blocked, Reading, Source, terminal
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.stdin_evidence import KEY, KEYS, LINE, PASSWORD, SLICE_PROCESSES, Evidence, Terminal, look

OURS, OTHER, PIPE = terminal(1), terminal(2), Source(5, 7)
HERE = 100
"""The terminal's foreground group, and its first process."""


def process(
    group: int = HERE, *, asleep: bool = True, hidden: bool = False, of: Source | None = OURS, **waits: Source
) -> Blocked:
    """A process that waits for what is given: ``reads`` or ``polls``."""
    reads = (Reading(waits["reads"], 0),) if "reads" in waits else ()
    polls = (waits["polls"],) if "polls" in waits else ()
    return Blocked(group, asleep=asleep, hidden=hidden, controlling=of, reads=reads, polls=polls)


@dataclass
class Scene:
    """A session's processes, the first of which has begotten all others, and its terminal's modes."""

    session: Session
    processes: list[Blocked] = field(default_factory=list)
    modes: tuple[bool, bool] = (True, True)
    modes_elsewhere: tuple[bool, bool] | None = None

    def seen(self) -> Evidence | None:
        looking = look(self.session, [HERE])
        while True:
            try:
                next(looking)
            except StopIteration as done:
                found: Evidence | None = done.value
                return found


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    master, slave = pty.openpty()
    one = Scene(a_session(tmp_path))
    one.session.io, one.session.input, one.session.at_line_start = "pty", master, True
    monkeypatch.setattr(system, "input_source", lambda _, is_terminal: OURS if is_terminal else PIPE)
    monkeypatch.setattr(system, "blocked", lambda pid: one.processes[pid - HERE])
    monkeypatch.setattr(
        system, "children", lambda pid: list(range(HERE + 1, HERE + len(one.processes))) if pid == HERE else []
    )
    monkeypatch.setattr(system, "terminal_modes", lambda *_: one.modes_elsewhere)
    monkeypatch.setattr(
        "vibesbox_kernel.broker.stdin_evidence.terminal_of",
        lambda session: _terminal(session, one.modes),
    )
    yield one
    os.close(master)
    os.close(slave)


def _terminal(session: Session, modes: tuple[bool, bool]) -> Terminal:
    return Terminal(OURS, HERE, modes) if session.is_pty else Terminal(PIPE, None, (True, True))


@pytest.mark.parametrize(
    ("modes", "kind"),
    [((True, True), LINE), ((False, True), PASSWORD), ((True, False), KEY), ((False, False), KEYS)],
)
def test_what_a_reader_waits_for_is_said_by_the_terminals_modes(scene: Scene, modes: tuple[bool, bool], kind: str):
    """POSIX: termios(3), ECHO and ICANON."""
    scene.processes, scene.modes = [process(), process(reads=OURS)], modes
    assert scene.seen() == Evidence(kind, HERE + 1, certain=True)


@pytest.mark.parametrize(
    "others",
    [
        [process(200, reads=OURS)],  # it will be stopped for it
        [process(reads=PIPE)],
        [process(reads=OTHER, of=OTHER)],
        [process(polls=PIPE)],
        [process(polls=OURS)],  # no prompt stands there
        [process(asleep=True)],
        [process(hidden=True)],
        [],
    ],
)
def test_who_waits_for_something_else_does_not_wait_for_input(scene: Scene, others: list[Blocked]):
    """Ours: no false alarm."""
    scene.processes = [process(), *others]
    assert scene.seen() is None


def test_who_is_controlled_by_no_terminal_reads_ours_whenever_it_likes(scene: Scene):
    """POSIX: job control is for those whose controlling terminal it is; ``su -c`` begins a session without one."""
    scene.processes = [process(), process(300, of=None, reads=OURS)]
    assert scene.seen() == Evidence(LINE, HERE + 1, certain=True)


def test_who_polls_at_a_prompt_waits_perhaps(scene: Scene):
    """Ours: as ``read -t`` does."""
    scene.processes, scene.session.at_line_start = [process(polls=OURS)], False
    assert scene.seen() == Evidence(LINE, HERE, certain=False)


def test_who_polls_a_raw_terminal_waits_perhaps(scene: Scene):
    """Ours: as editors do."""
    scene.processes, scene.modes = [process(polls=OURS)], (False, False)
    assert scene.seen() == Evidence(KEYS, HERE, certain=False)


@pytest.mark.parametrize(("modes", "kind"), [((True, True), LINE), ((False, True), PASSWORD), (None, LINE)])
def test_behind_a_relay_it_is_the_other_terminal_that_counts(scene: Scene, modes: tuple[bool, bool] | None, kind: str):
    """Ours: as behind sudo, script and expect."""
    scene.processes = [process(polls=OURS), process(300, of=OTHER, reads=OTHER)]
    scene.modes, scene.modes_elsewhere = (False, False), modes
    assert scene.seen() == Evidence(kind, HERE + 1, certain=True)


def test_a_relay_whose_program_is_at_work_waits_for_nothing(scene: Scene):
    """Ours: it polls a raw terminal all the time."""
    scene.processes, scene.modes = [process(polls=OURS), process(300, of=OTHER)], (False, False)
    assert scene.seen() is None


@pytest.mark.parametrize(
    ("modes", "asleep", "found"),
    [((False, True), True, True), ((False, True), False, False), ((True, True), True, False)],
)
def test_what_can_not_be_seen_asks_for_a_password_if_it_sleeps_without_echo(
    scene: Scene, modes: tuple[bool, bool], asleep: bool, found: bool
):
    """Ours: as set-uid programs do."""
    scene.processes, scene.modes = [process(), process(hidden=True, asleep=asleep)], modes
    assert scene.seen() == (Evidence(PASSWORD, HERE + 1, certain=True) if found else None)


def test_on_a_pipe_whoever_reads_it_waits(scene: Scene):
    """Ours: there is no foreground."""
    scene.session.io = "pipe"
    scene.processes = [process(), process(300, of=None, reads=PIPE)]
    assert scene.seen() == Evidence(LINE, HERE + 1, certain=True)
    scene.processes = [process(), process(polls=PIPE)]
    assert scene.seen() is None


def test_many_processes_are_looked_at_in_slices(scene: Scene):
    """Ours: the loop has its turn in between."""
    scene.processes = [process()] * (3 * SLICE_PROCESSES)
    assert len(list(look(scene.session, [HERE]))) == 3
