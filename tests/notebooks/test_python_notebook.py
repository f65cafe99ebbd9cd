"""The notebook on Vibesbox in Python: every cell runs, and shows what its text says."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

pytestmark = pytest.mark.keeps_descriptors("zmq's context serves the whole run")

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "python.ipynb"


class Executed:
    """The notebook after all of its cells were run in a directory."""

    def __init__(self, directory: Path) -> None:
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        resources = {"metadata": {"path": str(directory)}}
        NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
        self._cells: list[NotebookNode] = [cell for cell in notebook.cells if cell.cell_type == "code"]

    def outputs(self, source: str) -> list[NotebookNode]:
        """What the one cell showed whose code holds a text."""
        (cell,) = [cell for cell in self._cells if source in cell.source]
        outputs: list[NotebookNode] = cell.outputs
        return outputs

    def text(self, source: str) -> str:
        """The same as plain text."""
        return "".join(
            one.text if one.output_type == "stream" else one.data.get("text/plain", "") for one in self.outputs(source)
        )


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    directory = tmp_path_factory.mktemp("notebook")
    executed = Executed(directory)
    assert list(directory.iterdir()) == []  # it leaves nothing where it was opened
    return executed


def test_scripts_show_their_output_and_share_their_shell(executed):
    assert executed.text("> visitors.csv") == "366 visitors.csv\n"
    assert executed.text("%session head").splitlines()[0] == "day,visitors"


def test_the_server_runs_in_the_background_and_python_fetches_from_it(executed):
    assert re.search(r"^web \(pid \d+\) runs in the background", executed.text("-m http.server"), re.MULTILINE)
    assert re.search(r"^web \(pid \d+\): running · ", executed.text("%info web"))
    assert executed.text("urlopen(url + ").startswith("365 days, at most 1")
    assert '"GET /visitors.csv HTTP/1.1" 200' in executed.text("%tail web")


def test_the_table_is_shown_as_text_as_html_and_alive(executed):
    assert "<table" in executed.outputs("%ps -w")[-1].data["text/html"]
    kinds = [kind for one in executed.outputs("%ps -w") for kind in one.data]
    assert "application/vnd.jupyter.widget-view+json" in kinds
    (row,) = [line for line in executed.text("%ps -w").splitlines() if line.startswith("web")]
    assert "http.server" in row


def test_a_long_job_goes_on_while_python_computes_and_is_followed_to_its_end(executed):
    assert "runs in the background" in executed.text("gzip -9")
    assert executed.text("is_prime(number)") == "17984 primes below 200,000\n"
    followed = executed.text("%tail -f pack")
    assert "part 30 of 30" in followed
    assert "packed: " in followed


def test_results_are_python_objects(executed):
    assert re.match(r"pack ended with exit 0 after \d+\.\d s\n'packed: .*total\\n'$", executed.text("%wait pack"))
    assert executed.text("SessionFailedError") == "no such day: grep's exit status is 1\n"


def test_killed_is_gone(executed):
    assert re.match(r"web \(pid \d+\): killed", executed.text("%kill web"))
    assert executed.text("URLError").startswith("nobody answers any more")
    lines = executed.text("sessions = %ps").splitlines()
    assert [line.split()[0] for line in lines] == ["-", "web", "pack", "-", "-"]


def test_it_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert "widgets" not in notebook.metadata
