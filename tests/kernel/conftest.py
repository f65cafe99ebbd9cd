"""Kernels for tests: one that a module's tests share, and fresh ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kernel.driver import Driver, install_spec, running_kernel

_HERE = Path(__file__).parent
_WHY = "zmq's context and jupyter_client's loop serve the whole run"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say for every test here what its library keeps."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.keeps_descriptors(_WHY))


@pytest.fixture(scope="session")
def jupyter_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Jupyter data directory that holds our kernelspec."""
    return install_spec(tmp_path_factory.mktemp("prefix"))


@pytest.fixture(scope="module")
def kernel(jupyter_data: Path) -> Iterator[Driver]:
    """A kernel that the tests of a module share."""
    with running_kernel(jupyter_data) as driver:
        yield driver


@pytest.fixture
def new_kernel(jupyter_data: Path) -> Iterator[Callable[..., Driver]]:
    """Starts kernels of the test's own, with options of ``running_kernel``."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(running_kernel(jupyter_data, **options))
