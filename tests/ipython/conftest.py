"""An IPython shell in this process, and Python kernels of their own."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from jupyter_client.manager import KernelManager
from traitlets.config import Config

from tests.ipython.terminal import Terminal
from tests.kernel.driver import START_SECONDS, Driver

_HERE = Path(__file__).parent
_WHY = "zmq's context, jupyter_client's loop and IPython's history serve the whole run"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say for every test here what its library keeps."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.keeps_descriptors(_WHY))


class Shell:
    """An IPython shell, and what its cells wrote."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        config = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
        self.ip = InteractiveShell(config=config)
        self.out = ""
        self.err = ""

    def run(self, code: str) -> ExecutionResult:
        """Run a cell; what it wrote is in ``out`` and ``err``."""
        self._capture.readouterr()
        result: ExecutionResult = self.ip.run_cell(code, store_history=True)
        self.out, self.err = self._capture.readouterr()
        return result

    def ok(self, code: str) -> str:
        """Run a cell that must succeed; gives what it wrote."""
        result = self.run(code)
        result.raise_error()
        return self.out

    def fails(self, code: str) -> BaseException:
        """Run a cell that must fail; gives why."""
        error = self.run(code).error_in_exec
        assert error is not None, self.out
        return error

    def __getitem__(self, name: str) -> object:
        return self.ip.user_ns[name]


@pytest.fixture
def bare_shell(isolation: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A shell without the extension."""
    before = (sys.displayhook, sys.excepthook, sys.modules["__main__"], dict(vars(builtins)))
    shell = Shell(capsys)
    yield shell
    shell.run("%unload_ext vibesbox")  # says so when it is not loaded
    shell.ip.restore_sys_module_state()
    sys.displayhook, sys.excepthook, sys.modules["__main__"], names = before
    for name in set(vars(builtins)) - set(names):
        delattr(builtins, name)


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """A shell with the extension."""
    bare_shell.ok("%load_ext vibesbox")
    return bare_shell


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """IPython with the extension behind a pseudo-terminal."""
    one = Terminal()
    yield one
    one.child.close(force=True)


@contextmanager
def _python_kernel() -> Iterator[Driver]:
    manager = KernelManager()
    manager.start_kernel(extra_arguments=["--log-level=ERROR"])
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=START_SECONDS)
        driver = Driver(manager, client)
        assert driver.run("%load_ext vibesbox", timeout=START_SECONDS).status == "ok"
        yield driver
    finally:
        client.stop_channels()
        if manager.is_alive():
            manager.shutdown_kernel()
        manager.cleanup_resources()


@pytest.fixture
def new_notebook() -> Iterator[Callable[[], Driver]]:
    """Starts Python kernels, with the extension loaded, of the test's own."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_python_kernel())


@pytest.fixture(scope="module")
def notebook() -> Iterator[Driver]:
    """A Python kernel with the extension loaded that the tests of a module share."""
    with _python_kernel() as driver:
        yield driver
