"""A home of the benchmark's own: no settings, start-up files or histories of the user's, and nothing left of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ipykernel.kernelspec import write_kernel_spec
from jupyter_client.kernelspec import KernelSpecManager

OURS, BASH, PYTHON = "vibesbox", "bash", "python3"

_KEPT = ("PATH", "PYTHONPATH", "TMPDIR", "TZ", "USER")
"""With PYTHONPATH another copy of Vibesbox can be measured than the installed one."""


class SpecMissingError(Exception):
    """A kernel that is to be measured is not installed."""


@contextmanager
def own_home() -> Iterator[Path]:
    """Live in an empty home for a while; kernels and brokers that are started meanwhile inherit it."""
    before = dict(os.environ)
    with ExitStack() as stack:
        home = Path(stack.enter_context(_new_directory(None)))
        environment = _environment(home)
        users = os.environ.get("XDG_RUNTIME_DIR")
        if users:  # on whichever kind of file system the user's is
            environment["XDG_RUNTIME_DIR"] = stack.enter_context(_new_directory(users))
        stack.callback(_replace_environment, before)
        _replace_environment(environment)
        yield home


def install_specs(home: Path) -> KernelSpecManager:
    """Make exactly the kernels known that are compared.

    Raises:
        SpecMissingError: One is not installed; says how to get it.
    """
    prefix = home / "kernels"
    kernels = prefix / "share" / "jupyter" / "kernels"
    write_kernel_spec(kernels / PYTHON)
    installer = [sys.executable, "-m", "bash_kernel.install", "--prefix", str(prefix)]
    done = subprocess.run(installer, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SpecMissingError(f"bash_kernel can not be installed; pip install 'vibesbox[bench]'\n{done.stderr}")
    ours = Path(sys.prefix) / "share" / "jupyter" / "kernels" / OURS
    if not ours.is_dir():
        raise SpecMissingError(f"{ours}: our kernelspec is not there; pip install 'vibesbox[bench]'")
    shutil.copytree(ours, kernels / OURS)
    for name in (OURS, BASH, PYTHON):
        _use_this_python(kernels / name / "kernel.json")
    return KernelSpecManager(kernel_dirs=[str(kernels)], ensure_native_kernel=False)


def _new_directory(parent: str | None) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="vb-bench-", dir=parent, ignore_cleanup_errors=True)


def _use_this_python(file: Path) -> None:
    spec = json.loads(file.read_text("utf-8"))
    spec["argv"][0] = sys.executable
    file.write_text(json.dumps(spec), "utf-8")


def _environment(home: Path) -> dict[str, str]:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter",
        "XDG_STATE_HOME": home / "state",
    }
    (home / ".bashrc").touch()
    for directory in own.values():
        directory.mkdir(mode=0o700, exist_ok=True)
    return environment | {name: str(path) for name, path in own.items()} | {"LANG": "C.UTF-8", "SHELL": "/bin/bash"}


def _replace_environment(wanted: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(wanted):
        with contextlib.suppress(KeyError):
            del os.environ[name]
    os.environ.update(wanted)
