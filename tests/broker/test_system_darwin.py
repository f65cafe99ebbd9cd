"""The seam for macOS, against a stand-in for its kernel: it has not run on a Mac."""

from __future__ import annotations

import inspect
import os
import resource
import signal
import time
from collections.abc import Callable

import pytest

from tests.broker.darwin import HERE, FakeKernel, FakeProcess
from vibesbox_kernel.broker import guardian, system, system_darwin, system_linux, tree
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.spool import Spool
from vibesbox_kernel.broker.system_libproc import STOPPED, ZOMBIE, Figures
from vibesbox_kernel.broker.tree import Trees
from vibesbox_kernel.broker.wire import SESSION_MARKER

MINE = "5e551011-0000-4000-8000-000000000001"
OTHERS = "5e551011-0000-4000-8000-000000000002"
A_STRANGER = os.getuid() + 1


def _marked(session_id: str) -> list[bytes]:
    return [b"PATH=/bin", f"{SESSION_MARKER}={session_id}".encode(), b"HOME=/"]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    fake = FakeKernel()
    monkeypatch.setattr(system_darwin, "kernel", fake)
    monkeypatch.setattr(system_darwin, "_strangers", {})
    return fake


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch, kernel: FakeKernel) -> list[tuple[int, int]]:
    """What was signalled; the processes go on until the test takes them away."""
    sent: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        if pid not in kernel.table:
            raise ProcessLookupError(pid)
        if kernel.table[pid].uid != os.getuid():
            raise PermissionError(pid)
        sent.append((pid, number))

    monkeypatch.setattr(os, "kill", kill)
    return sent


# The contract


def test_both_systems_have_the_same_names():
    """Ours: callers write ``system.name`` and never ask which system it is."""
    assert system_darwin.__all__ == system_linux.__all__
    assert all(hasattr(system, name) for name in system_linux.__all__)


@pytest.mark.parametrize("name", system_linux.__all__)
def test_a_name_is_the_same_kind_of_thing_on_both_systems(name: str):
    """Ours: the same signature, or a fact of the same type."""
    on_linux, on_darwin = getattr(system_linux, name), getattr(system_darwin, name)
    if callable(on_linux):
        assert inspect.signature(on_linux) == inspect.signature(on_darwin)
        assert on_linux.__doc__
        assert on_darwin.__doc__
    else:
        assert type(on_linux) is type(on_darwin)


def test_everything_that_is_public_is_listed():
    """Ours: what is not in ``__all__`` does not come through the seam."""
    for module in (system_linux, system_darwin):
        defined = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        }
        assert defined <= set(module.__all__)


def test_each_weakness_is_a_sentence_for_users():
    """Ours: doctor prints them as they are."""
    assert system_darwin.WEAKNESSES
    for sentence in system_darwin.WEAKNESSES:
        assert sentence[0].isupper()
        assert sentence.endswith(".")


# One process


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (system_darwin.is_alive, False),
        (system_darwin.parent, None),
        (system_darwin.process_group, None),
        (system_darwin.posix_session, None),
        (system_darwin.is_stopped, False),
        (system_darwin.start_time, None),
        (system_darwin.age, 0.0),
        (system_darwin.usage, None),
        (system_darwin.describe, "gone"),
        (system_darwin.children, []),
        (system_darwin.tag_of, 0),
        (lambda pid: system_darwin.marker_of(pid, SESSION_MARKER), None),
    ],
)
def test_a_process_that_is_gone_is_an_answer(kernel: FakeKernel, ask: Callable[[int], object], answer: object):
    """Ours: every look may come too late."""
    assert ask(4711) == answer


def test_what_the_kernel_says_of_a_process_is_passed_on(kernel: FakeKernel):
    """macOS: struct proc_bsdinfo, getsid(2), struct rusage_info_v2."""
    kernel.table[20] = FakeProcess(parent=7, group=19, session=18, started=123456, figures=Figures(1.5, 4096, 1, 2))
    assert system_darwin.parent(20) == 7
    assert system_darwin.process_group(20) == 19
    assert system_darwin.posix_session(20) == 18
    assert system_darwin.start_time(20) == 123456
    assert system_darwin.usage(20) == (1.5, 4096)
    assert system_darwin.is_alive(20)
    assert not system_darwin.is_stopped(20)


def test_a_zombie_is_not_alive_but_still_has_its_time_of_birth(kernel: FakeKernel):
    """POSIX: its pid is its own until it is reaped."""
    kernel.table[20] = FakeProcess(status=ZOMBIE, started=5)
    assert not system_darwin.is_alive(20)
    assert system_darwin.start_time(20) == 5


def test_a_stopped_process_is_alive(kernel: FakeKernel):
    """POSIX: SIGSTOP ends nothing."""
    kernel.table[20] = FakeProcess(status=STOPPED)
    assert system_darwin.is_alive(20)
    assert system_darwin.is_stopped(20)


def test_an_age_is_measured_from_the_birth(kernel: FakeKernel):
    """macOS: times of birth are times of day."""
    kernel.table[20] = FakeProcess(started=int((time.time() - 3600) * 1e6))
    assert 3590 < system_darwin.age(20) < 3900


def test_descendants_come_after_their_parents(kernel: FakeKernel):
    """Ours: the root first, and whatever hangs from it."""
    kernel.table |= {20: FakeProcess(parent=HERE), 22: FakeProcess(parent=21), 21: FakeProcess(parent=20)}
    kernel.table[30] = FakeProcess(parent=HERE)
    assert system_darwin.descendants([20]) == [20, 21, 22]


def test_a_survivor_of_another_user_is_described_as_such(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch):
    """Ours: who can not be killed by us is named with the reason."""
    monkeypatch.setattr(os, "getuid", lambda: 501)
    kernel.table[20] = FakeProcess(uid=0)
    assert system_darwin.describe(20) == "belongs to uid 0"


def test_a_marker_is_the_value_of_exactly_that_variable(kernel: FakeKernel):
    """Ours: a longer name, or the name inside of a value, is none."""
    kernel.table[20] = FakeProcess(environment=[b"VIBESBOX_SESSION_X=no", b"A=VIBESBOX_SESSION=no", *_marked(MINE)])
    kernel.table[21] = FakeProcess(environment=[b"VIBESBOX_SESSION_X=no"])
    assert system_darwin.marker_of(20, SESSION_MARKER) == MINE
    assert system_darwin.marker_of(21, SESSION_MARKER) is None


def test_a_process_that_runs_can_be_given_no_limit(kernel: FakeKernel):
    """macOS: setrlimit(2) is for oneself; whoever asks is told by the error that a full system would give."""
    with pytest.raises(OSError, match="macOS"):
        system_darwin.limit_running(HERE, resource.RLIMIT_CPU, (1, 2))


def test_a_child_inherits_its_limit_of_descriptors_and_ours_is_put_back():
    """macOS: what it is started under; POSIX: getrlimit()."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with system_darwin.inherited_limits(system_darwin.TAG_BASE, 200):
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (200, before[1])
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


# Signals


def test_a_signal_goes_to_a_process_that_is_who_it_was(kernel: FakeKernel, killed: list[tuple[int, int]]):
    """Ours: checked, then signalled."""
    kernel.table[20] = FakeProcess()
    assert system_darwin.signal_pinned(20, signal.SIGTERM, belongs=lambda pid: pid == 20)
    assert killed == [(20, signal.SIGTERM)]


def test_no_signal_goes_to_a_process_that_does_not_belong(kernel: FakeKernel, killed: list[tuple[int, int]]):
    """Ours: only ours is signalled."""
    kernel.table[20] = FakeProcess()
    assert not system_darwin.signal_pinned(20, signal.SIGKILL, belongs=lambda pid: False)
    assert killed == []


def test_no_signal_goes_to_a_pid_that_was_reused_during_the_check(kernel: FakeKernel, killed: list[tuple[int, int]]):
    """Ours: the time of birth is looked at once more, right before the signal."""
    kernel.table[20] = FakeProcess(started=5)

    def belongs(pid: int) -> bool:
        kernel.table[pid] = FakeProcess(started=6)
        return True

    assert not system_darwin.signal_pinned(20, signal.SIGKILL, belongs=belongs)
    assert killed == []


def test_a_signal_that_comes_too_late_or_may_not_be_sent_is_no_error(
    kernel: FakeKernel, killed: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
):
    """POSIX: ESRCH and EPERM."""
    kernel.table[21] = FakeProcess(uid=A_STRANGER)
    assert not system_darwin.signal_pinned(20, signal.SIGKILL, belongs=lambda pid: True)
    assert not system_darwin.signal_pinned(21, signal.SIGKILL, belongs=lambda pid: True)

    def gone(pid: int, number: int) -> None:
        raise ProcessLookupError(pid)

    kernel.table[22] = FakeProcess()
    monkeypatch.setattr(os, "kill", gone)
    assert not system_darwin.signal_pinned(22, signal.SIGKILL, belongs=lambda pid: True)
    assert killed == []


# Orphans, and what a dead broker left


def test_orphans_are_found_by_the_marker_and_by_the_posix_session(kernel: FakeKernel):
    """Ours: a program whose environment macOS hides is still in its leader's POSIX session."""
    kernel.table[20] = FakeProcess(environment=_marked(MINE))
    kernel.table[21] = FakeProcess(session=10)
    kernel.table[22] = FakeProcess(session=22, environment=[b"PATH=/bin"])
    assert system_darwin.orphans(SESSION_MARKER, {10}) == [20, 21]


def test_an_orphan_of_another_user_is_none_of_ours(kernel: FakeKernel):
    """Ours: whatever its marks say."""
    kernel.table[20] = FakeProcess(uid=A_STRANGER, session=10, environment=_marked(MINE))
    assert system_darwin.orphans(SESSION_MARKER, {10}) == []


def test_a_process_that_has_a_parent_is_no_orphan(kernel: FakeKernel):
    """Ours: it is found by descent, or belongs to somebody."""
    kernel.table[20] = FakeProcess(parent=HERE, environment=_marked(MINE))
    assert system_darwin.orphans(SESSION_MARKER, {10}) == []


def test_a_stranger_is_asked_for_its_environment_once_and_its_successor_again(kernel: FakeKernel):
    """Ours: launchd has hundreds of children, and the sweep comes every two milliseconds."""
    kernel.table[20] = FakeProcess(started=5)
    system_darwin.orphans(SESSION_MARKER, set())
    system_darwin.orphans(SESSION_MARKER, set())
    assert kernel.asked.count(20) == 1
    kernel.table[20] = FakeProcess(started=6, environment=_marked(MINE))
    assert system_darwin.orphans(SESSION_MARKER, set()) == [20]


def test_remains_are_what_bears_a_mark_of_the_broker_and_what_is_below_it(kernel: FakeKernel):
    """Ours: leaders and daemons by their marks, scrubbed children by descent; another broker's are let alone."""
    kernel.table |= {
        20: FakeProcess(session=20),
        21: FakeProcess(session=21, environment=_marked(MINE)),
        22: FakeProcess(parent=21, session=22),
        23: FakeProcess(session=23, environment=_marked(OTHERS)),
        24: FakeProcess(session=20, uid=A_STRANGER),
        25: FakeProcess(session=25),
    }
    sessions = {MINE: 0, "unmarked": 20}
    assert sorted(system_darwin.remains(SESSION_MARKER, sessions)) == [20, 21, 22]
    left = [pid for pid in kernel.table if system_darwin.is_left(pid, SESSION_MARKER, sessions)]
    assert sorted(left) == [20, 21, 22]


def test_a_session_without_a_known_leader_matches_nobody_by_it(kernel: FakeKernel):
    """macOS: the kernel's own processes are in session 0."""
    kernel.table[20] = FakeProcess(session=0)
    assert system_darwin.remains(SESSION_MARKER, {MINE: 0}) == []


def test_the_guardian_is_not_among_the_remains(kernel: FakeKernel):
    """Ours: it may itself have been started by somebody's session, even by one of these."""
    kernel.table[HERE] = FakeProcess(environment=_marked(MINE))
    assert system_darwin.remains(SESSION_MARKER, {MINE: 0}) == []
    assert not system_darwin.is_left(HERE, SESSION_MARKER, {MINE: 0})


# Its users


@pytest.fixture
def session(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Session:
    monkeypatch.setattr(tree, "system", system_darwin)
    directory = str(tmp_path_factory.mktemp("session"))
    made = Session(
        session_id=MINE,
        tag=system_darwin.TAG_BASE | 1,
        owner=None,
        label="",
        command="",
        name=None,
        cwd="/",
        io="pipe",
        directory=directory,
        spool=Spool(directory, limit_bytes=1 << 20),
        listed=True,
    )
    made.pid, made.leader_alive = 10, True
    kernel.table[10] = FakeProcess(parent=HERE, group=10, session=10, environment=_marked(MINE))
    return made


@pytest.fixture
def trees(session: Session) -> Trees:
    made = Trees()
    made.add(session)
    return made


def test_a_tree_is_its_leader_its_children_and_its_orphans(kernel: FakeKernel, session: Session, trees: Trees):
    """Ours: whichever mark an orphan has kept."""
    kernel.table[11] = FakeProcess(parent=10, session=10)
    kernel.table[12] = FakeProcess(session=10)
    kernel.table[13] = FakeProcess(session=13, environment=_marked(MINE))
    kernel.table[14] = FakeProcess(parent=13, session=14)
    kernel.table[15] = FakeProcess(session=15, environment=_marked(OTHERS))
    trees.adopt()
    assert sorted(trees.members(session)) == [10, 11, 12, 13, 14]


def test_the_marker_says_more_than_the_posix_session(kernel: FakeKernel, session: Session, trees: Trees):
    """Ours: another broker's session that was started from within this one is that broker's."""
    kernel.table[12] = FakeProcess(session=10, environment=_marked(OTHERS))
    trees.adopt()
    assert trees.others(session) == []


def test_an_orphan_that_launchd_has_reaped_is_forgotten(kernel: FakeKernel, session: Session, trees: Trees):
    """Ours: nobody tells us, and the session is over when the last one is gone."""
    kernel.table[12] = FakeProcess(session=10)
    trees.adopt()
    del kernel.table[10]
    trees.reaped(10)
    session.leader_alive = False
    assert trees.roots(session) == [12]
    del kernel.table[12]
    assert trees.roots(session) == []


def test_whoever_got_an_orphans_pid_is_not_signalled(
    kernel: FakeKernel, session: Session, trees: Trees, killed: list[tuple[int, int]]
):
    """Ours: launchd reaps an orphan at once, and its pid is free."""
    kernel.table[12] = FakeProcess(session=10, started=5)
    trees.adopt()
    assert trees.signal(session, signal.SIGKILL, [12]) == 1
    kernel.table[12] = FakeProcess(session=12, started=6)
    assert trees.signal(session, signal.SIGKILL, [12]) == 0
    assert killed == [(12, signal.SIGKILL)]


def test_the_guardian_kills_what_the_broker_left_and_only_that(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
):
    """Ours: by the marks of the sessions that the records do not call over."""
    state = tmp_path_factory.mktemp("state")
    for session_id, status in ((MINE, "running"), (OTHERS, "over")):
        (state / session_id).mkdir()
        (state / session_id / "exit.json").write_text(f'{{"status": "{status}"}}')
        (state / session_id / "meta.json").write_text('{"pid": 20}' if status == "running" else '{"pid": 30}')
    kernel.table |= {
        20: FakeProcess(session=20),
        21: FakeProcess(session=21, environment=_marked(MINE)),
        30: FakeProcess(session=30, environment=_marked(OTHERS)),
    }
    monkeypatch.setattr(guardian, "system", system_darwin)
    monkeypatch.setattr(os, "kill", lambda pid, number: kernel.table.pop(pid))
    monkeypatch.setattr(os, "waitpid", lambda pid, options: (0, 0))
    killed = guardian.kill_remains(str(state), spared=set())
    assert killed == {20, 21}
    assert 30 in kernel.table
