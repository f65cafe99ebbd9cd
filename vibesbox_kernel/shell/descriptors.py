"""What a cell leaves open for the next: files, pipes, sockets, and the two ends of its coprocesses."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from vibesbox_kernel.sessions.prepared import HeldDescriptors
from vibesbox_kernel.shell.dump import Dump

_COPROCESS = re.compile(rb'(?m)^declare -\S+ (\w+)=\(\[0\]="(-?\d+)" \[1\]="(-?\d+)"\)$')
_PROCESS_ID = re.compile(rb"(?m)^declare -\S+ (\w+)_PID=")
_STANDARD = (0, 1, 2)


@dataclass(frozen=True)
class OpenDescriptors:
    """What is handed on.

    Attributes:
        held: By the broker, for the next bash.
        private: Those of them that no child of a bash inherits.
    """

    held: HeldDescriptors
    private: tuple[int, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """What they are called in a bash."""
        return self.held.numbers


def coprocess_descriptors(dump: Dump) -> frozenset[int]:
    """Our ends of the pipes to the coprocesses that a dump knows of.

    Bash keeps them from its children, so they are not among what a shell has open for those. A coprocess is known by
    its two variables: ``NAME`` has the descriptors (-1 for one that was closed), ``NAME_PID`` the process.

    Source: bash(1), Coprocesses.
    """
    variables = dump.sections.get("variables", b"")
    running = set(_PROCESS_ID.findall(variables))
    pairs = ((int(reads), int(writes)) for name, reads, writes in _COPROCESS.findall(variables) if name in running)
    return frozenset(number for pair in pairs for number in pair if number not in (-1, *_STANDARD))


def open_descriptors(held: HeldDescriptors, inherited: Collection[int]) -> OpenDescriptors | None:
    """What the broker holds now.

    Args:
        held: What was asked for and what became of it.
        inherited: What the shell had open for its children.
    """
    if not held.numbers:
        return None
    return OpenDescriptors(held, tuple(number for number in held.numbers if number not in inherited))
