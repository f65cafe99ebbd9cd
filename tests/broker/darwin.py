"""A stand-in for the macOS kernel: a table of processes, as ``system_libproc.Kernel`` would tell of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from vibesbox_kernel.broker.system_libproc import Figures, Kernel, ProcessInfo

RUNNING = 2
LAUNCHD = 1
HERE = os.getpid()


@dataclass
class FakeProcess:
    parent: int = LAUNCHD
    group: int = 0
    session: int = 0
    uid: int = field(default_factory=os.getuid)
    status: int = RUNNING
    started: int = 1
    environment: list[bytes] = field(default_factory=list)
    figures: Figures | None = None


class FakeKernel(Kernel):
    """Processes are added and taken away by the test; ``asked`` counts the looks at environments."""

    def __init__(self) -> None:
        self.table: dict[int, FakeProcess] = {LAUNCHD: FakeProcess(parent=0, uid=0), HERE: FakeProcess()}
        self.asked: list[int] = []

    def all_pids(self) -> list[int]:
        return list(self.table)

    def children(self, pid: int) -> list[int]:
        return [one for one, process in self.table.items() if process.parent == pid]

    def info(self, pid: int) -> ProcessInfo | None:
        one = self.table.get(pid)
        return None if one is None else ProcessInfo(one.parent, one.group, one.uid, one.status, one.started)

    def posix_session(self, pid: int) -> int | None:
        one = self.table.get(pid)
        return None if one is None else one.session

    def environment(self, pid: int) -> list[bytes]:
        self.asked.append(pid)
        one = self.table.get(pid)
        return [] if one is None else one.environment

    def figures(self, pid: int) -> Figures | None:
        one = self.table.get(pid)
        return None if one is None else one.figures
