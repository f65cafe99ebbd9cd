"""Run a notebook without a browser and print each cell and what it showed, as it happens.

``python notebooks/run.py notebooks/tour.ipynb``; exit status 1 when a cell fails that should not.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

CELL_TIMEOUT_SECONDS = 120
WIDGET = "application/vnd.jupyter.widget-view+json"
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
_OVERWRITTEN = re.compile(r"^.*\r(?=[^\n])", re.MULTILINE)


def shown(outputs: Sequence[NotebookNode]) -> str:
    """What a reader of a cell's outputs sees, as plain text without colours."""
    return "".join(_pieces(outputs))


def _pieces(outputs: Sequence[NotebookNode]) -> Iterator[str]:
    for output in outputs:
        if output.output_type == "stream":
            yield plain(output.text)
        elif output.output_type == "error":
            yield plain("\n".join(output.traceback) or f"{output.ename}: {output.evalue}").rstrip("\n") + "\n"
        elif text := output.data.get("text/plain", "").rstrip("\n"):
            yield plain(text) + "\n"
        elif WIDGET not in output.data:  # of a widget, the text beside it is what can be shown here
            yield f"[{', '.join(output.data)}]\n"


def plain(text: str) -> str:
    """Text without escape sequences and without what a carriage return has overwritten."""
    return _OVERWRITTEN.sub("", _ESCAPE.sub("", text).replace("\r\n", "\n"))


def run_notebook(notebook: NotebookNode, directory: Path) -> None:
    """Execute every cell of a notebook in place, printing as it goes.

    Raises:
        CellExecutionError: A cell failed that is not tagged ``raises-exception``.
        CellTimeoutError: A cell took longer than two minutes.
        DeadKernelError: The kernel died.
    """
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_SECONDS,
        resources={"metadata": {"path": str(directory)}},
        extra_arguments=["--log-level=ERROR"],  # ipykernel warns at every start that local TCP is not encrypted
        on_cell_start=_print_source,
        on_cell_executed=_print_outputs,
    )
    client.execute()


def _print_source(cell: NotebookNode, cell_index: int) -> None:
    if cell.cell_type != "code":
        print(f"\n{cell.source}", flush=True)
        return
    print()
    for line in cell.source.splitlines():
        print(f"  │ {line}")
    sys.stdout.flush()


def _print_outputs(cell: NotebookNode, cell_index: int, execute_reply: dict[str, object]) -> None:
    print(shown(cell.outputs), end="", flush=True)


def main() -> int:
    """Run the notebook that the command line names."""
    parser = argparse.ArgumentParser(description="Run a notebook and print what each cell showed.")
    parser.add_argument("notebook", type=Path)
    path: Path = parser.parse_args().notebook
    if not path.is_file():
        parser.error(f"no notebook at {path}")
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    try:
        run_notebook(notebook, path.parent)
    except CellExecutionError as error:
        print(f"\n{path}: the last cell above failed: {error.ename}: {error.evalue}", file=sys.stderr)
        return 1
    except (CellTimeoutError, DeadKernelError) as error:
        print(f"\n{path}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
