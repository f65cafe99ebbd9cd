"""What every test gets: directories of its own, lifelines, and a look at what it left behind."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.gate import Gate
from tests.leaks import Mark, Watch, end, left_after_deadline
from tests.lifeline import BlockingLifeline, Lifeline
from vibesbox_kernel.sessions import SessionManager

F = TypeVar("F", Gate, Lifeline)

_RUN = pytest.StashKey[tuple[pytest.MonkeyPatch, Path, Mark]]()
_FAILED = pytest.StashKey[bool]()
_LEFT = pytest.StashKey[list[str]]()
_HAS_PROC = sys.platform == "linux"

# Variables by which a user's own Jupyter, shell or Vibesbox would reach into a test.
_FOREIGN = (
    "BASH_ENV",
    "ENV",
    "IPYTHONDIR",
    "JUPYTERLAB_DIR",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_CONFIG_PATH",
    "JUPYTER_DATA_DIR",
    "JUPYTER_PATH",
    "JUPYTER_RUNTIME_DIR",
    "PROMPT_COMMAND",
    "PYTHONPATH",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
)


def pytest_configure(config: pytest.Config) -> None:
    """Isolate the whole run: what lives longer than one test (a module's kernel, a server) is isolated too."""
    monkeypatch = pytest.MonkeyPatch()
    # Short, and never TMPDIR: the path of a unix socket has at most 107 bytes.
    base = Path(tempfile.mkdtemp(prefix="vb", dir="/tmp"))
    for name in [*_FOREIGN, *(name for name in os.environ if name.startswith("VIBESBOX_"))]:
        if name not in ("VIBESBOX_REQUIRE_BROWSER", "VIBESBOX_CHROMIUM"):
            monkeypatch.delenv(name, raising=False)
    # Kernels, notebooks and servers run the code of this checkout, whatever is installed.
    monkeypatch.setenv("PYTHONPATH", str(config.rootpath))
    # A shell that started us in the background has SIGINT ignored, and every child would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _use_directories(monkeypatch, base / "all")
    mark = Mark("VIBESBOX_TEST_RUN")
    if _HAS_PROC:
        mark.put(monkeypatch)
    config.stash[_RUN] = (monkeypatch, base, mark)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take the run's directories away."""
    monkeypatch, base, _ = config.stash[_RUN]
    monkeypatch.undo()
    shutil.rmtree(base, ignore_errors=True)


def _use_directories(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    for variable, name in (("HOME", "home"), ("XDG_RUNTIME_DIR", "run"), ("XDG_STATE_HOME", "state")):
        (root / name).mkdir(mode=0o700, parents=True)
        monkeypatch.setenv(variable, str(root / name))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure: the frames that its traceback holds keep descriptors open."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture(autouse=True)
def isolation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Directories of the test's own (the returned one holds them); after the test nothing of it may be left.

    ``HOME``, ``XDG_RUNTIME_DIR`` and ``XDG_STATE_HOME`` point into it. It begins at the checkout's root, wherever one
    before it has gone (a broker that launches something does). A test whose libraries keep descriptors or threads
    until the run ends says so: ``@pytest.mark.keeps_descriptors("why")``.
    """
    _, base, run_mark = request.config.stash[_RUN]
    root = Path(tempfile.mkdtemp(prefix="t", dir=base))
    _use_directories(monkeypatch, root)
    monkeypatch.chdir(request.config.rootpath)
    if not _HAS_PROC:
        yield root
        return
    mark = Mark("VIBESBOX_TEST")
    mark.put(monkeypatch)
    watch = Watch(mark)
    yield root
    run_mark.put_limit()
    left = watch.end_processes() + watch.new_zombies()
    left += [f"{path}: a shell's state may hold secrets" for path in root.glob("run/vibesbox/*/work-*")]
    shutil.rmtree(root, ignore_errors=True)  # a flood's spool is not kept until the run ends
    if request.node.stash.get(_FAILED, False):
        return
    if request.node.get_closest_marker("keeps_descriptors") is None:
        left += watch.new_threads() + watch.new_descriptors()
    if left:
        pytest.fail("the test left behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The whole run may leave no process either: a module's kernel and a session's server end with it."""
    mark = session.config.stash[_RUN][2]
    left = left_after_deadline(mark.processes) if _HAS_PROC else []
    end(left)
    session.config.stash[_LEFT] = [str(one) for one in left]
    if left and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the processes that outlived the run."""
    left = config.stash.get(_LEFT, [])
    if left:
        terminalreporter.section("processes that the run left behind (killed now)", red=True)
        for one in left:
            terminalreporter.line(one)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Vibesbox is written for asyncio."""
    return "asyncio"


@pytest.fixture
async def manager() -> AsyncIterator[SessionManager]:
    """A manager with a broker of its own; everything of it is gone after the test."""
    async with SessionManager() as one:
        yield one


@contextmanager
def _several(kind: Callable[[Path], F], path: Path) -> Iterator[Callable[[], F]]:
    """Makes FIFOs of a kind, each at the path with its number; all are closed in the end."""
    with ExitStack() as stack:
        numbers = itertools.count()
        yield lambda: stack.enter_context(closing(kind(path.with_name(f"{path.name}{next(numbers)}"))))


@pytest.fixture
def new_gate(isolation: Path) -> Iterator[Callable[[], Gate]]:
    """Makes gates."""
    with _several(Gate, isolation / "gate") as make:
        yield make


@pytest.fixture
def gate(new_gate: Callable[[], Gate]) -> Gate:
    """A FIFO that a program waits at: ``read go <{gate}``, and ``gate.open()`` lets it go on."""
    return new_gate()


@pytest.fixture
def second_gate(new_gate: Callable[[], Gate]) -> Gate:
    """Another."""
    return new_gate()


@pytest.fixture
def new_lifeline(isolation: Path) -> Iterator[Callable[[], Lifeline]]:
    """Makes lifelines, for a test that needs more than one."""
    with _several(Lifeline, isolation / "lifeline") as make:
        yield make


@pytest.fixture
def lifeline(new_lifeline: Callable[[], Lifeline]) -> Lifeline:
    """A FIFO that a process tree holds: ``.path``, ``await held()``, ``await lines(n)``, ``await released()``."""
    return new_lifeline()


@pytest.fixture
def blocking_lifeline(isolation: Path) -> Iterator[BlockingLifeline]:
    """The lifeline of synchronous tests."""
    made = BlockingLifeline(isolation / "lifeline")
    yield made
    made.close()
