"""The guardian: the broker's parent, which only waits, and cleans up if the broker dies.

Both are subreapers. While the broker lives, orphans fall to it; when it dies, whatever it had falls
to the guardian, which kills it and records those sessions as lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import resource
import shutil
import signal
import socket
import time

from vibesbox_kernel.broker import records, system
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.server import Server
from vibesbox_kernel.broker.wire import LOG_NAME, SOCKET_NAME, WORKSPACE_PREFIX

logger = logging.getLogger(__name__)

LOCK_NAME = "lock"
LOCK_SECONDS = 10.0
GIVE_UP_SECONDS = 10.0
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
    _log_to(f"{state_directory}/{LOG_NAME}")
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    lock = _take_lock(run_directory)  # kept open by both: the id is taken while either lives
    if lock is None:
        logger.info("another broker of this id serves, or does not leave; giving up")
        return 1
    system.become_subreaper()
    broker = os.fork()
    if broker == 0:
        _serve(run_directory, state_directory, lease, umask)
        os._exit(0)
    os.close(lease)
    _wait_for(broker)
    _clean_up(run_directory, state_directory)
    return 0


def _close_all_but(lease: int) -> None:
    """Let go of what libraries of the program that started us had open without close-on-exec."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != lease:
            with contextlib.suppress(OSError):  # the descriptor that listed them
                os.close(int(name))


def _serve(run_directory: str, state_directory: str, lease: int, umask: int) -> None:
    try:
        system.become_subreaper()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        loop = Loop()
        listener = _listen(f"{run_directory}/{SOCKET_NAME}")
        limit = _raise_descriptor_limit()
        connection = socket.socket(fileno=lease)
        Server(loop, listener, connection, state_directory, umask=umask, descriptor_limit=limit)
        loop.run()
    except BaseException:
        logger.exception("the broker failed; the guardian ends its sessions")
        os._exit(1)


def _listen(path: str) -> socket.socket:
    _unlink(path)  # left by a broker that died; nobody listens on it, because we have the lock
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    return listener


def _take_lock(run_directory: str) -> int | None:
    descriptor = os.open(f"{run_directory}/{LOCK_NAME}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline or _is_served(f"{run_directory}/{SOCKET_NAME}"):
                return None
            time.sleep(0.01)  # the broker before us is ending its sessions
        else:
            return descriptor


def _is_served(path: str) -> bool:
    """Whether another broker of this id takes clients: ours shall go to that one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def _raise_descriptor_limit() -> int:
    """Take all the descriptors we may have, three for each session; returns the limit that was set."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def _wait_for(broker: int) -> None:
    while True:
        pid, _ = os.waitpid(-1, 0)
        if pid == broker:
            return


def _clean_up(run_directory: str, state_directory: str) -> None:
    """Kill what the broker left (nothing, if it went by itself), and say that it is lost."""
    _unlink(f"{run_directory}/{SOCKET_NAME}")
    killed: set[int] = set()
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while pids := [pid for pid in system.descendants(system.children(os.getpid())) if system.is_alive(pid)]:
        if time.monotonic() > deadline:
            logger.error("left alive: %s", {pid: system.describe(pid) for pid in pids})
            break
        for pid in pids:
            # Whatever hangs from the guardian is of its broker: there is no stranger to spare.
            system.signal_pinned(pid, signal.SIGKILL, belongs=_hangs_from_us)
        killed.update(pids)
        for _ in system.reap():
            pass
        time.sleep(0.002)
    for _ in system.reap():
        pass
    if killed:
        logger.warning("the broker died; %d processes of its sessions were killed", len(killed))
    _record_lost(state_directory)
    _remove_workspaces(run_directory)


def _hangs_from_us(pid: int) -> bool:
    here = os.getpid()
    above: int | None = pid
    while above is not None and above > 1:
        above = system.parent(above)
        if above == here:
            return True
    return False


def _record_lost(state_directory: str) -> None:
    for entry in os.scandir(state_directory):
        if entry.is_dir(follow_symlinks=False):
            facts = records.read_exit(entry.path)
            if facts is not None and facts.get("status") == "running":
                records.write_exit(entry.path, {"status": "over", "reason": "lost", "ended_at": time.time()})


def _remove_workspaces(run_directory: str) -> None:
    """Delete what dead clients left there: a shell's state may hold secrets."""
    for entry in os.scandir(run_directory):
        if entry.name.startswith(WORKSPACE_PREFIX):
            owner = entry.name[len(WORKSPACE_PREFIX) :].partition("-")[0]
            if not owner.isdigit() or not system.is_alive(int(owner)):
                shutil.rmtree(entry.path, ignore_errors=True)


def _log_to(path: str) -> None:
    """Log to a file, and hold a lock on it: nobody tidies up a directory whose broker lives."""
    log = open(path, "a", buffering=1)  # noqa: SIM115 - open as long as the process is
    fcntl.flock(log, fcntl.LOCK_SH)
    logging.basicConfig(
        stream=log, level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    )


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
