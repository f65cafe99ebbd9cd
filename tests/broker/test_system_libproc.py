"""What is asked of the macOS kernel and how its answers are read, with a stand-in for its C library."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from vibesbox_kernel.broker.system_libproc import (
    BsdInfo,
    Kernel,
    ProcessInfo,
    RusageInfo,
    ShortBsdInfo,
    environment_of,
)

ARGUMENTS = struct.pack("=i", 2) + b"/bin/sh\0\0\0\0" + b"sh\0VIBESBOX_SESSION=no\0"


class FakeLibrary:
    """The C library's functions, as far as ``Kernel`` calls them."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.full: dict[int, BsdInfo] = {}
        self.short: dict[int, ShortBsdInfo] = {}
        self.arguments: dict[int, bytes] = {}
        self.grows_by = 0

    def proc_listallpids(self, buffer: Any, size: int) -> int:
        if buffer is None:
            return len(self.pids)
        self.pids += range(1000, 1000 + self.grows_by)
        self.grows_by = 0
        room = min(len(self.pids), size // 4)
        buffer[:room] = self.pids[:room]
        return room

    def proc_listchildpids(self, pid: int, buffer: Any, size: int) -> int:
        assert pid == 7
        return self.proc_listallpids(buffer, size)

    def proc_pidinfo(self, pid: int, flavor: int, argument: Any, buffer: Any, size: int) -> int:
        assert argument.value == 1  # zombies too
        known: Mapping[int, ctypes.Structure] = self.full if flavor == 3 else self.short
        assert flavor in (3, 13)
        if pid not in known:
            return 0
        ctypes.memmove(buffer, ctypes.byref(known[pid]), size)
        return size

    def proc_pid_rusage(self, pid: int, flavor: int, buffer: Any) -> int:
        assert flavor == 2
        if pid != 7:
            return -1
        usage = RusageInfo(user_time=24_000_000, system_time=12_000_000, child_user_time=12_000_000)
        usage.resident_size, usage.disk_read, usage.disk_written = 4096, 10, 20
        ctypes.memmove(buffer, ctypes.byref(usage), ctypes.sizeof(usage))
        return 0

    def mach_timebase_info(self, base: Any) -> int:
        base[0], base[1] = 125, 3  # as Apple's own processors have it
        return 0

    def sysctl(self, name: Any, count: int, buffer: Any, size: Any, new: None, new_size: Any) -> int:
        assert (list(name)[:2], count, new, new_size.value) == ([1, 49], 3, None, 0)
        block = self.arguments.get(name[2])
        if block is None:
            return -1
        ctypes.memmove(buffer, block, len(block))
        size._obj.value = len(block)
        return 0


@pytest.fixture
def library() -> FakeLibrary:
    return FakeLibrary()


@pytest.fixture
def kernel(library: FakeLibrary) -> Kernel:
    return Kernel(library)


@pytest.mark.parametrize(("structure", "size"), [(BsdInfo, 136), (ShortBsdInfo, 64), (RusageInfo, 160)])
def test_a_structure_is_as_large_as_the_kernels(structure: type[ctypes.Structure], size: int):
    """macOS: it fills in nothing for a buffer of another size."""
    assert ctypes.sizeof(structure) == size


@pytest.mark.parametrize(
    ("structure", "field", "offset"),
    [
        (BsdInfo, "status", 4),
        (BsdInfo, "ppid", 16),
        (BsdInfo, "uid", 20),
        (BsdInfo, "pgid", 100),
        (BsdInfo, "start_seconds", 120),
        (BsdInfo, "start_microseconds", 128),
        (ShortBsdInfo, "ppid", 4),
        (ShortBsdInfo, "status", 12),
        (ShortBsdInfo, "uid", 36),
        (RusageInfo, "user_time", 16),
        (RusageInfo, "resident_size", 64),
        (RusageInfo, "child_user_time", 96),
        (RusageInfo, "disk_read", 144),
    ],
)
def test_a_field_lies_where_the_kernel_puts_it(structure: type[ctypes.Structure], field: str, offset: int):
    """macOS: <sys/proc_info.h>, <sys/resource.h>."""
    assert getattr(structure, field).offset == offset


def test_a_process_of_ours_is_told_in_full(kernel: Kernel, library: FakeLibrary):
    """macOS: PROC_PIDTBSDINFO."""
    library.full[7] = BsdInfo(ppid=3, pgid=5, uid=501, status=2, start_seconds=10, start_microseconds=11)
    assert kernel.info(7) == ProcessInfo(parent=3, group=5, uid=501, status=2, started=10_000_011)


def test_a_process_of_another_user_is_told_without_its_birth(kernel: Kernel, library: FakeLibrary):
    """macOS: PROC_PIDT_SHORTBSDINFO asks for no permission."""
    library.short[7] = ShortBsdInfo(ppid=3, pgid=5, uid=0, status=3)
    assert kernel.info(7) == ProcessInfo(parent=3, group=5, uid=0, status=3, started=0)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda kernel: kernel.info(8), None),
        (lambda kernel: kernel.figures(8), None),
        (lambda kernel: kernel.environment(8), []),
        (lambda kernel: kernel.posix_session(1 << 30), None),
    ],
)
def test_a_process_that_is_gone_is_an_answer(kernel: Kernel, ask: Callable[[Kernel], object], answer: object):
    """Ours: every look may come too late."""
    assert ask(kernel) == answer


def test_the_posix_session_is_asked_of_the_system(kernel: Kernel):
    """POSIX: getsid()."""
    assert kernel.posix_session(os.getpid()) == os.getsid(0)


def test_ticks_are_turned_into_seconds(kernel: Kernel):
    """macOS: 24 million ticks a second on Apple's own processors; waited-for children count."""
    figures = kernel.figures(7)
    assert figures is not None
    assert figures.cpu == pytest.approx(2.0)
    assert figures[1:] == (4096, 10, 20)


@pytest.mark.parametrize("number", [0, 1, 500])
def test_all_processes_are_listed(kernel: Kernel, library: FakeLibrary, number: int):
    """macOS: proc_listallpids and proc_listchildpids give a count, of what there is or of what had room."""
    library.pids = list(range(1, number + 1))
    assert kernel.all_pids() == list(range(1, number + 1))
    assert kernel.children(7) == list(range(1, number + 1))


def test_processes_that_come_between_the_count_and_the_list_are_listed(kernel: Kernel, library: FakeLibrary):
    """Ours: a full buffer may have cut some off."""
    library.pids = [1, 2]
    library.grows_by = 300
    assert kernel.all_pids() == [1, 2, *range(1000, 1300)]


def test_an_environment_is_read(kernel: Kernel, library: FakeLibrary):
    """macOS: KERN_PROCARGS2."""
    library.arguments[7] = ARGUMENTS + b"HOME=/\0VIBESBOX_SESSION=yes\0\0ptr_munge=\0"
    assert kernel.environment(7) == [b"HOME=/", b"VIBESBOX_SESSION=yes"]


@pytest.mark.parametrize(
    ("block", "variables"),
    [
        (b"", []),
        (b"\1\0", []),
        (struct.pack("=i", 1), []),
        (struct.pack("=i", 1) + b"/bin/sh", []),
        (struct.pack("=i", -1) + b"/bin/sh\0\0A=1\0", [b"A=1"]),
        (ARGUMENTS, []),
        (ARGUMENTS + b"\0\0", []),
        (ARGUMENTS + b"A=1\0B=2", [b"A=1", b"B=2"]),
    ],
)
def test_a_block_without_an_environment_or_cut_off_is_no_error(block: bytes, variables: list[bytes]):
    """macOS: of its own programs it gives the arguments alone. An argument is never taken for a variable."""
    assert environment_of(block) == variables
