"""How the broker is scheduled, on Linux."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import struct

logger = logging.getLogger(__name__)

SLICE_NANOSECONDS = 100_000
"""The shortest that there is."""

_SYS_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
_RESET_ON_FORK = 0x01
_SCHED_ATTR = struct.Struct("=IIQiIQQQ")
"""Its own size, policy, flags, nice, priority, runtime, deadline and period; ns."""

_libc = ctypes.CDLL(None, use_errno=True)


def ask_for_short_turns() -> None:
    """Have the scheduler let this thread run soon and for less at a time; what it starts is scheduled as ever.

    A broker has little to do whenever it is woken, and somebody waits for that; but the bash that it has just woken
    would take its processor for a millisecond. Its share of the time stays what it was. A kernel before Linux 6.12
    does not know this wish, and where it is refused nothing changes.

    Source: sched_setattr(2); the kernel's documentation, scheduler/sched-eevdf.
    """
    number = _SYS_SCHED_SETATTR.get(platform.machine())
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    # Who has raised our priority, or chosen another policy, knows better, and what we start would have neither.
    if number is None or nice < 0 or not _is_as_usual():
        return
    size, policy = _SCHED_ATTR.size, os.SCHED_OTHER
    attributes = _SCHED_ATTR.pack(size, policy, _RESET_ON_FORK, nice, 0, SLICE_NANOSECONDS, 0, 0)
    if _libc.syscall(number, 0, attributes, 0) != 0:
        logger.info("the scheduler gives no short turns: %s", os.strerror(ctypes.get_errno()))


def _is_as_usual() -> bool:
    try:
        return os.sched_getscheduler(0) == os.SCHED_OTHER
    except OSError:  # the C library does not ask: musl
        return False
