"""The history of what was run: a file of our own, in the form in which IPython keeps its own.

IPython's ``HistoryAccessor`` makes the file and reads it. Its ``HistoryManager``, which also writes, is tied to an
InteractiveShell and leaves out what looks like ``exit`` in Python, so the writing is ours. The user's own
``~/.bash_history`` is neither read nor written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from IPython.core.history import HistoryAccessor

from vibesbox_kernel.sessions.places import state_root
from vibesbox_kernel.shell.privacy import is_private

logger = logging.getLogger(__name__)

T = TypeVar("T")
Later = Callable[[Callable[[], None]], None]

TAIL = 10
MAX_CELL_CHARACTERS = 1 << 18
"""A longer cell is data, which nobody looks for with the up-arrow."""
MAX_UNWRITTEN = 1000
"""So many cells wait for a file that can not be written just now."""

_FIND_SECONDS = 0.9
_CLOSE_SECONDS = 0.3
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""What SQLite says of a file that is no database; whatever else it says may be otherwise in a moment."""

Entry = tuple[int, int, str] | tuple[int, int, tuple[str, str | None]]
"""A session's number, a cell's number, and its text; with outputs wanted, text and output."""


def history_file() -> Path:
    """Where the history of all kernels of this user is."""
    return state_root() / "history.sqlite"


@dataclass(frozen=True)
class Request:
    """What a front-end asks for.

    Attributes:
        kind: ``tail``, ``range`` or ``search``.
        output: With the outputs, of which none are kept.
        session: Of a range: 0 is this one, -1 the one before.
        start: The first cell of a range; below 0 from its end.
        stop: The cell after the last; None: to the end.
        n: How many at most, the last ones.
        pattern: What to search, with ``*`` and ``?``.
        unique: Each text once.
    """

    kind: str
    output: bool = False
    session: int = 0
    start: int = 0
    stop: int | None = None
    n: int | None = None
    pattern: str | None = None
    unique: bool = False


class History:
    """One kernel's part of the history, and a look at all of it. Only ``find`` and ``close`` wait for the disk.

    Args:
        path: The file.
        patience: Seconds for which a cell to be written waits for another kernel that writes.
        later: Calls what writes a cell when it disturbs nobody, from any thread; somebody who asks does not wait for
            that. At once if none is given.
    """

    def __init__(self, path: Path, *, patience: float = 5.0, later: Later | None = None) -> None:
        self._path = path
        self._patience = patience
        # One thread: a disk may be slow, and what was stored before a question is to be found by it.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vibesbox-history")
        self._store: _Store | None = None
        self._unwritten: deque[tuple[int, str]] = deque(maxlen=MAX_UNWRITTEN)
        self._later: Later = later or (lambda write: write())

    def add(self, count: int, code: str) -> None:
        """Remember a cell, unless it is private, empty or huge.

        Args:
            count: Its execution count.
            code: Its text.
        """
        if code.strip() and not is_private(code) and len(code) <= MAX_CELL_CHARACTERS:
            self._unwritten.append((count, code))
            self._later(self._write_now)

    async def find(self, request: Request) -> list[Entry]:
        """The entries that a request asks for, the oldest first; none if the file can not be read just now."""
        self._write_now()
        future = self._submit(lambda store: store.find(request))
        if future is None:
            return []
        try:  # whatever else is asked of the kernel waits for the answer
            return await asyncio.wait_for(asyncio.wrap_future(future), _FIND_SECONDS) or []
        except TimeoutError:
            logger.warning("the history %s gave no answer in %.1f s", self._path, _FIND_SECONDS)
            return []

    def close(self, *, wait: bool = False) -> None:
        """End this kernel's session of the history.

        Args:
            wait: However long it takes; otherwise what is not written in a moment is given up.
        """
        self._write_now()
        ended = self._submit(self._end, opens=False)
        if ended is not None:
            with contextlib.suppress(TimeoutError):
                ended.result(None if wait else _CLOSE_SECONDS)
        self._thread.shutdown(wait=wait, cancel_futures=True)

    def _write_now(self) -> None:
        if self._unwritten:
            self._submit(self._write)

    def _write(self, store: _Store) -> None:
        """Write what is not yet; what can not be written now is tried again with the next cell."""
        while self._unwritten:
            store.add(*self._unwritten[0])
            self._unwritten.popleft()

    def _end(self, store: _Store) -> None:
        try:
            self._write(store)  # what could not be written before
            store.end()
        finally:
            store.close()

    def _submit(self, work: Callable[[_Store], T], *, opens: bool = True) -> Future[T | None] | None:
        try:
            return self._thread.submit(self._carry_out, work, opens)
        except RuntimeError:  # it is closed
            return None

    def _carry_out(self, work: Callable[[_Store], T], opens: bool) -> T | None:
        try:
            if self._store is None and opens:
                self._store = _Store(self._path, self._patience)
            return None if self._store is None else work(self._store)
        except OSError as error:
            logger.warning("the history %s can not be used now: %s", self._path, error)
        except sqlite3.Error as error:
            logger.warning("the history %s is broken: %s", self._path, error)
            if self._store is not None:
                self._store.close()
            self._store = None  # to open it anew puts it aside
        return None


class _Connection(sqlite3.Connection):
    """Has IPython, which puts a file aside with any error, do so only with one that is no database.

    A file that is busy is somebody's: another kernel's, which would go on writing where nobody looks.
    """

    def execute(self, *args: Any) -> sqlite3.Cursor:
        try:
            return super().execute(*args)
        except sqlite3.Error as error:
            _raise_as_it_is_meant(error)

    def __exit__(self, *args: Any) -> Any:
        try:
            return super().__exit__(*args)
        except sqlite3.Error as error:
            _raise_as_it_is_meant(error)


def _raise_as_it_is_meant(error: sqlite3.Error) -> NoReturn:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF in _BROKEN:  # without a code it is a misuse, not the file
        raise error
    raise OSError(str(error)) from error


class _Store:
    """The file, as its own thread sees it."""

    def __init__(self, path: Path, patience: float) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made here: SQLite would make it with the user's umask.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # A path, not its text as annotated: a broken file is put aside by methods of a path.
        options = {"check_same_thread": False, "factory": _Connection, "timeout": patience}
        self._accessor = HistoryAccessor(hist_file=path, connection_options=options)  # type: ignore[arg-type]
        path.chmod(0o600)  # it may be another by now, or somebody else's doing
        self._session = 0
        self._last = self._count = 0

    def add(self, count: int, code: str) -> None:
        text = code.rstrip("\n").encode("utf-8", "replace").decode()
        # Cells of two shells of one kernel may have been counted alike; none takes another's place.
        line = max(count, self._last + 1)
        with self._database:
            session = self._session or self._begin()
            self._database.execute("INSERT INTO history VALUES (?, ?, ?, ?)", (session, line, text, text))
        # Only now is it so: what could not be written whole was not written at all.
        self._session, self._last = session, line
        self._count += 1

    def find(self, request: Request) -> list[Entry]:
        match request.kind:
            case "tail":
                return self._tail(TAIL if request.n is None else request.n, request.output)
            case "range":
                return self._range(request)
            case "search":
                pattern = request.pattern or "*"
                found = self._accessor.search(pattern, output=request.output, n=request.n, unique=request.unique)
                return _all(found)
        return []

    def end(self) -> None:
        if self._session:
            with self._database:
                values = (_now(), self._count, self._session)
                self._database.execute("UPDATE sessions SET end=?, num_cmds=? WHERE session==?", values)

    def close(self) -> None:
        self._database.close()

    @property
    def _database(self) -> sqlite3.Connection:
        database: sqlite3.Connection = self._accessor.db
        return database

    def _begin(self) -> int:
        """Begin a session with its first cell: a kernel in which nothing is run leaves no trace."""
        values = "INSERT INTO sessions VALUES (NULL, ?, NULL, NULL, 'vibesbox')"
        return self._database.execute(values, (_now(),)).lastrowid or 0

    def _tail(self, n: int, output: bool) -> list[Entry]:
        """The last cells; those of this session come last, whatever other kernels have run meanwhile."""
        if n <= 0:
            return []
        own = _all(self._accessor.get_range(self._session, 1, None, output=output))[-n:] if self._session else []
        newest = _all(self._accessor.get_tail(n + len(own), output=output, include_latest=True))
        others = [entry for entry in newest if entry[0] != self._session]
        return [*others[len(others) - max(0, min(len(others), n - len(own))) :], *own]

    def _range(self, request: Request) -> list[Entry]:
        session = request.session if request.session > 0 else (self._session or self._next()) + request.session
        entries = _all(self._accessor.get_range(session, 0, None, output=request.output))
        last = entries[-1][1] if entries else 0
        start = request.start if request.start >= 0 else last + 1 + request.start
        stop = last + 1 if request.stop is None else request.stop if request.stop > 0 else last + 1 + request.stop
        return [entry for entry in entries if start <= entry[1] < stop]

    def _next(self) -> int:
        """The number that this session would have."""
        newest: int | None = self._accessor.get_last_session_id()
        return (newest or 0) + 1


def _all(entries: Iterable[Any]) -> list[Entry]:
    return list(entries)


def _now() -> str:
    return datetime.now(UTC).isoformat(" ")
