"""A notebook that is run as a user runs it, cell by cell, and what its cells showed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from notebooks.run import plain
from tests.kernel.driver import Driver, Message, running_kernel

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CELL_SECONDS = 300


class Run:
    """A notebook on the Vibesbox kernel.

    Args:
        notebook: Its cells.
        kernel: Runs them.
    """

    def __init__(self, notebook: NotebookNode, kernel: Driver) -> None:
        self._cells: list[NotebookNode] = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self._kernel = kernel
        self._requests: list[str] = []

    def to(self, tag: str | None = None) -> None:
        """Run the cells that were not run yet, up to (and without) the one with a tag, or to the end."""
        for cell in self._cells[len(self._requests) :]:
            tags = cell.metadata.get("tags", ())
            if tag is not None and tag in tags:
                return
            request = self._kernel.start(cell.source)
            self._requests.append(request)
            reply = self._kernel.finish(request, timeout=CELL_SECONDS)
            assert (reply.status == "error") == ("raises-exception" in tags), reply.content

    def restart(self) -> None:
        """What the menu does."""
        self._kernel.restart()

    def text(self, source: str, *, nth: int = 0) -> str:
        """What one of the cells has shown up to now whose code holds a text."""
        requests = [ran for cell, ran in zip(self._cells, self._requests, strict=False) if source in cell.source]
        shown: list[str] = []
        for message in self._kernel.seen(requests[nth]):
            if message["msg_type"] == "clear_output":  # a line that was there only while nothing came
                shown.clear()
            shown.append(_shown(message))
        return "".join(shown)


def _shown(message: Message) -> str:
    content = message["content"]
    match message["msg_type"]:
        case "stream":
            return plain(content["text"])
        case "display_data":
            return plain(str(content["data"].get("text/plain", "")))
        case "error":
            return plain("\n".join(content["traceback"]) or f"{content['ename']}: {content['evalue']}")
    return ""


@contextmanager
def opened(name: str, kernels: Path, directory: Path) -> Iterator[Run]:
    """Open a notebook on a kernel that runs until the block ends.

    Args:
        name: Of the notebook.
        kernels: A Jupyter data directory that holds our kernelspec.
        directory: Where it runs.
    """
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    with running_kernel(kernels, cwd=str(directory)) as kernel:
        yield Run(notebook, kernel)
