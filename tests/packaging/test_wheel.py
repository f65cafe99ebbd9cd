"""What a wheel holds: the package, the module beside it, and the kernelspec where Jupyter looks for it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import vibesbox

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the working tree; hatchling alone builds it, so no network is needed."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    built = subprocess.run(command, cwd=_ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert built.returncode == 0, built.stderr
    (found,) = directory.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_is_pure_and_has_the_packages_version(wheel: Path):
    """Ours: one wheel for every platform."""
    assert wheel.name == f"vibesbox-{vibesbox.__version__}-py3-none-any.whl"


def test_the_wheel_holds_every_file_of_the_package(names: set[str]):
    """Ours: shell texts, front-end modules and py.typed are not forgotten."""
    package = _ROOT / "vibesbox_kernel"
    wanted = {
        str(path.relative_to(_ROOT))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("vibesbox_kernel/")} == wanted
    assert "vibesbox_kernel/py.typed" in names


def test_the_launchers_of_the_commands_can_be_executed(wheel: Path):
    """Python: pip keeps the mode that a file has in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        launchers = [one for one in archive.infolist() if one.filename.startswith("vibesbox_kernel/tools/bin/")]
    assert launchers
    assert all(one.external_attr >> 16 & 0o111 == 0o111 for one in launchers)


def test_the_wheel_holds_nothing_else(names: set[str]):
    """Ours: no test and no notebook lands in site-packages."""
    first = {name.partition("/")[0] for name in names}
    version = vibesbox.__version__
    assert first == {
        "vibesbox.py",
        "vibesbox_kernel",
        f"vibesbox-{version}.dist-info",
        f"vibesbox-{version}.data",
    }


def test_the_kernelspec_is_installed_as_shared_data(names: set[str]):
    """Jupyter: share/jupyter/kernels/NAME below the environment's prefix."""
    directory = f"vibesbox-{vibesbox.__version__}.data/data/share/jupyter/kernels/vibesbox/"
    shipped = {name.removeprefix(directory) for name in names if name.startswith(directory)}
    assert shipped == {"kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}


def test_the_license_is_in_the_wheel(names: set[str]):
    """BSD-3-Clause: the notice goes with every copy."""
    assert f"vibesbox-{vibesbox.__version__}.dist-info/licenses/LICENSE" in names


def test_the_kernelspec_says_how_the_kernel_is_started_and_interrupted():
    """Jupyter: signals would end an async kernel, so interrupts are messages."""
    spec = json.loads((_ROOT / "kernelspec/kernel.json").read_text())
    assert spec["argv"] == ["python", "-m", "vibesbox_kernel", "-f", "{connection_file}"]
    assert (spec["display_name"], spec["language"]) == ("Vibesbox", "bash")
    assert spec["interrupt_mode"] == "message"
    assert spec["metadata"]["debugger"] is False


@pytest.mark.parametrize("size", [32, 64])
def test_a_logo_has_the_size_that_its_name_says(size: int):
    """PNG: width and height are the first two fields of IHDR."""
    head = (_ROOT / f"kernelspec/logo-{size}x{size}.png").read_bytes()[:24]
    assert struct.unpack(">II", head[16:24]) == (size, size)
