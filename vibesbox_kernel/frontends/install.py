"""Make the kernel known to Jupyter from an environment that is not the Jupyter server's own."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

NAME = "vibesbox"
DISPLAY_NAME = "Vibesbox"


def kernel_spec(*, display_name: str = DISPLAY_NAME, python: str = sys.executable) -> dict[str, Any]:
    """What ``kernel.json`` holds.

    Args:
        display_name: What launchers show.
        python: The interpreter that runs the kernel; ``python`` means the Jupyter server's.
    """
    return {
        "argv": [python, "-m", "vibesbox_kernel", "-f", "{connection_file}"],
        "display_name": display_name,
        "language": "bash",
        "interrupt_mode": "message",
        "env": {},
        "metadata": {"debugger": False},
    }


def install(
    *, name: str = NAME, display_name: str = DISPLAY_NAME, user: bool = False, prefix: str | None = None
) -> Path:
    """Write a kernelspec that starts this interpreter by its absolute path.

    Args:
        name: The kernelspec's name, as in ``jupyter console --kernel NAME``.
        display_name: What launchers show.
        user: Into the user's own Jupyter directory.
        prefix: Into ``PREFIX/share/jupyter/kernels``; without both, into the system's.

    Returns:
        The directory that was written.
    """
    from jupyter_client.kernelspec import KernelSpecManager

    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory)
        spec = kernel_spec(display_name=display_name)
        (source / "kernel.json").write_text(json.dumps(spec, indent=2) + "\n", encoding="utf-8")
        for logo in _logos():
            shutil.copyfile(logo, source / logo.name)
        return Path(KernelSpecManager().install_kernel_spec(directory, kernel_name=name, user=user, prefix=prefix))


def _logos() -> Iterator[Path]:
    """The logos of the kernelspec that came with the package; none when only the package itself is there."""
    installed = Path(sysconfig.get_path("data")) / "share" / "jupyter" / "kernels" / NAME
    in_the_source_tree = Path(__file__).parents[2] / "kernelspec"
    for directory in (installed, in_the_source_tree):
        found = sorted(directory.glob("logo-*"))
        if found:
            yield from found
            return


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the options of ``python -m vibesbox_kernel install``."""
    parser = argparse.ArgumentParser(
        prog="python -m vibesbox_kernel install",
        description="Make the Vibesbox kernel known to Jupyter, to be run by this Python interpreter.",
        epilog="Without --user, --sys-prefix and --prefix it is installed for all users of this machine.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for this user only")
    where.add_argument("--sys-prefix", action="store_const", const=sys.prefix, dest="prefix", help=f"into {sys.prefix}")
    where.add_argument("--prefix", metavar="P", help="into P/share/jupyter/kernels")
    parser.add_argument("--name", default=NAME, help="the kernelspec's name (%(default)s)")
    parser.add_argument("--display-name", default=DISPLAY_NAME, help="what launchers show (%(default)s)")
    return parser.parse_args(argv)


def run(argv: Sequence[str]) -> Path:
    """Carry out ``python -m vibesbox_kernel install`` and return where the kernelspec is now."""
    options = parse(argv)
    return install(name=options.name, display_name=options.display_name, user=options.user, prefix=options.prefix)
