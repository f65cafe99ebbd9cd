"""The end of a cell: its bash hands over what it has, or does not."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import BrokerError, SessionEndedError, SessionTimeoutError, ShellStateError
from vibesbox_kernel.models import EndReason, ExitStatus
from vibesbox_kernel.shell.descriptors import OpenDescriptors, coprocess_descriptors, open_descriptors
from vibesbox_kernel.shell.dump import SYNTAX_ERROR, Dump, Way
from vibesbox_kernel.shell.spare import WaitingBash

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.sessions.prepared import Handover

logger = logging.getLogger(__name__)

OVER_SECONDS = 1.0
KILLED_SECONDS = 0.5
"""What was killed with its leader is gone in a moment, and then it is known who has killed it."""
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})


@dataclass(frozen=True)
class CellEnd:
    """How a cell's bash ended its work.

    Attributes:
        exit_status: None when it was lost with the broker.
        dump: What it has handed over; None when nothing, or nothing to be trusted.
        others: Processes that it has left running.
        end_reason: None while they run.
        syntax_error: Why bash could not read the cell, of which nothing was run; None if it could.
        begun: Whether its first command was reached.
        descriptors: What it has left open, held for the next cell.
        lost_descriptors: What it has left open and can not be handed on.
    """

    exit_status: ExitStatus | None
    dump: Dump | None
    others: int
    end_reason: EndReason | None
    syntax_error: str | None = None
    begun: bool = True
    descriptors: OpenDescriptors | None = None
    lost_descriptors: tuple[int, ...] = ()


async def wait_for_end(
    manager: SessionManager,
    waiting: WaitingBash,
    *,
    sent: Callable[[], signal.Signals | None],
    hands_on: Callable[[], bool],
) -> CellEnd:
    """Wait until a cell's bash hands over, take its status, and let it go or keep it. Runs on the engine.

    Args:
        manager: Whose session it is.
        waiting: The bash, which has begun.
        sent: Which signal the cell was ended by, if it was: SIGINT, or SIGTERM after it.
        hands_on: Whether what it leaves may be the next cell's.
    """
    session_id = waiting.session_id
    while True:
        handover = await manager.wait_handover(session_id)
        dump = _read(waiting)
        if handover.settled or _was_let_go(handover, dump):
            return CellEnd(handover.exit_status, dump, 0, EndReason.EXITED)
        if not handover.stopped:
            return await _without_handover(manager, session_id, handover.exit_status, handover.others, None)
        if dump is not None:
            break
        # Stopped by the user (`kill -STOP $$`), or its state could not be written. It goes on, and in the second
        # case to its end.
        waiting.directory.let_go()
        await manager.resume_session(session_id)
    descriptors, lost = await _take_descriptors(manager, waiting, handover, dump) if hands_on() else (None, ())
    end = await _settle(manager, waiting, handover, dump, sent=sent())
    return replace(end, descriptors=descriptors, lost_descriptors=lost)


def _was_let_go(handover: Handover, dump: Dump | None) -> bool:
    """Whether it has stopped, and is over already: it has ended as it had announced, and its dump is whole."""
    if handover.stopped or handover.others or dump is None or dump.way is not Way.END:
        return False
    return handover.exit_status == ExitStatus(code=dump.code)


async def _take_descriptors(
    manager: SessionManager, waiting: WaitingBash, handover: Handover, dump: Dump
) -> tuple[OpenDescriptors | None, tuple[int, ...]]:
    """What the cell has left open, as long as its bash is there, and what of it can not be had."""
    # A coprocess is one of the others here, or has come with what was handed on to the cell.
    may_have = handover.others or waiting.descriptors is not None
    coprocesses = coprocess_descriptors(dump) if may_have else frozenset[int]()
    wanted = coprocesses.union(handover.descriptors)
    if not wanted:
        return None, ()
    try:
        held = await manager.hold_descriptors(waiting.session_id, wanted)
    except (SessionEndedError, BrokerError) as error:
        logger.info("session=%s ended while it handed over: %s", waiting.session_id, error)
        return None, tuple(sorted(wanted))
    lost = tuple(number for number in held.lost if number in handover.descriptors)  # a coprocess may have lost an end
    return open_descriptors(held, handover.descriptors), lost


async def _settle(
    manager: SessionManager,
    waiting: WaitingBash,
    handover: Handover,
    dump: Dump,
    *,
    sent: signal.Signals | None,
) -> CellEnd:
    session_id = waiting.session_id
    if not dump.way.certain and not handover.others:
        return await _by_its_real_end(manager, waiting, dump)
    code = _best_guess(dump, sent=sent)
    if handover.others:
        waiting.directory.let_keep()
    try:
        await manager.settle_session(session_id, code, keep=handover.others > 0)
    except (SessionEndedError, BrokerError) as error:
        logger.info("session=%s ended while it handed over: %s", session_id, error)
        return await _without_handover(manager, session_id, None, 0, dump)
    if dump.way is Way.SYNTAX:
        why = dump.text(SYNTAX_ERROR)
        return CellEnd(ExitStatus(code=code), None, 0, EndReason.EXITED, syntax_error=why, begun=False)
    if dump.way is Way.EARLY:
        return CellEnd(ExitStatus(code=code), None, 0, EndReason.EXITED, begun=False)
    reason = None if handover.others else EndReason.EXITED
    return CellEnd(ExitStatus(code=code), dump, handover.others, reason)


async def _by_its_real_end(manager: SessionManager, waiting: WaitingBash, dump: Dump) -> CellEnd:
    """A signal may be ending it: let it happen, the status will be the true one."""
    waiting.directory.let_go()
    with contextlib.suppress(SessionEndedError, BrokerError):
        await manager.resume_session(waiting.session_id)
    handover = await manager.wait_handover(waiting.session_id)
    return await _without_handover(manager, waiting.session_id, handover.exit_status, handover.others, dump)


async def _without_handover(
    manager: SessionManager, session_id: str, exit_status: ExitStatus | None, others: int, dump: Dump | None
) -> CellEnd:
    """The leader is gone."""
    killed = exit_status is not None and exit_status.signal == signal.SIGKILL
    if not others or killed:
        with contextlib.suppress(SessionTimeoutError):
            await manager.wait(session_id, KILLED_SECONDS if others else OVER_SECONDS)
    info = manager.info(session_id)
    others = others if info.ended_at is None else 0
    status = exit_status or info.exit_status
    if status is not None and status.signal in _CRASHES:
        dump = None  # bash runs EXIT traps even then, over a memory that can not be trusted
    return CellEnd(status, dump, others, info.end_reason)


def _best_guess(dump: Dump, *, sent: signal.Signals | None) -> int:
    """The exit code of a bash that must stay for its background jobs: a signal that ended it will never be known."""
    if dump.way.certain:
        return dump.code
    if sent is not None:
        return 128 + sent
    if dump.way is Way.TRAP and dump.code == 0:
        return 128 + signal.SIGTERM
    return dump.code


def why_nothing(status: ExitStatus | None, *, shell: str = "shell") -> str:
    """Why a cell has handed on nothing, in words.

    Args:
        status: How its shell ended; None if nobody saw it.
        shell: What it is called.
    """
    if status is None:
        return f"nobody saw the end of the cell's {shell}"
    if status.signal in _CRASHES:
        return f"the cell's {shell} crashed ({status}), and what it knew can not be trusted"
    if status.signal is not None:
        return f"the cell's {shell} was killed ({status}) before it could hand on its state"
    return (
        f"the cell's {shell} ended ({status}) without handing on its state, "
        "as after exec, set -n, an EXIT trap that leaves by itself, or where a limit or a full disk is in its way"
    )


def _read(waiting: WaitingBash) -> Dump | None:
    try:
        return waiting.directory.read_dump()
    except ShellStateError:
        return None
