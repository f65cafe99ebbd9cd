"""Probes of the programs that sessions lean on, and of the platform."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.probes.finding import Finding, Probe, Promise

BASH = Promise("bash", "Cells can run: bash")
PYTHON = Promise("python", "Python is one that is supported")
PLATFORM = Promise("platform", "The operating system has what it takes")

OLDEST_BASH = (4, 4)
OLDEST_PYTHON = (3, 11)
_COMPLETION = ("/usr/share/bash-completion/bash_completion", "/etc/bash_completion")
_PRINT_VERSION = ("-c", 'printf %s "$BASH_VERSION"')
_SECONDS = 5.0


def _look_at_bash() -> Iterator[Finding]:
    path = shutil.which("bash")
    if path is None:
        yield BASH.no(
            "there is none on the PATH",
            "Cells can not run. Sessions with another shell can (%%session --shell /bin/sh).",
            "Install bash, or put it on the PATH before Jupyter starts.",
        )
        return
    command = [path, "--noprofile", "--norc", *_PRINT_VERSION]
    yield bash(path, subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout)


def bash(path: str, version: str) -> Finding:
    """What bash's version means."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        return BASH.no(f"{path} does not say its version", "Cells may not run.", "Install GNU bash.")
    extra = "with" if any(map(os.path.exists, _COMPLETION)) else "without"
    found = f"{version.partition('(')[0]} in {path}, {extra} bash-completion"
    if tuple(map(int, numbers.groups())) >= OLDEST_BASH:
        return BASH.yes(found)
    wanted = ".".join(map(str, OLDEST_BASH))
    return BASH.weaker(
        f"{found}; it is older than {wanted}",
        "What a cell sets may not all carry over to the next cell.",
        f"Install bash {wanted} or newer, first on the PATH.",
    )


def _look_at_python() -> Iterator[Finding]:
    found = f"{platform.python_version()} in {sys.executable}"
    if sys.version_info[:2] >= OLDEST_PYTHON:
        yield PYTHON.yes(found)
        return
    wanted = ".".join(map(str, OLDEST_PYTHON))
    yield PYTHON.no(found, "Vibesbox may not start at all.", f"Install Python {wanted} or newer.")


def _look_at_platform() -> Iterator[Finding]:
    named = f"{platform.system()} {platform.release()}"
    if not system.WEAKNESSES:
        yield PLATFORM.yes(named)
    for number, weakness in enumerate(system.WEAKNESSES, 1):
        yield Promise(f"{PLATFORM.id}-{number}", PLATFORM.text).weaker(named, weakness)


PROBES = (
    Probe((BASH,), _look_at_bash),
    Probe((PYTHON,), _look_at_python),
    Probe((PLATFORM,), _look_at_platform),
)
