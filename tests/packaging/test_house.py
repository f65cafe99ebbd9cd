"""The house: what may be imported where, beyond what import contracts can say, and what its front hall hands out."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vibesbox
import vibesbox_kernel

_PACKAGE = Path(vibesbox_kernel.__file__).parent


def _imports(path: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports, at its top or anywhere below."""
    package = ".".join(path.relative_to(_PACKAGE.parent).parent.parts).split(".")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*above, *filter(None, [node.module])])


_ON_THEIR_OWN = [(folder, path) for folder in ("broker", "tools") for path in sorted((_PACKAGE / folder).rglob("*.py"))]


@pytest.mark.parametrize(("folder", "path"), _ON_THEIR_OWN, ids=lambda one: getattr(one, "name", one))
def test_the_broker_and_the_commands_import_the_standard_library_and_themselves_only(folder: str, path: Path):
    """Ours: they run with ``-I -S``, the commands in the user's sessions, where nothing else can be imported."""
    foreign = {
        name
        for name in _imports(path)
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(f"vibesbox_kernel.{folder}")
    }
    assert foreign == set()


def _python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


@pytest.mark.parametrize("name", ["vibesbox", "vibesbox_kernel", "vibesbox_kernel.broker.wire"])
def test_importing_a_name_loads_nothing_heavy(name: str):
    """Ours: the public names are loaded when they are first used."""
    heavy = ("pydantic", "asyncio", "IPython", "ipykernel", "ipywidgets", "zmq", "vibesbox_kernel.models")
    loaded = _python(f"import sys, {name}; print(*(one for one in {heavy} if one in sys.modules))")
    assert loaded.split() == []


@pytest.mark.parametrize("name", vibesbox_kernel.__all__)
def test_every_public_name_is_there_under_both_modules(name: str):
    """Ours: ``import vibesbox`` hands on what ``vibesbox_kernel`` lists."""
    assert getattr(vibesbox, name) is getattr(vibesbox_kernel, name)
    assert name in dir(vibesbox)


@pytest.mark.parametrize("module", [vibesbox, vibesbox_kernel], ids=lambda module: module.__name__)
def test_a_name_that_is_not_public_is_an_attribute_error(module):
    """Python: hasattr() and getattr() with a default lean on it."""
    assert not hasattr(module, "no_such_name")


def test_every_error_is_public():
    """Ours: what can be raised can be caught by its public name."""
    from vibesbox_kernel import errors

    made = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__ and not name.startswith("_")
    }
    assert made <= set(vibesbox_kernel.__all__)
