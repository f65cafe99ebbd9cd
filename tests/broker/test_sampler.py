"""Figures of sessions' trees, checked against /proc and wait4, and against a made-up table of processes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.broker.parts import HandLoop, a_session
from vibesbox_kernel.broker import sampler as sampler_module
from vibesbox_kernel.broker.processes import UNCHANGED, Glance, ProcessTable
from vibesbox_kernel.broker.sampler import Sampler
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.tree import Trees
from vibesbox_kernel.broker.usage import MAX_POINTS, History, Usage

OWN = os.getpid()
BURN = "import time\nwhile time.process_time() < 0.2: pass\n"


class Table(ProcessTable):
    """Processes as the test wants them: ``pid: (parent, cpu)``."""

    def __init__(self, **processes: tuple[int, float]) -> None:
        self.processes: dict[int, tuple[int, float]] = {OWN: (1, 0.0), 1: (0, 0.0)}
        self.numbers: dict[int, int] = {}
        self.looked: list[int] = []

    def pids(self) -> dict[int, int]:
        return {pid: self.numbers.get(pid, pid) for pid in self.processes}

    def look(self, pid: int, mark: int) -> Glance | None:
        self.looked.append(pid)
        if pid not in self.processes:
            return None
        parent, cpu = self.processes[pid]
        now = hash((parent, cpu))
        return UNCHANGED if now == mark else Glance(now, parent, cpu, 1000, 1)


class Bench:
    """A sampler over a made-up table, and its sessions."""

    def __init__(self, directory: Path, table: ProcessTable | None = None) -> None:
        self.directory = directory
        self.loop, self.trees = HandLoop(), Trees()
        self.sampler = Sampler(self.loop, self.trees, table=table)

    def session(self, pid: int, *, begun: bool = True) -> Session:
        session = a_session(self.directory, len(self.trees.leaders) + 1, pid=pid)
        self.trees.add(session)
        if begun:
            self.sampler.add(session)
        return session

    def sample(self) -> None:
        """A pass now: all its slices."""
        self.loop.fire()
        while self.loop.delays[:1] == [0.0]:
            self.loop.fire()

    def usage(self, session: Session) -> Usage:
        found = self.sampler.latest(session)
        assert found is not None
        return found


def used(cpu: float, maxrss: int = 0) -> Any:
    return SimpleNamespace(ru_utime=cpu, ru_stime=0.0, ru_inblock=0, ru_oublock=0, ru_maxrss=maxrss)


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def bench(tmp_path: Path, table: Table) -> Bench:
    return Bench(tmp_path, table)


def test_every_process_counts_for_the_session_that_it_descends_from(bench: Bench, table: Table):
    """Ours: descent from the leaders says whose a process is, and what descends from none is nobody's."""
    one, two = bench.session(100), bench.session(200)
    table.processes |= {
        100: (OWN, 1.0),
        101: (100, 2.0),
        102: (101, 4.0),
        200: (OWN, 8.0),
        300: (1, 16.0),
        301: (300, 32.0),
    }
    bench.sample()
    assert (bench.usage(one).cpu, bench.usage(one).processes, bench.usage(one).rss) == (7.0, 3, 3000)
    assert (bench.usage(two).cpu, bench.usage(two).processes) == (8.0, 1)


def test_strangers_are_looked_at_once_only(bench: Bench, table: Table):
    """Ours: what was never below the broker can not come there, so a busy machine costs nothing."""
    bench.session(100)
    table.processes |= {100: (OWN, 1.0), 300: (1, 1.0), 301: (300, 1.0)}
    bench.sample()
    table.looked.clear()
    bench.sample()
    assert table.looked == [100]


def test_a_pid_that_another_process_has_now_is_looked_at_anew(bench: Bench, table: Table):
    """Linux: pids are reused."""
    session = bench.session(100)
    table.processes |= {100: (OWN, 1.0), 300: (1, 1.0)}
    bench.sample()
    table.processes[300] = (100, 2.0)
    table.numbers[300] = 12345
    bench.sample()
    assert bench.usage(session).cpu == 3.0


def test_parents_are_looked_at_before_their_children_also_when_pids_begin_anew(bench: Bench, table: Table):
    """Ours: else a child that dies between the two looks would count twice."""
    bench.session(900)
    table.processes |= {900: (OWN, 0.0), 950: (900, 0.0), 20: (950, 0.0), 10: (20, 0.0)}
    bench.sample()
    assert [pid for pid in table.looked if pid != OWN][-2:] == [20, 10]
    table.looked.clear()
    bench.sample()
    assert table.looked == [900, 950, 20, 10]


def test_a_child_that_dies_between_two_samples_counts_once(bench: Bench, table: Table):
    """POSIX: what it used is its parent's as soon as that has waited for it."""
    session = bench.session(100)
    table.processes |= {100: (OWN, 1.0), 101: (100, 5.0)}
    bench.sample()
    del table.processes[101]
    table.processes[100] = (OWN, 6.0)
    bench.sample()
    assert bench.usage(session).cpu == 6.0


def test_cpu_never_goes_down(bench: Bench, table: Table):
    """Ours: what a child used that nobody waited for yet is missed for one sample, and nobody sees that."""
    session = bench.session(100)
    table.processes |= {100: (OWN, 1.0), 101: (100, 5.0)}
    bench.sample()
    del table.processes[101]
    bench.sample()
    assert bench.usage(session).cpu == 6.0
    assert bench.usage(session).processes == 1


def test_an_orphan_stays_with_its_session_and_counts_once_when_it_is_reaped(bench: Bench, table: Table):
    """Ours: the broker adopts it, and what it reaps it counts from the next sample on."""
    session = bench.session(100)
    table.processes |= {100: (OWN, 1.0), 101: (100, 5.0), 102: (101, 3.0)}
    bench.sample()
    bench.trees.reaped(100)
    session.leader_alive = False
    bench.sampler.reaped(session, used(1.5))
    bench.trees._adopted[101] = session
    del table.processes[100]
    table.processes[101] = (OWN, 5.0)
    bench.sample()
    assert (bench.usage(session).cpu, bench.usage(session).processes) == (9.5, 2)
    bench.sampler.reaped(session, used(8.25))
    bench.sampler.over(session)
    assert (bench.usage(session).cpu, bench.usage(session).processes, bench.usage(session).rss) == (9.75, 0, 0)


def test_what_is_reaped_in_the_middle_of_a_pass_does_not_count_twice(
    bench: Bench, table: Table, monkeypatch: pytest.MonkeyPatch
):
    """Ours: a pass gives the loop its turn between slices, and the loop reaps."""
    monkeypatch.setattr(sampler_module, "SLICE_PROCESSES", 1)
    session = bench.session(100)
    table.processes |= {100: (OWN, 1.0), 101: (OWN, 2.0)}
    bench.trees._adopted[101] = session
    bench.sample()
    bench.loop.fire()
    bench.loop.fire()
    assert table.looked[-2:] == [100, 101]
    bench.sampler.reaped(session, used(2.0))
    del table.processes[101]
    while bench.loop.delays[0] == 0.0:
        bench.loop.fire()
    assert bench.usage(session).cpu == 3.0
    bench.sample()
    assert bench.usage(session).cpu == 3.0


def test_a_prepared_session_counts_once_it_begins(bench: Bench, table: Table):
    """Ours: nobody sees it before, and it keeps no timer going."""
    session = bench.session(100, begun=False)
    assert bench.loop.delays == []
    table.processes |= {100: (OWN, 1.0), 101: (100, 1.0), 200: (OWN, 1.0)}
    bench.session(200)
    bench.sample()
    assert bench.sampler.latest(session) is None
    bench.sampler.add(session)
    bench.sample()
    assert bench.usage(session).processes == 2


def test_it_takes_a_hundredth_of_a_core_at_most_and_rests_when_nothing_runs(
    bench: Bench, table: Table, monkeypatch: pytest.MonkeyPatch
):
    """Ours: the pause after a pass is a hundred times what it took."""
    session = bench.session(100)
    table.processes[100] = (OWN, 1.0)
    clock = iter([10.0, 10.05])
    monkeypatch.setattr(time, "thread_time", lambda: next(clock))
    bench.loop.fire()
    assert bench.loop.delays == [pytest.approx(5.0)]
    assert bench.sampler.interval == pytest.approx(5.0)
    bench.sampler.over(session)
    assert bench.loop.delays == []


def test_a_pass_that_fails_is_made_again(bench: Bench, table: Table, monkeypatch: pytest.MonkeyPatch):
    """Ours: no free descriptor is no reason to stop for ever."""
    session = bench.session(100)
    table.processes[100] = (OWN, 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(table, "pids", lambda: (_ for _ in ()).throw(OSError(24, "too many")))
        bench.sample()
    bench.sample()
    assert bench.usage(session).cpu == 1.0


def test_an_inherited_peak_of_memory_is_not_taken_for_the_sessions_own(bench: Bench):
    """Linux: ru_maxrss of a child is at least what its parent had when it forked."""
    session = bench.session(100)
    bench.sampler.reaped(session, used(0.1, maxrss=1))
    assert bench.sampler._running[session]._largest == 0
    bench.sampler.reaped(session, used(0.1, maxrss=1 << 40))
    bench.sampler.over(session)
    assert bench.usage(session).peak_rss == 1 << 50


def test_an_idle_session_takes_less_than_two_kibibytes(bench: Bench, table: Table):
    """Ours: a thousand of them shall stay within 3 KiB each, all told."""
    sessions = [bench.session(pid, begun=False) for pid in range(1000, 1300)]
    table.processes |= {session.pid: (OWN, 0.0) for session in sessions}
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for session in sessions:
            bench.sampler.add(session)
        table.looked.clear()
        for _ in range(5):
            bench.sample()
        each = (tracemalloc.get_traced_memory()[0] - before) / len(sessions)
    finally:
        tracemalloc.stop()
    print(f"{each:.0f} bytes")  # noqa: T201 - the figure
    assert each < 2048
    assert len(bench.sampler.history(sessions[0])) == 1


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3), st.integers(0, 9)), max_size=400), st.integers(4, 40))
def test_a_history_is_bounded_grows_in_time_and_keeps_its_ends(steps, most):
    """Ours: any samples in, at most so many points out; what only grows ends where it ended, a peak stays."""
    history = History()
    at, cpu, peak = 0, 0, 0
    for pause, more, rss in steps:
        at, cpu, peak = at + pause, cpu + more, max(peak, rss)
        history.add(Usage(float(at), float(cpu), rss, 1, 0, 0, 0, 0), most=most)
    points = history.points()
    assert len(points) <= most
    assert [point[0] for point in points] == sorted({point[0] for point in points})
    assert [point[1] for point in points] == sorted(point[1] for point in points)
    if steps:
        assert points[-1][1] == cpu
        assert max(point[2] for point in points) == peak


def test_a_long_history_keeps_its_beginning_as_fine_as_its_end():
    """Ours: the step doubles for all of it."""
    history = History()
    for second in range(10 * MAX_POINTS):
        history.add(Usage(float(second), float(second), 0, 1, 0, 0, 0, 0))
    times = [point[0] for point in history.points()]
    gaps = {later - earlier for earlier, later in itertools.pairwise(times[:-1])}
    assert len(times) > MAX_POINTS // 2 - 50
    assert len(gaps) == 1


@pytest.fixture
def real(tmp_path: Path):
    bench = Bench(tmp_path)
    yield bench
    bench.sampler.close()


def start(bench: Bench, script: str) -> tuple[subprocess.Popen[bytes], Session]:
    leader = subprocess.Popen(
        [sys.executable, "-I", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    return leader, bench.session(leader.pid)


def reap(bench: Bench, leader: subprocess.Popen[bytes], session: Session) -> float:
    """Wait for a leader as the broker does; returns the CPU seconds that wait4 names."""
    _, status, usage = os.wait4(leader.pid, 0)
    leader.returncode = os.waitstatus_to_exitcode(status)
    bench.trees.reaped(leader.pid)
    bench.sampler.reaped(session, usage)
    bench.sampler.over(session)
    leader.communicate()
    return usage.ru_utime + usage.ru_stime


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_figures_of_a_real_tree_are_those_of_proc(real: Bench):
    """Linux: memory as in statm, the processes that there are, and the whole CPU time at the end."""
    script = (
        "import os, sys\nif not os.fork():\n os.read(0, 1)\n os._exit(0)\n"
        f"print(flush=True)\nsys.stdin.read()\nos.wait()\n{BURN}"
    )
    leader, session = start(real, script)
    assert leader.stdout is not None
    leader.stdout.readline()
    real.sample()
    pids = [leader.pid, *map(int, Path(f"/proc/{leader.pid}/task/{leader.pid}/children").read_text().split())]
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    assert real.usage(session).processes == 2
    assert abs(real.usage(session).rss - pages * os.sysconf("SC_PAGE_SIZE")) <= 1 << 20
    assert leader.stdin is not None
    leader.stdin.close()
    leader.stdin = None
    cpu = reap(real, leader, session)
    assert cpu >= 0.2
    assert real.usage(session).cpu == pytest.approx(cpu, abs=1e-5)
    assert real.usage(session).processes == 0
    assert real.usage(session).peak_rss >= pages * 2048


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_cpu_of_children_that_were_waited_for_counts_once_while_the_leader_lives(real: Bench):
    """POSIX: cutime has it as soon as it is waited for; the sum over samples never goes beyond the truth."""
    script = (
        "import os, sys\npid = os.fork()\nif not pid:\n"
        f" exec({BURN!r}); print(flush=True); sys.stdin.readline(); os._exit(0)\n"
        "os.wait(); print(flush=True); sys.stdin.read()"
    )
    leader, session = start(real, script)
    assert leader.stdin is not None
    assert leader.stdout is not None
    leader.stdout.readline()
    real.sample()
    alive = real.usage(session)
    leader.stdin.write(b"\n")
    leader.stdin.flush()
    leader.stdout.readline()
    real.sample()
    waited_for = real.usage(session)
    leader.stdin.close()
    leader.stdin = None
    cpu = reap(real, leader, session)
    assert (alive.processes, waited_for.processes) == (2, 1)
    assert 0.15 <= alive.cpu <= waited_for.cpu <= real.usage(session).cpu
    assert real.usage(session).cpu == pytest.approx(cpu, abs=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_written_bytes_are_those_of_the_whole_tree(real: Bench, tmp_path: Path):
    """Linux: what a file system on a disk takes; where there is none, proc says 0 and so do we."""
    target = tmp_path / "data"
    script = (
        f"import os, sys\nif not os.fork():\n open({str(target)!r}, 'wb').write(b'x' * (1 << 20)); os._exit(0)\n"
        "os.wait()\nprint(flush=True)\nsys.stdin.read()"
    )
    leader, session = start(real, script)
    assert leader.stdin is not None
    assert leader.stdout is not None
    leader.stdout.readline()
    real.sample()
    facts = dict(line.split(": ") for line in Path(f"/proc/{leader.pid}/io").read_text().splitlines())
    assert real.usage(session).written_bytes == int(facts["write_bytes"])
    leader.stdin.close()
    leader.stdin = None
    reap(real, leader, session)
    assert real.usage(session).written_bytes == int(facts["write_bytes"])
