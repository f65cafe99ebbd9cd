"""Starting leaders: with room for their output, their limits in force, and descriptors left for the rest."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sys
import time
from dataclasses import replace

from vibesbox_kernel.broker.budget import Budget
from vibesbox_kernel.broker.cgroup import Cgroups
from vibesbox_kernel.broker.descriptor_room import descriptors_left
from vibesbox_kernel.broker.forked import limit_held
from vibesbox_kernel.broker.launch import Launch, Launched, LaunchFailedError, launch
from vibesbox_kernel.broker.policy import Policy
from vibesbox_kernel.broker.session import Outlet, Session
from vibesbox_kernel.broker.spool import LIMIT_BYTES, Spool
from vibesbox_kernel.broker.wire import SPLIT, STDERR

logger = logging.getLogger(__name__)

RESERVED_DESCRIPTORS = 32


class Starter:
    """Makes sessions and starts their leaders.

    Args:
        directory: Where each session gets a directory of its own.
        run_tag: What the tags of all sessions of this run begin with.
        budget: What all sessions may store.
        cgroups: Where memory limits can be exact, or None.
    """

    def __init__(self, directory: str, *, run_tag: int, budget: Budget, cgroups: Cgroups | None) -> None:
        self._directory = directory
        self._run_tag = run_tag
        self._budget = budget
        self._cgroups = cgroups
        self._sequence = 0

    def make(self, session_id: str, order: Launch, policy: Policy) -> Session:
        """A session that has not started yet, with a directory for its output.

        Raises:
            OSError: The directory can not be made.
        """
        self._sequence += 1
        directory = f"{self._directory}/{session_id}"
        os.makedirs(directory, 0o700)
        limit = policy.max_output_bytes or LIMIT_BYTES
        return Session(
            session_id=session_id,
            tag=self._run_tag | self._sequence,
            cwd=sys.intern(order.cwd),  # many have the same, each from a message of its own
            io=sys.intern(order.io),
            directory=directory,
            spool=Spool(
                directory,
                limit_bytes=limit,
                on_full=policy.on_full,
                budget=self._budget,
                split=order.io in SPLIT,
            ),
            order=replace(order, nice=policy.nice, cpu_seconds=policy.max_cpu_seconds),
            policy=policy,
        )

    def unmake(self, session: Session) -> None:
        """Nothing is kept of a session that could not start, or was only prepared."""
        self._budget.forget(session.spool, removed=True)
        if self._cgroups is not None and session.policy.max_memory_bytes is not None:
            self._cgroups.remove(session.session_id)
        shutil.rmtree(session.directory, ignore_errors=True)

    def launch(self, session: Session) -> None:
        """Start a session's leader.

        Raises:
            LaunchFailedError: It could not be started; nothing is left.
        """
        order = session.order
        assert order is not None
        _keep_a_reserve(order.argv[0], RESERVED_DESCRIPTORS + self._budget.free_files)
        launched = self._launch(session, order)
        session.pid, session.leader_alive = launched.pid, True
        session.outlets, session.input, session.control = _outlets(launched), launched.input, launched.control
        _note_start(session)
        if session.policy.max_restarts == 0:
            session.order = None  # it holds an environment, and is not needed again

    @staticmethod
    def tell_to_begin(session: Session) -> None:
        """Let a prepared leader run, its limits in force.

        Raises:
            OSError: It is gone, or a limit can not be set.
        """
        policy = session.policy
        control, session.control = session.control, -1
        try:
            limit_held(session.pid, nice=policy.nice, cpu_seconds=policy.max_cpu_seconds)
            session.spool.limit(policy.max_output_bytes or LIMIT_BYTES, on_full=policy.on_full)
            os.write(control, session.message)
        finally:
            os.close(control)
        session.message = b""
        _note_start(session)

    def _launch(self, session: Session, order: Launch) -> Launched:
        cgroup = self._make_cgroup(session)
        try:
            return launch(replace(order, cgroup=cgroup) if cgroup else order, tag=session.tag)
        except LaunchFailedError as error:
            if cgroup is None or error.path != cgroup:
                raise
            logger.warning("session=%s: its cgroup can not be entered: %s", session.session_id, error)
            return launch(order, tag=session.tag)

    def _make_cgroup(self, session: Session) -> str | None:
        limit = session.policy.max_memory_bytes
        if self._cgroups is None or limit is None:
            return None
        try:
            return self._cgroups.create(session.session_id, max_memory_bytes=limit)
        except OSError as error:
            logger.warning("session=%s: no cgroup for it: %s", session.session_id, error)
            return None


def _outlets(launched: Launched) -> tuple[Outlet, ...]:
    errors = () if launched.errors < 0 else (Outlet(launched.errors, STDERR, launched.errors_device),)
    return (Outlet(launched.output), *errors)


def _note_start(session: Session) -> None:
    session.launched_at = session.active_at = time.monotonic()
    if session.restarts == 0:
        session.started_at, session.began_at = time.time(), session.launched_at


def _keep_a_reserve(program: str, wanted: int) -> None:
    """Refuse to start what would take the last descriptors: storing output and killing need some.

    Raises:
        LaunchFailedError: Too few are left.
    """
    if descriptors_left() < wanted:
        raise LaunchFailedError("system", program, OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
