"""What was run, found again: by the up-arrow of a console, and by a search."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pexpect  # type: ignore[import-untyped]  # comes with IPython
import pytest

from tests.kernel.driver import START_SECONDS, Driver, running_kernel
from vibesbox_kernel.frontends.history import Entry, History, Request, history_file
from vibesbox_kernel.sessions.places import state_root
from vibesbox_kernel.shell.privacy import is_private


@pytest.fixture
def fresh(new_kernel: Callable[[], Driver]) -> Driver:
    """A kernel with a history of its own."""
    return new_kernel()


def ask(kernel: Driver, kind: str, **what: object) -> list[list[object]]:
    """What a front-end is told of the history."""
    what = {"output": False, "raw": True, **what}
    content = kernel.ask(kernel.client.history(hist_access_type=kind, **what))
    assert content["status"] == "ok"
    entries: list[list[object]] = content["history"]
    return entries


def texts(entries: list[list[object]]) -> list[object]:
    return [entry[2] for entry in entries]


def test_cells_are_found_at_the_tail_by_range_and_by_search(fresh: Driver) -> None:
    """Jupyter: History."""
    for code in ("echo one", "echo two", "ls", "echo one"):
        fresh.run(code)
    assert texts(ask(fresh, "tail", n=2)) == ["ls", "echo one"]
    assert texts(ask(fresh, "tail", n=100)) == ["echo one", "echo two", "ls", "echo one"]
    assert [entry[1:] for entry in ask(fresh, "range", session=0, start=2, stop=4)] == [[2, "echo two"], [3, "ls"]]
    assert texts(ask(fresh, "range", session=0, start=-1)) == ["echo one"]
    assert texts(ask(fresh, "search", pattern="echo*")) == ["echo one", "echo two", "echo one"]
    assert texts(ask(fresh, "search", pattern="echo*", n=1)) == ["echo one"]
    assert texts(ask(fresh, "search", pattern="echo*", unique=True)) == ["echo two", "echo one"]
    assert texts(ask(fresh, "search", pattern="*", n=2, unique=True)) == ["ls", "echo one"]
    assert texts(ask(fresh, "search", pattern="no such thing")) == []
    assert texts(ask(fresh, "tail", n=1, output=True)) == [["echo one", None]]
    assert ask(fresh, "no-such-kind") == []


def test_what_is_not_to_be_remembered_is_not(fresh: Driver) -> None:
    """Jupyter: store_history and silent; bash: HISTCONTROL=ignorespace."""
    fresh.run("echo shown")
    fresh.run("echo unstored", store_history=False)
    fresh.run("echo silent", silent=True)
    fresh.run(" export TOKEN=secret")
    fresh.run("\tTOKEN=secret")
    fresh.run("  ")
    assert texts(ask(fresh, "tail", n=10)) == ["echo shown"]
    assert b"secret" not in history_file().read_bytes()


@pytest.mark.parametrize("head", ["", "\n", "%%session --name hidden\n"])
def test_a_private_cell_is_written_down_nowhere(fresh: Driver, head: str) -> None:
    """Ours: a token that is set in it is in no listing, and in no file that stays."""
    cell = f"{head} token=tell-nobody; echo ${{#token}}"
    assert fresh.run(cell).text == "11\n"
    assert "tell-nobody" not in fresh.run("%ps -a --json").text
    assert "tell-nobody" not in fresh.run("history").text
    fresh.run("%session  echo tell everybody")
    written = [path.read_bytes() for path in state_root().rglob("*") if path.is_file()]
    assert any(b"tell everybody" in data for data in written)
    assert not any(b"tell-nobody" in data for data in written)


def test_a_private_cell_can_not_be_run_again(fresh: Driver) -> None:
    """Ours: %rerun says why."""
    fresh.run("%%session --name hidden\n echo hi")
    assert "begins with a blank" in fresh.run("%rerun hidden").content["evalue"]


def test_the_next_kernel_knows_what_the_last_one_ran(new_kernel: Callable[[], Driver]) -> None:
    """Jupyter: negative numbers are of sessions before this one."""
    first = new_kernel()
    first.run("echo 'of the\nfirst'")
    first.run("exit")
    second = new_kernel()
    assert texts(ask(second, "tail", n=10)) == ["echo 'of the\nfirst'", "exit"]
    second.run("echo second")
    first.run("echo third")
    ask(first, "tail")  # answered when it is in the file
    assert texts(ask(second, "tail", n=2)) == ["echo third", "echo second"]
    assert texts(ask(second, "range", session=-1)) == ["echo 'of the\nfirst'", "exit", "echo third"]


def test_only_the_user_can_read_it(fresh: Driver) -> None:
    """Ours: what was typed is nobody else's."""
    fresh.run("umask 0; echo hi")
    ask(fresh, "tail")
    assert history_file().stat().st_mode & 0o777 == 0o600
    assert history_file().parent.stat().st_mode & 0o777 == 0o700


def test_the_users_own_history_is_left_alone(isolation: Path, new_kernel: Callable[[], Driver]) -> None:
    """Ours: bash's is bash's, whatever start-up files say of it."""
    own = Path.home() / ".bash_history"
    own.write_text("theirs\n")
    Path.home().joinpath(".bashrc").write_text("HISTFILE=~/.bash_history\nshopt -s histappend\nset -o history\n")
    kernel = new_kernel()
    kernel.run("echo hi")
    kernel.run("echo ${HISTFILE-none}; exit")
    kernel.manager.shutdown_kernel()
    assert own.read_text() == "theirs\n"


def test_it_can_be_turned_off(jupyter_data: Path) -> None:
    """Ours: a setting."""
    with running_kernel(jupyter_data, extra_arguments=["--VibesboxKernel.history_enabled=False"]) as kernel:
        kernel.run("echo hi")
        assert ask(kernel, "tail") == []


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "deeper" / "history.sqlite")
    yield made
    made.close()


async def _texts(history: History, **what: object) -> list[Entry]:
    return await history.find(Request(**what))  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_who_asks_or_ends_does_not_wait_for_a_later_moment(tmp_path: Path) -> None:
    """Ours: what was to be written later is there for who asks, and after the end."""
    path, put_off = tmp_path / "history.sqlite", list[Callable[[], None]]()
    first = History(path, later=put_off.append)
    first.add(1, "one")
    assert [entry[2] for entry in await _texts(first, kind="tail")] == ["one"]
    first.close()
    second = History(path, later=put_off.append)
    second.add(1, "two")
    second.close(wait=True)
    assert len(put_off) == 2
    put_off[-1]()  # too late, and nothing happens
    third = History(path)
    assert [entry[2] for entry in await _texts(third, kind="tail")] == ["one", "two"]
    third.close()


@pytest.mark.anyio
async def test_a_file_that_can_not_be_used_is_no_reason_to_fail(tmp_path: Path) -> None:
    """Ours: then nothing is remembered, and cells run."""
    tmp_path.joinpath("file").write_text("")
    history = History(tmp_path / "file" / "history.sqlite")
    history.add(1, "echo hi")
    assert await _texts(history, kind="tail") == []
    history.close()


@pytest.mark.anyio
async def test_a_file_that_is_broken_is_put_aside(tmp_path: Path) -> None:
    """IPython: its own way with a history that is none."""
    path = tmp_path / "history.sqlite"
    path.write_text("this is no database" * 100)
    history = History(path)
    history.add(1, "echo hi")
    assert await _texts(history, kind="tail") == [(1, 1, "echo hi")]
    history.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another kernel, which writes to the history and does not come to an end of it."""
    path = tmp_path / "history.sqlite"
    before = History(path)
    before.add(1, "before")
    before.close(wait=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield connection


@pytest.mark.anyio
async def test_a_file_that_is_busy_is_not_taken_for_a_broken_one(tmp_path: Path, busy: sqlite3.Connection) -> None:
    """Ours: IPython would put it aside, and the history of all kernels with it."""
    history = History(tmp_path / "history.sqlite", patience=0.1)
    history.add(1, "one")
    assert await _texts(history, kind="tail") == []
    assert [path.name for path in tmp_path.iterdir() if "corrupt" in path.name] == []
    busy.rollback()
    history.add(2, "two")
    assert [entry[2] for entry in await _texts(history, kind="tail")] == ["before", "one", "two"]
    history.close()


@pytest.mark.anyio
async def test_a_question_is_answered_though_the_file_is_busy(tmp_path: Path, busy: sqlite3.Connection) -> None:
    """Ours: in a second; the next cell waits for the answer."""
    history = History(tmp_path / "history.sqlite", patience=60)
    history.add(1, "one")
    with anyio.fail_after(5):
        assert await _texts(history, kind="tail") == []
    busy.rollback()
    history.close(wait=True)


@pytest.mark.anyio
async def test_a_file_that_breaks_meanwhile_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    history = History(path)
    history.add(1, "one")
    await _texts(history, kind="tail")
    path.write_text("this is no database" * 1000)
    for count, code in enumerate(("two", "three"), start=2):
        history.add(count, code)
        found = await _texts(history, kind="tail")
    assert [entry[2] for entry in found] == ["two", "three"]
    history.close()


@pytest.mark.anyio
async def test_no_cell_takes_the_place_of_another(history: History) -> None:
    """Ours: two shells of a kernel may have counted alike."""
    for code in ("one", "two", "three"):
        history.add(7, code)
    assert [entry[1:] for entry in await _texts(history, kind="tail")] == [(7, "one"), (8, "two"), (9, "three")]


@pytest.mark.anyio
async def test_odd_texts_are_kept_and_huge_ones_are_not(history: History) -> None:
    """Ours."""
    for count, code in enumerate(("a\tb\0c", "\udcff", "é\n", "x" * (1 << 19)), start=1):
        history.add(count, code)
    assert [entry[2] for entry in await _texts(history, kind="tail", n=9)] == ["a\tb\0c", "?", "é"]


@pytest.mark.parametrize(
    ("code", "private"),
    [
        (" ls", True),
        ("\tls", True),
        ("ls", False),
        ("\nls", False),
        ("\n ls", True),
        ("%%session --bg\n ls", True),
        ("%ps\n%%session\n\n ls", True),
        ("%%session\nls\n -l", False),
        ("ls\n -l", False),
    ],
)
def test_a_blank_at_the_beginning_makes_a_cell_private(code: str, private: bool) -> None:
    """Bash: HISTCONTROL=ignorespace."""
    assert is_private(code) is private


def test_the_up_arrow_of_a_console_goes_back_over_kernels(
    jupyter_data: Path, fresh: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jupyter: jupyter console loads the tail when it starts."""
    pytest.importorskip("jupyter_console")
    fresh.run("echo of-yester$((1))day")
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter_data))
    child = pexpect.spawn(
        sys.executable, ["-m", "jupyter_console", "--kernel=vibesbox"], encoding="utf-8", timeout=START_SECONDS
    )
    try:
        child.expect(r"In \[.*?\]: ")  # with colours
        child.send("\x1b[A")
        child.expect("of-yester")
        child.send("\r")
        child.expect("of-yester1day")
    finally:
        child.close(force=True)
