"""The guardian: the broker's parent, which only waits, and cleans up if the broker dies.

Both are subreapers. While the broker lives, orphans fall to it; when it dies, whatever it had falls
to the guardian, which kills it and records those sessions as lost. Once the broker serves, a second
child of the guardian looks for what others left that were killed together with their guardians.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import socket
import time

from vibesbox_kernel.broker import janitor, records, system
from vibesbox_kernel.broker.killing import kill_all
from vibesbox_kernel.broker.log import log_to
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.run import Run, forget_run, new_run, read_run, write_run
from vibesbox_kernel.broker.run_directory import leave, listen, remove_workspaces, shut_door, take_lock
from vibesbox_kernel.broker.server import Server
from vibesbox_kernel.broker.wire import ANNOUNCEMENTS_NAME, LOG_NAME, SESSION_MARKER, SOCKET_NAME

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
"""How long the guardian waits for the sweep at its own end; the next one begins it anew."""

_IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)


def run(run_directory: str, state_directory: str, lease: int) -> int:
    """Become guardian (this process) and broker (its child); returns the guardian's exit code.

    Args:
        run_directory: Where the socket and the lock are; exists, 0700.
        state_directory: Where the sessions' output and records go; exists, 0700.
        lease: Descriptor of the first client's connection.
    """
    _close_all_but(lease)
    os.set_inheritable(lease, False)  # no session may hold the lease
    umask = os.umask(0o077)
    os.chdir("/")
    log_to(f"{state_directory}/{LOG_NAME}")
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    lock = take_lock(run_directory)  # kept open by both: the id is taken while either lives
    if lock is None:
        logger.info("another broker of this id serves, or does not leave; giving up")
        return 1
    run_of_old = read_run(state_directory)
    if run_of_old is not None:  # killed with its guardian: what it left must not meet ours
        janitor.clean_up(state_directory, run_of_old)
    ours = new_run(run_directory)
    write_run(state_directory, ours)
    system.become_subreaper()
    broker = os.fork()
    if broker == 0:
        _serve(ours, state_directory, lease, umask)
        os._exit(0)
    os.close(lease)
    sweepers = _sweep_aside(os.path.dirname(state_directory), lock)
    _wait_for(broker, sweepers)
    _clean_up(ours, state_directory, sweepers)
    _await(sweepers)
    leave(run_directory)
    return 0


def _close_all_but(lease: int) -> None:
    """Let go of what libraries of the program that started us had open without close-on-exec."""
    for descriptor in system.open_descriptors():
        if descriptor > 2 and descriptor != lease:
            with contextlib.suppress(OSError):  # the descriptor that listed them
                os.close(descriptor)


def _serve(run: Run, state_directory: str, lease: int, umask: int) -> None:
    try:
        system.become_subreaper()
        system.ask_for_short_turns()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        loop = Loop()
        door = f"{run.run_directory}/{SOCKET_NAME}"
        listener = listen(run.run_directory)
        limit = _raise_descriptor_limit()
        connection = socket.socket(fileno=lease)
        announcements = f"{run.run_directory}/{ANNOUNCEMENTS_NAME}"
        Server(
            loop,
            listener,
            connection,
            state_directory,
            door=door,
            announcements=announcements,
            run_tag=run.tag,
            umask=umask,
            descriptor_limit=limit,
        )
        loop.run()
    except BaseException:
        logger.exception("the broker failed; the guardian ends its sessions")
        os._exit(1)


def _raise_descriptor_limit() -> int:
    """Take all the descriptors we may have, three for each session; returns the limit that was set."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def _sweep_aside(state_root: str, lock: int) -> set[int]:
    """Clean up after dead runs in a process of its own: theirs may take long to die, and ours may die any time.

    Returns:
        Its pid, or none where it can not be started.
    """
    try:
        sweeper = os.fork()
    except OSError as error:
        logger.warning("nobody cleans up after dead runs: %s", error)
        return set()
    if sweeper == 0:
        try:
            os.close(lock)  # the id is not taken while only the sweep goes on
            janitor.sweep_dead_runs(state_root)
        except BaseException:
            logger.exception("the sweep failed")
        finally:
            os._exit(0)
    return {sweeper}


def _wait_for(broker: int, sweepers: set[int]) -> None:
    while True:
        pid, _ = os.waitpid(-1, 0)
        sweepers.discard(pid)
        if pid == broker:
            return


def _await(sweepers: set[int]) -> None:
    """Let the sweep come to its end, but not for long: who starts this broker anew waits for our lock."""
    for number, seconds in ((0, SWEEP_SECONDS), (signal.SIGKILL, 1.0)):
        for pid in sweepers:
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while sweepers and time.monotonic() < deadline:
            sweepers -= {pid for pid in sweepers if os.waitpid(pid, os.WNOHANG)[0]}
            time.sleep(0.005)


def _clean_up(run: Run, state_directory: str, sweepers: set[int]) -> None:
    """Kill what the broker left (nothing, if it went by itself), and say that it is lost."""
    shut_door(run.run_directory)
    killed = kill_remains(state_directory, spared=sweepers)
    if killed:
        logger.warning("the broker died; %d processes of its sessions were killed", len(killed))
    janitor.record_lost(state_directory)
    remove_workspaces(run.run_directory)
    forget_run(state_directory)


def kill_remains(state_directory: str, *, spared: set[int]) -> set[int]:
    """Kill whatever is left of the broker's sessions; returns what there was.

    Args:
        spared: Children of ours that are of no session; those that end meanwhile are taken out.
    """
    theirs = {} if system.ADOPTS_ORPHANS else records.leaders_not_over(state_directory)

    def alive() -> list[int]:
        spared.difference_update([pid for pid, _, _ in system.reap()])
        found = system.remains(SESSION_MARKER, theirs)
        return [pid for pid in found if pid not in spared and system.is_alive(pid)]

    def send(pid: int, number: int) -> bool:
        return system.signal_pinned(pid, number, belongs=lambda pid: system.is_left(pid, SESSION_MARKER, theirs))

    killed = kill_all(alive, send)
    spared.difference_update([pid for pid, _, _ in system.reap()])
    return killed
