"""Resource figures of every session's tree, from one pass over the machine's processes.

What a tree has used is what its live processes have used, each with the children that it has waited
for, and what the broker was told when it reaped: the leader and the orphans, each likewise. So no
process counts twice, and the figures at the end are exact by POSIX. Three rules keep that true:

- A pass looks at parents before their children. A child that dies on the way is then missed once (the
  figures never go down, so nobody sees it); looked at the other way round it would count twice.
- What the broker reaps during a pass counts from the next one on.
- The figures are made anew in each pass; nothing is added to those of the last.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.loop import Loop, Timer
from vibesbox_kernel.broker.processes import UNCHANGED, ProcessTable, own_peak, process_table
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.tally import Process, Tally
from vibesbox_kernel.broker.tree import Trees
from vibesbox_kernel.broker.usage import Usage

if TYPE_CHECKING:
    from resource import struct_rusage

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
COST_FACTOR = 100
"""The pause after a pass is at least this many times what it took of a core: 1 %."""

ASKED_COST_FACTOR = 25
"""The same for passes that somebody asks for."""

MIN_AGE_SECONDS = 0.25
SLICE_PROCESSES = 250
"""How many are looked at before the loop gets its turn: about 2 ms."""

IDLE_PASSES = 8
"""In how many passes once the storage figures of a process are read whose other figures stand still."""


class Sampler:
    """Samples all sessions that run, once a second, or less often where that would cost too much.

    Args:
        trees: Says whose a child of the broker is.
        table: The machine's processes.
    """

    def __init__(self, loop: Loop, trees: Trees, *, table: ProcessTable | None = None) -> None:
        self.interval = INTERVAL_SECONDS
        """Seconds from the end of one pass to the next, for now."""
        self._loop = loop
        self._trees = trees
        self._table = table or process_table()
        self._own = os.getpid()
        self._own_peak = own_peak()
        self._running: dict[Session, Tally] = {}
        self._ended: dict[Session, Tally] = {}
        self._known: dict[int, Process] = {}
        self._foreign: dict[int, int] = {}
        self._passes = 0
        self._passing: Iterator[None] | None = None
        self._cost = 0.0
        self._looked_at = 0.0
        self._timer: Timer | None = None

    def add(self, session: Session) -> None:
        """Sample a session from now on: it starts, or it was only prepared and begins."""
        self._running.setdefault(session, Tally())
        if self._timer is None:
            self._timer = self._loop.call_later(self.interval, self._turn)

    def reaped(self, session: Session | None, usage: struct_rusage) -> None:
        """Count what a leader or an orphan has used until its end; for others nothing is done."""
        tally = self._running.get(session) if session is not None else None
        if tally is not None:
            tally.reaped(usage, inherited=self._own_peak)

    def over(self, session: Session) -> None:
        """A session's last process was reaped: its figures are final now."""
        tally = self._running.pop(session, None)
        if tally is None:
            return
        tally.finish(session.spool.end)
        self._ended[session] = tally
        if not self._running:
            self._rest()

    def forget(self, session: Session) -> None:
        """Drop a session's figures."""
        self._ended.pop(session, None)
        if self._running.pop(session, None) is not None and not self._running:
            self._rest()

    def latest(self, session: Session) -> Usage | None:
        """The figures of a session as of the last pass, or None before it has begun."""
        tally = self._running.get(session) or self._ended.get(session)
        return tally.now if tally else None

    def history(self, session: Session) -> list[list[float]]:
        """A session's figures since its start; see ``Tally.history``."""
        tally = self._running.get(session) or self._ended.get(session)
        return tally.history() if tally else []

    def look(self) -> None:
        """Make a pass now, for somebody who asks, unless the last one was just now."""
        age = time.monotonic() - self._looked_at
        if self._running and age >= max(MIN_AGE_SECONDS, ASKED_COST_FACTOR * self._cost):
            while not self._go_on():
                pass

    def close(self) -> None:
        """Stop, and let go of what is open."""
        self._rest()
        self._table.close()

    def _rest(self) -> None:
        """Nothing runs: no timer, and nothing remembered of processes that may be replaced meanwhile."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._passing = None
        self._cost = 0.0
        self._known, self._foreign = {}, {}

    def _turn(self) -> None:
        self._go_on()

    def _go_on(self) -> bool:
        """Make the next slice of a pass; returns whether it was the last."""
        began = time.thread_time()
        if self._passing is None:
            self._passing, self._cost = self._pass(), 0.0
        done = self._advance(self._passing)
        self._cost += time.thread_time() - began
        if done:
            self._passing, self._looked_at = None, time.monotonic()
            self.interval = max(INTERVAL_SECONDS, COST_FACTOR * self._cost)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self.interval if done else 0.0, self._turn)
        return done

    @staticmethod
    def _advance(passing: Iterator[None]) -> bool:
        try:
            next(passing)
        except StopIteration:
            return True
        except OSError as error:  # no descriptor is free just now: the figures stay as they were
            logger.warning("the processes could not be sampled: %s", error)
            return True
        return False

    def _pass(self) -> Iterator[None]:
        """One look at everything; the loop has its turn at each yield."""
        self._passes += 1
        self._own_peak = own_peak()
        if not system.ADOPTS_ORPHANS:
            self._trees.adopt()
        for tally in self._running.values():
            tally.begin()
        numbers = self._table.pids()
        # In the order in which they were first seen: a parent is older than its children.
        for looked, pid in enumerate(list(self._known), 1):
            if self._known[pid].number != numbers.get(pid) or not self._look_again(pid):
                del self._known[pid]
            if looked % SLICE_PROCESSES == 0:
                yield
        self._foreign = {pid: number for pid, number in self._foreign.items() if numbers.get(pid) == number}
        new = [pid for pid in numbers if pid not in self._known and pid not in self._foreign]
        yield from self._meet(sorted(new), numbers)
        for session, tally in self._running.items():
            tally.publish(session.spool.end)

    def _look_again(self, pid: int) -> bool:
        """Look at a process of a session that is known; returns whether it is still there."""
        process = self._known[pid]
        glance = self._table.look(pid, process.mark)
        if glance is None:
            return False
        if glance is not UNCHANGED:
            parent = process.parent
            process.take(glance)
            if process.parent != parent:
                self._attribute(pid, process, self._known)
        if process.tally is None:
            return False
        if process.tally.is_open:
            self._count(pid, process, changed=glance is not UNCHANGED)
        return True

    def _meet(self, pids: list[int], numbers: dict[int, int]) -> Iterator[None]:
        """Find out whose the processes are that were not there in the last pass, and count those of sessions."""
        met: dict[int, Process] = {}
        for looked, pid in enumerate(pids, 1):
            glance = self._table.look(pid, 0)
            if glance is not None:
                met[pid] = Process(numbers[pid], glance)
            if looked % SLICE_PROCESSES == 0:
                yield
        for pid, process in met.items():
            if self._attribute(pid, process, met):
                self._foreign[pid] = process.number
        for pid in _parents_first(met):
            if met[pid].tally is None:
                continue
            # Once more after its parent, if the pids began anew: see the rules above.
            again = self._table.look(pid, 0) if met[pid].parent > pid else UNCHANGED
            if again is None:
                continue
            if again is not UNCHANGED:
                met[pid].take(again)
            self._known[pid] = met[pid]
            self._count(pid, met[pid], changed=True)

    def _count(self, pid: int, process: Process, *, changed: bool) -> None:
        if changed or (self._passes + pid) % IDLE_PASSES == 0:
            storage = self._table.storage(pid)
            if storage is not None:
                process.read, process.written = storage
        if process.tally is not None:
            process.tally.count(process)

    def _attribute(self, pid: int, process: Process, met: dict[int, Process]) -> bool:
        """Say whose a process is, by the first of its ancestors of whom that is known.

        Returns:
            Whether it is of no session for ever. Where an ancestor died while we looked, it stays whose
            it was, and is looked at again.
        """
        child, parent = pid, process.parent
        for _ in range(len(met) + 1):
            if parent == self._own or (parent <= 1 and not system.ADOPTS_ORPHANS):
                session = self._trees.owner(child)
                process.tally = self._running.get(session) if session is not None else None
                return session is None  # one that is only prepared may begin
            if parent in self._known or (parent in met and met[parent].tally is not None):
                process.tally = (self._known.get(parent) or met[parent]).tally
                return False
            if parent <= 1 or parent in self._foreign or child == self._own:
                process.tally = None
                return True
            if parent not in met:
                return False
            child, parent = parent, met[parent].parent
        return False


def _parents_first(processes: dict[int, Process]) -> Iterable[int]:
    ordered: dict[int, None] = {}
    for pid in processes:
        line: dict[int, None] = {}
        while pid in processes and pid not in ordered and pid not in line:
            line[pid] = None
            pid = processes[pid].parent
        ordered.update(dict.fromkeys(reversed(line)))
    return ordered
