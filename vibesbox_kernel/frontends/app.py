"""The program that Jupyter starts: ipykernel's application with our kernel in it."""

from __future__ import annotations

from collections.abc import Sequence

import traitlets
from ipykernel.kernelapp import IPKernelApp

from vibesbox_kernel.frontends.kernel import VibesboxKernel


class VibesboxKernelApp(IPKernelApp):
    """Reads ``vibesbox_kernel_config.py`` and options such as ``--VibesboxKernel.interrupt_grace=5``."""

    name = "vibesbox-kernel"
    classes = [VibesboxKernel, *IPKernelApp.classes]  # noqa: RUF012  traitlets' own way

    # What this process prints is not a cell's output: it goes to the server's log. And each request would
    # wait for two flushes of streams that nobody writes to.
    outstream_class = traitlets.DottedObjectName(None, allow_none=True).tag(config=True)

    def init_pdb(self) -> None:
        """Load no debugger: no Python code is run for the user, and the import would delay the start."""


def launch(argv: Sequence[str]) -> None:
    """Run a kernel until it is shut down.

    Args:
        argv: Options, without the program's name; ``-f FILE`` names the connection file.
    """
    VibesboxKernelApp.launch_instance(list(argv), kernel_class=VibesboxKernel)
