"""How the broker is scheduled; seen from outside, by sched_getattr(2)."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

import pytest

from vibesbox_kernel.broker.system_scheduling import SLICE_NANOSECONDS
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio

SYS_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275, "riscv64": 275}.get(platform.machine())
RUNTIME_AT = 24


def slice_of(pid: int) -> int:
    """How long a process may run at a time, in nanoseconds; 0 where the kernel does not say."""
    buffer = ctypes.create_string_buffer(48)
    libc = ctypes.CDLL(None, use_errno=True)
    if SYS_SCHED_GETATTR is None or libc.syscall(SYS_SCHED_GETATTR, pid, buffer, 48, 0) != 0:
        return 0
    return int(struct.unpack_from("=Q", buffer, RUNTIME_AT)[0])


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.skipif(slice_of(0) == 0, reason="this kernel has no slices of a process's own")
@pytest.mark.parametrize("nice", [0, 3])  # spawned or forked
async def test_the_broker_has_short_turns_and_what_it_starts_has_not(manager: SessionManager, nice: int) -> None:
    """Linux: a child inherits its parent's slice, unless that was to be reset on fork."""
    pid = await manager.start_session("exec sleep 600", nice=nice)
    assert slice_of(parent(pid)) == SLICE_NANOSECONDS
    assert slice_of(pid) == slice_of(os.getpid()) != SLICE_NANOSECONDS
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + nice
