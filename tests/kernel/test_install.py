"""The command line: installing the kernelspec, and what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from vibesbox_kernel import __main__ as command_line
from vibesbox_kernel import __version__
from vibesbox_kernel.frontends import install

ROOT = Path(__file__).parents[2]


def test_an_installed_spec_names_this_interpreter_by_its_absolute_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--prefix", str(tmp_path), "--name", "mine", "--display-name", "My shell"]
    assert command_line.main(["install", *options]) == 0
    directory = tmp_path / "share" / "jupyter" / "kernels" / "mine"
    assert str(directory) in capsys.readouterr().out
    spec = json.loads((directory / "kernel.json").read_text())
    assert spec["argv"] == [sys.executable, "-m", "vibesbox_kernel", "-f", "{connection_file}"]
    assert Path(spec["argv"][0]).is_absolute()
    assert spec["display_name"] == "My shell"
    assert spec["interrupt_mode"] == "message"


def test_the_logos_come_along(tmp_path: Path) -> None:
    directory = install.install(prefix=str(tmp_path))
    assert {one.name for one in directory.glob("logo-*")} == {one.name for one in (ROOT / "kernelspec").glob("logo-*")}


def test_user_and_prefix_are_two_places(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["install", "--user", "--prefix", "/x"])
    assert "not allowed with" in capsys.readouterr().err


def test_for_this_user_it_goes_into_the_users_directory(isolation: Path) -> None:
    assert install.run(["--user"]).is_relative_to(isolation / "home")


def test_a_place_that_can_not_be_written_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.touch()
    assert command_line.main(["install", "--prefix", str(file)]) == 1
    assert "can not install" in capsys.readouterr().err


def test_the_kernelspec_of_the_wheel_differs_only_in_the_interpreter() -> None:
    """Jupyter: ``python`` in a kernelspec means the server's own interpreter."""
    shipped = json.loads((ROOT / "kernelspec" / "kernel.json").read_text())
    assert shipped == install.kernel_spec(python="python")


@pytest.mark.parametrize(("words", "said"), [(["--version"], __version__), (["--help"], "usage:")])
def test_version_and_help(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(words) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["fly"]])
def test_what_is_no_command_is_explained(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(words) == 2
    assert "usage:" in capsys.readouterr().err
