"""SIGINT to what a session's leader waits for: sent at once where that is plain, and where it is not, when it is."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.foreground import Foreground, foreground
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.session import Session
from vibesbox_kernel.broker.standing import (
    described,
    has_interrupt_before_it,
    is_before_its_program,
    may_be_signalled,
    newest_pid,
)
from vibesbox_kernel.broker.tree import Trees

NEWBORN_SECONDS = 0.04
"""A process younger than this may not have got to its exec yet."""

LATE_SECONDS = 1.0
"""On a busy machine one of this age may not have, either; an older one is a subshell, which never will."""

EXEC_LOOKS = 25
"""So often, and after pauses of `NEWBORN_SECONDS`, what has not got there is looked at."""

CALM_LOOKS = 20
CALM_SECONDS = 0.002
"""So often, and after such pauses, a shell is looked at that is just about to do something."""

UNCLEAR_LOOKS = 5
"""So often a child of a shell is that is just becoming a program; it may be a busy job as well, which stays so."""

FORK_SECONDS = 0.001
"""What a fork takes that has already begun."""

PENDING_LOOKS = 50
"""So often, and after such pauses, a shell is looked at that has not been given the signal yet: the machine is busy."""

LOOKS_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16)
"""The pauses before each look at a shell that has not yet answered whether it waits for its newest child."""

MAX_DESCRIBED = 16

Described = list[tuple[int, str]]


@dataclass
class Interrupted:
    """What one interrupt did.

    Attributes:
        reached: Who got SIGINT, as far as there is room.
        reached_count: How many that were.
        jobs: Whom it was not for: jobs in the background.
    """

    reached: Described = field(default_factory=list)
    reached_count: int = 0
    jobs: Described = field(default_factory=list)


OnDone = Callable[[Interrupted], None]


class Interrupting:
    """Interrupts sessions.

    A signal that comes between a child's fork and its exec is lost: the child still has its shell's handler, and the
    shell takes a child that goes on for one that has handled it. So what was only just born is asked once more, and on
    a busy machine again when it is behind its exec.

    Args:
        loop: Calls back.
        trees: Says whose a process is, and signals it.
        press: Types Ctrl-C into a session's terminal.
    """

    def __init__(self, loop: Loop, trees: Trees, *, press: Callable[[Session], None]) -> None:
        self._loop = loop
        self._trees = trees
        self._press = press

    def begin(self, session: Session, on_done: OnDone) -> None:
        """Interrupt a session whose leader is alive and has not handed over.

        Args:
            session: The session.
            on_done: Called once, when all that it is for have got it.
        """
        self._begin_when_calm(session, on_done, looks=0)

    def _begin_when_calm(self, session: Session, on_done: OnDone, *, looks: int) -> None:
        """Let a shell first come to its wait, and what it starts to its exec, if they do so in a moment."""
        if _is_at_its_end(session):
            on_done(Interrupted())
            return
        wanted = foreground(session.pid)
        is_busy = wanted.busy or wanted.has_stirred
        if looks < (CALM_LOOKS if is_busy else UNCLEAR_LOOKS if wanted.unclear else 0):
            self._loop.call_later(CALM_SECONDS, lambda: self._begin_when_calm(session, on_done, looks=looks + 1))
            return
        done = Interrupted(jobs=described(wanted.jobs, MAX_DESCRIBED))
        self._ask_the_newborn_again(session, wanted.members)
        newest = self._send(session, wanted.members, done)
        if wanted.shells:
            catch_up = partial(self._catch_up, session, wanted, newest, done, on_done, looks=0)
            self._loop.call_later(FORK_SECONDS, catch_up)
        else:
            self._resolve(session, wanted, done, on_done, looks=0)

    def _catch_up(
        self, session: Session, wanted: Foreground, newest: int, done: Interrupted, on_done: OnDone, *, looks: int
    ) -> None:
        """What a shell has forked between our look and the signal would go on, and the shell would wait for that.

        So it would with what a busy one was just forking. Not asked for any later than the signal has reached the
        shell, since what its handler then runs is not meant.
        """
        if not _is_at_its_end(session):
            is_pending = any(map(has_interrupt_before_it, wanted.shells))
            newcomers = wanted.newcomers(newest)
            wanted.members += newcomers
            self._ask_the_newborn_again(session, newcomers)
            self._send(session, newcomers, done)
            if is_pending and looks < PENDING_LOOKS:
                again = partial(self._catch_up, session, wanted, newest, done, on_done, looks=looks + 1)
                self._loop.call_later(FORK_SECONDS, again)
                return
        self._resolve(session, wanted, done, on_done, looks=0)

    def begin_with_all(self, session: Session, pids: list[int], on_done: OnDone) -> None:
        """Interrupt what a leader has left behind."""
        done = Interrupted()
        self._send(session, pids, done)
        on_done(done)

    def _send(self, session: Session, pids: list[int], done: Interrupted) -> int:
        """Send the signal, and note to whom; returns the newest pid that there was before."""
        if not pids:
            return 0
        room = MAX_DESCRIBED - len(done.reached)
        done.reached += described(pids, max(0, room))
        done.reached_count += len(pids)
        stopped = [pid for pid in pids if pid != session.pid and system.is_stopped(pid)]
        newest = newest_pid()
        self._trees.signal(session, signal.SIGINT, pids)
        self._trees.signal(session, signal.SIGCONT, stopped)  # or it would never take the hint
        if session.is_pty and not all(map(may_be_signalled, pids)):
            # Of another user (sudo): the terminal may interrupt what we may not, though with all of its group.
            self._press(session)
        return newest

    def _ask_the_newborn_again(self, session: Session, pids: list[int]) -> None:
        ages = {pid: system.age(pid) for pid in pids if pid != session.pid}
        newborn = [pid for pid, age in ages.items() if age < NEWBORN_SECONDS]
        late = [
            pid for pid, age in ages.items() if NEWBORN_SECONDS <= age < LATE_SECONDS and is_before_its_program(pid)
        ]
        if newborn or late:
            self._loop.call_later(NEWBORN_SECONDS, lambda: self._ask_again(session, newborn, late, looks=0))

    def _ask_again(self, session: Session, newborn: list[int], late: list[int], *, looks: int) -> None:
        """The newborn now; what has been before its exec until now, as soon as it is behind it."""
        if session.over:
            return
        waiting = [pid for pid in (*newborn, *late) if is_before_its_program(pid)]
        behind = [pid for pid in late if pid not in waiting]
        self._trees.signal(session, signal.SIGINT, [*newborn, *behind])
        if waiting and looks < EXEC_LOOKS:
            self._loop.call_later(NEWBORN_SECONDS, lambda: self._ask_again(session, [], waiting, looks=looks + 1))

    def _resolve(self, session: Session, wanted: Foreground, done: Interrupted, on_done: OnDone, *, looks: int) -> None:
        """See which of the doubtful ones their shells wait for; those of which that does not show are jobs."""
        at_its_end = _is_at_its_end(session)
        if looks and not at_its_end:
            for doubt in [doubt for doubt in wanted.doubts if doubt.is_awaited]:
                wanted.doubts.remove(doubt)
                self._send(session, doubt.members, done)
        if looks == len(LOOKS_SECONDS) or at_its_end or all(doubt.is_settled for doubt in wanted.doubts):
            newest = [doubt.newest for doubt in wanted.doubts]
            done.jobs += described(newest, max(0, MAX_DESCRIBED - len(done.jobs)))
            on_done(done)
            return
        pause = LOOKS_SECONDS[looks]
        self._loop.call_later(pause, lambda: self._resolve(session, wanted, done, on_done, looks=looks + 1))


def _is_at_its_end(session: Session) -> bool:
    """Whether its leader waits for nobody any more; one that stays as a keeper sleeps, but for its jobs."""
    return session.stopped or session.settled or not session.leader_alive
