"""The kernel's settings: from its command line, from its notebook, by magic; each changes what it says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.driver import Driver, running_kernel


@contextmanager
def kernel_of_notebook(data: Path, path: Path, metadata: Any, *options: str) -> Iterator[Driver]:
    """A kernel as a Jupyter server starts it for a notebook."""
    path.write_text(json.dumps({"cells": [], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    environment = {**os.environ, "JPY_SESSION_NAME": str(path)}
    with running_kernel(data, env=environment, extra_arguments=list(options)) as driver:
        yield driver


@pytest.fixture
def notebook(isolation: Path) -> Path:
    return isolation / "mine.ipynb"


def test_the_command_line_sets_what_cells_are_like(jupyter_data: Path) -> None:
    options = ["rows=40", "columns=50", "errexit=true", "pipefail=true", "head_lines=5", "tail_lines=2"]
    with running_kernel(jupyter_data, extra_arguments=[f"--VibesboxKernel.{one}" for one in options]) as kernel:
        result = kernel.run("stty size; tput lines cols; false | true; echo not reached")
        assert (result.text, result.status) == ("40 50\n40\n50\n", "error")
        flood = kernel.run("seq 1 100")
        assert flood.text == "1\n2\n3\n4\n5\n"
        assert flood.of_kind("display_data")[-1]["data"]["text/plain"] == "99\n100\n"
        assert "configuration; default 24" in str(kernel.run("%vibesbox config rows").of_kind("display_data"))


def test_start_up_files_can_be_left_out(jupyter_data: Path) -> None:
    rc = Path.home() / ".bashrc"
    rc.write_text("from_rc=yes\n")
    with running_kernel(jupyter_data) as kernel:
        assert kernel.run("echo ${from_rc-no}").text == "yes\n"
    with running_kernel(jupyter_data, extra_arguments=["--VibesboxKernel.rc_files=False"]) as kernel:
        assert kernel.run("echo ${from_rc-no}").text == "no\n"


def test_a_notebook_sets_for_itself_what_its_metadata_says(jupyter_data: Path, notebook: Path) -> None:
    """Jupyter: the server names the notebook's file; nobody else tells a kernel of it."""
    with kernel_of_notebook(
        jupyter_data, notebook, {"vibesbox": {"rows": 30, "pipefail": True}}, "--VibesboxKernel.rows=40"
    ) as kernel:
        result = kernel.run("stty size; false | true")
        assert (result.text, result.status) == ("30 100\n", "error")
        shown = str(kernel.run("%vibesbox config rows").of_kind("display_data"))
        assert "this notebook; default 24" in shown


def test_what_a_notebook_sets_wrongly_is_said_once_and_left_out(jupyter_data: Path, notebook: Path) -> None:
    wrong = {"rws": 3, "columns": 0, "default_shell": "./run-me", "rows": 30}
    with kernel_of_notebook(jupyter_data, notebook, {"vibesbox": wrong}) as kernel:
        text = kernel.run("stty size").text
        assert text.startswith("30 100\n")
        assert "this notebook's metadata: no setting 'rws'; did you mean rows?" in text
        assert "columns is 0; it must be a whole number, 1 to 1000" in text
        assert "default_shell is './run-me'; it must be a plain name" in text
        assert kernel.run("stty size").text == "30 100\n"


@pytest.mark.parametrize("content", ["", "[", "[]", '{"metadata": 3}', '{"metadata": {"vibesbox": [1]}}', "9" * 100])
def test_a_broken_notebook_does_not_hinder_its_kernel(jupyter_data: Path, notebook: Path, content: str) -> None:
    with kernel_of_notebook(jupyter_data, notebook, {}) as _:
        pass
    notebook.write_text(content)
    from vibesbox_kernel.frontends.notebook_metadata import apply_notebook_metadata
    from vibesbox_kernel.shell.settings import Settings, Values

    settings = Settings()
    apply_notebook_metadata(settings, {"JPY_SESSION_NAME": str(notebook)})
    assert settings.now == Values()


def test_the_magic_changes_cells_from_the_next_one_on(kernel: Driver) -> None:
    assert kernel.run("stty size").text == "24 100\n"
    kernel.run("%vibesbox config rows=50 columns=70")
    assert kernel.run("stty size").text == "50 70\n"
    assert kernel.run("stty size").text == "50 70\n"
    kernel.run("%vibesbox config io=pipe default_shell=sh")
    assert "no" in kernel.run("[ -t 1 ] || echo no $0").text
    kernel.run("%vibesbox config reset")
    assert kernel.run("stty size; echo $BASH").text.startswith("24 100\n/")


def test_a_wrong_change_is_an_error_that_names_what_would_be_right(kernel: Driver) -> None:
    result = kernel.run("%vibesbox config rws=3\necho ran")
    assert (result.status, result.content["ename"]) == ("error", "UnknownSettingError")
    assert "did you mean rows?" in result.content["evalue"]
    assert "ran" not in result.text
    assert "a whole number, 1 to 1000" in kernel.run("%vibesbox config rows=many").content["evalue"]


def test_the_grace_of_interrupts_is_what_it_is_set_to(kernel: Driver) -> None:
    kernel.run("%vibesbox config interrupt_grace=0.3")
    request = kernel.start("trap '' INT; echo up; sleep 100")
    kernel.wait_text(request, "up")
    kernel.manager.interrupt_kernel()
    result = kernel.finish(request)
    assert "still running 0.3 s after the interrupt" in result.text
    kernel.run("%vibesbox config reset interrupt_grace")
