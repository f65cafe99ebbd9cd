"""The notebooks on the Vibesbox kernel: every cell runs, shows what the text says, and nothing is left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.kernel.driver import install_spec
from tests.notebooks.executed import NOTEBOOKS, Run, opened

pytestmark = pytest.mark.keeps_descriptors("zmq's context and jupyter_client's loop serve the whole run")


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Jupyter data directory that holds our kernelspec."""
    return install_spec(tmp_path_factory.mktemp("prefix"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where the notebook is opened; it leaves nothing there."""
    directory = tmp_path / "opened"
    directory.mkdir()
    yield directory
    assert list(directory.iterdir()) == []


def _pid_of(listing: str, name: str) -> str:
    (pid,) = re.findall(rf"^{name} +(\d+) ", listing, re.MULTILINE)
    return str(pid)


@pytest.mark.timeout(600)  # it takes half a minute where nothing else runs
def test_a_long_job_outlives_the_kernel_and_is_found_again(kernels: Path, place: Path, isolation: Path):
    """Ours: with the kernel's restart in the middle, as the notebook asks for it."""
    with opened("long_jobs.ipynb", kernels, place) as run:
        run.to("after-restart")
        before = run.text("%ps")
        assert re.search(r"^train +\d+ +running, durable ", before, re.MULTILINE)
        assert re.search(r"^evaluate .*queued, durable ", before, re.MULTILINE)
        run.restart()
        run.to()
        assert _pid_of(run.text("%ps", nth=1), "train") == _pid_of(before, "train")
        assert run.text("%tail train -n 100").startswith("epoch  1 of 40 ")
        assert re.search(r"^train \(pid \d+\): exited \(exit 0\)$", run.text("%wait train"), re.MULTILINE)
        last = run.text("%tail evaluate").removeprefix("best so far: ")
        assert json.loads(last)["epoch"] == 40
        assert "2.1 GB" in run.text("%info train")
        assert re.search(r"nothing to delete; \d+ sessions ended less than", run.text("purge"))
    assert not (isolation / "home" / ".cache" / "long-jobs").exists()


def test_a_server_and_its_clients_share_a_notebook(kernels: Path, place: Path):
    """Ours: log, clients at the same time, failures, and the server again."""
    with opened("server_client.ipynb", kernels, place) as run:
        run.to()
        assert '{"tea": 1}' in run.text("await_server()")
        assert '"GET /vote/tea HTTP/1.1" 200' in run.text("%tail api")
        assert _pid_of(run.text("%ps"), "ada") != _pid_of(run.text("%ps"), "bob")
        assert '{"coffee": 20, "tea": 31, "water": 10}' in run.text("%wait ada bob eve")
        assert "404" in run.text("ask /votes")
        assert "there is /vote/NAME and /result" in run.text("%tail api -n 2")
        assert re.search(r"^api \(pid \d+\): killed", run.text("%kill api"), re.MULTILINE)
        assert "onnect" in run.text("%kill api")  # as curl says it, and its exit status
        assert "{}" in run.text("%rerun").splitlines()
        _is_all_over(run)


def _is_all_over(run: Run) -> None:
    rows = run.text("%ps", nth=1).splitlines()[1:]
    assert rows
    assert not [row for row in rows if "running" in row or "queued" in row]


@pytest.mark.parametrize("name", ["long_jobs.ipynb", "server_client.ipynb"])
def test_they_are_kept_without_outputs(name: str):
    """Ours: what a reader sees comes from the reader's own run."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
