"""The doctor's part that needs a process of its own: every probe, as one JSON document.

It runs as the broker would run: isolated, with the limits that the broker would have.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict

from vibesbox_kernel.broker.probes import directories, limits, processes, programs
from vibesbox_kernel.broker.probes.finding import Finding

LONGEST_SECONDS = 30
"""Who started us ends us sooner; if it died, a probe that hangs must not stay behind."""


def run(runtime: str, state: str) -> int:
    """Print what was found, as a list of objects; returns the process's exit code.

    Args:
        runtime: An empty directory where sockets would be; empty if there is none.
        state: An empty directory where output would be kept; empty if there is none.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the thread that started us takes none
    signal.alarm(LONGEST_SECONDS)
    json.dump([asdict(finding) for finding in _findings(runtime, state)], sys.stdout)
    return 0


def _findings(runtime: str, state: str) -> Iterator[Finding]:
    places = directories.probes(runtime, state) if runtime and state else ()
    for probe in (*processes.PROBES, *places, *limits.PROBES, *programs.PROBES):
        yield from probe.run()
