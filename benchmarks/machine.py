"""On what it was measured."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from vibesbox_kernel.sessions.places import SHARED_MEMORY

_DISTRIBUTIONS = ("vibesbox", "ipykernel", "bash_kernel", "jupyter_client", "pyzmq")


def describe_machine() -> str:
    """Some lines about the machine, and what is installed."""
    temporary = tempfile.gettempdir()
    runtime = os.environ.get("XDG_RUNTIME_DIR") or (str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else temporary)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    versions = ", ".join(f"{name} {version(name)}" for name in _DISTRIBUTIONS)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {cores} cores ({_processor()}), load {load}; "
        f"{platform.system()} {platform.release()}\n"
        f"Python {platform.python_version()}, bash {_bash_version()}, {versions}\n"
        f"a new file takes {_file_seconds(temporary) * 1000:.2f} ms in {temporary}, where the output is stored, and "
        f"{_file_seconds(runtime) * 1000:.2f} ms in {runtime}, where cells are\n"
    )


def _file_seconds(directory: str) -> float:
    """The median; where it is much, every cell pays it several times."""
    seconds = []
    with tempfile.TemporaryDirectory(prefix="vb-bench-", dir=directory) as name:
        for number in range(100):
            started = time.perf_counter()
            Path(name, str(number)).write_bytes(b"x" * 500)
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _bash_version() -> str:
    command = ["bash", "-c", "printf %s ${BASH_VERSION%%(*}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout or "unknown"
