"""The terminal without a browser: a real session at one end, at the other what a browser would send and get."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.widgets.conftest import RecordingComm
from vibesbox_kernel.errors import NoTerminalError, SessionEndedError, SessionNotFoundError
from vibesbox_kernel.models import IoMode
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.widgets import replay, terminal_stream
from vibesbox_kernel.widgets.live import STATIC
from vibesbox_kernel.widgets.terminal_view import TerminalView, library_key
from vibesbox_kernel.widgets.views import Views

pytestmark = pytest.mark.usefixtures("recorded")


class Browser:
    """One view of a terminal: what it has been sent, and what it says."""

    def __init__(self, terminal: TerminalView, view: str = "v1") -> None:
        self.terminal = terminal
        self.view = view
        self.session_id = terminal._session_id
        self.comm = cast("RecordingComm", terminal.comm)

    def say(self, op: str, **facts: Any) -> None:
        """What a browser sends arrives on a thread of Jupyter's."""
        content = {"op": op, "view": self.view, **facts}
        message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
        thread = threading.Thread(target=self.terminal._handle_msg, args=[message])
        thread.start()
        thread.join()

    def heard(self, op: str) -> list[dict[str, Any]]:
        return [one for one in self.comm.custom if one["op"] == op and one.get("view") in (self.view, "")]

    @property
    def written(self) -> bytes:
        """What the terminal would have been given since it was last reset."""
        data = b""
        for content, piece in list(self.comm.with_bytes):
            if content.get("view") == self.view and content["op"] in ("replay", "output"):
                data = piece if content["op"] == "replay" else data + piece
        return data

    def wait(self, wanted: Callable[[], bool]) -> None:
        self.comm.wait(lambda _: wanted())

    def see(self, text: bytes) -> None:
        self.wait(lambda: text in self.written)


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again, since nobody tells."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Bench:
    """A manager, its views, and terminals on commands."""

    def __init__(self, manager: SessionManager) -> None:
        self.manager = manager
        self.views = Views(manager, lambda: 100)
        self.shown: list[dict[str, Any]] = []

    def start(self, command: str, **options: Any) -> str:
        options.setdefault("io", IoMode.PTY)
        return self.manager.engine.call(self.manager.submit_session(command, **options))

    def open(self, session_id: str) -> Browser:
        terminal = self.manager.engine.call(self.views.show_terminal(self._publish, session_id))
        return Browser(terminal)

    def on(self, command: str, **options: Any) -> Browser:
        browser = self.open(self.start(command, **options))
        browser.say("hello")
        browser.say("size", rows=20, columns=70)
        return browser

    def terminal_size(self, browser: Browser) -> tuple[int, int] | None:
        try:
            state = self.manager.engine.call(self.manager.terminal(browser.session_id))
        except SessionEndedError:
            return None
        return state.rows, state.columns

    def _publish(self, data: dict[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        self.shown.append(data)


@pytest.fixture
def bench() -> Iterator[Bench]:
    manager = SessionManager()
    made = Bench(manager)
    yield made
    made.views.close()
    manager.engine.call(manager.aclose())
    manager.engine.close()


def test_what_is_typed_reaches_the_program_and_its_answer_the_terminal(bench: Bench):
    browser = bench.on('read line; echo "got [$line]"; exec cat')
    browser.say("type", text="grüße\n")
    browser.see("got [grüße]\n".encode())


def test_bytes_that_are_no_text_arrive_as_they_are(bench: Bench):
    browser = bench.on("stty raw -echo; echo ready; head -c 3 | od -An -tx1; exec cat")
    browser.see(b"ready")
    browser.say("type", text="\x1b\xff\x80", bytes=True)
    browser.see(b"1b ff 80")


def test_the_program_sees_the_size_of_the_view(bench: Bench):
    """POSIX: SIGWINCH, which is blocked here, so that none is missed."""
    program = (
        "import os, signal as s; s.pthread_sigmask(s.SIG_BLOCK, {s.SIGWINCH}); print('ready', flush=True)\n"
        "while s.sigwait({s.SIGWINCH}): print('now', *os.get_terminal_size(0), flush=True)"
    )
    browser = bench.on(f"exec {sys.executable} -c {shlex.quote(program)}")
    browser.see(b"ready")
    browser.say("size", rows=33, columns=111)
    browser.see(b"now 111 33")


def test_who_opens_later_sees_what_was_there(bench: Bench):
    browser = bench.on("echo first; exec cat")
    browser.see(b"first")
    later = Browser(browser.terminal, view="v2")
    later.say("hello")
    later.see(b"first")
    lead = [one for one in later.comm.custom if one["op"] == "lead"][-1]
    assert lead == {"op": "lead", "view": "v1", "rows": 20, "columns": 70}


def test_a_session_that_was_queued_begins_with_the_size_of_the_view(bench: Bench):
    first = bench.start("read x", name="first")
    browser = bench.on("exec cat", after=[first])
    until(lambda: bench.views._leads.of(browser.session_id).rows == 20)
    bench.manager.engine.call(bench.manager.send_input(first, "\n"))
    until(lambda: bench.terminal_size(browser) == (20, 70))


def test_a_session_without_a_terminal_has_none_to_show(bench: Bench):
    session_id = bench.start("exec sleep 600", io=IoMode.PIPE, name="plain")
    with pytest.raises(NoTerminalError, match=r"plain \(pid \d+\) has no terminal \(--io pipe\); .* --io pty"):
        bench.open(session_id)
    with pytest.raises(SessionNotFoundError):
        bench.open("nothing")


def test_from_the_first_key_on_nobody_else_is_asked_until_the_terminal_is_left(bench: Bench):
    browser = bench.on("read -p 'one? ' a; read -p 'two? ' b; exec cat")

    def waits_for(wanted: bool) -> bool:
        looked = bench.manager.engine.call(bench.manager.look_at_input(browser.session_id))
        return (looked is not None) is wanted

    until(lambda: waits_for(True))
    browser.say("type", text="1\n")
    browser.see(b"two? ")
    until(lambda: bench.manager.info(browser.session_id).waiting_for_input)
    assert waits_for(False)
    browser.say("left")
    until(lambda: waits_for(True))
    browser.say("type", text="2")
    until(lambda: waits_for(False))
    browser.say("bye")  # its only view is gone
    until(lambda: waits_for(True))


def test_what_is_typed_is_kept_nowhere(bench: Bench, tmp_path: Path):
    browser = bench.on("stty -echo; read word; stty echo; echo ${#word} letters; exec cat")
    until(lambda: bench.manager.info(browser.session_id).waiting_for_input)
    browser.say("type", text="xyzzy-never-stored\n")
    browser.see(b"18 letters")
    assert "xyzzy" not in str(browser.comm.sent)
    homes = [Path(os.environ[name]) for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")]
    files = [one for home in homes for one in home.rglob("*") if one.is_file()]
    assert files
    assert not [one for one in files if b"xyzzy" in one.read_bytes()]


def test_the_newest_end_is_shown_to_who_was_left_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(terminal_stream, "UNREAD_BYTES", 1000)
    monkeypatch.setattr(terminal_stream, "BEHIND_BYTES", 50_000)
    monkeypatch.setattr(terminal_stream, "MESSAGE_BYTES", 1000)
    monkeypatch.setattr(replay, "REPLAY_BYTES", 5000)
    browser = bench.on("read x; seq 1 40000; exec cat")
    browser.say("type", text="\n")
    until(lambda: bench.manager.output_end(browser.session_id) > 200_000)  # nobody reads: the session is not held up
    assert len(browser.written) < 10_000
    browser.say("taken", bytes=10_000)
    browser.see(b"\n40000\n")
    assert b"\n1\n2\n" not in browser.written


def test_the_picture_has_the_last_lines_and_then_what_a_browser_sees(bench: Bench):
    session_id = bench.start("echo '<first>'; exec cat")
    until(lambda: bench.manager.output_end(session_id) > 0)
    browser = bench.open(session_id)
    picture = bench.shown[-1]
    assert re.fullmatch(r"Terminal of pid \d+: (running|waits for input)\n<first>\n", picture["text/plain"])
    assert "&lt;first&gt;" in picture["text/html"]
    browser.say("screen", text="as seen")
    until(lambda: browser.terminal.picture.endswith("\nas seen\n"))


def test_what_a_browser_sees_is_not_replaced_by_last_lines_that_were_read_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """Ours: the lines are asked of the broker, and a page may say meanwhile what is on the screen."""
    browser = bench.on("echo first; exec cat")
    asked, answer = threading.Event(), threading.Event()

    async def slow_tail(*_: object) -> str:
        asked.set()
        await asyncio.to_thread(answer.wait)
        return "read before"

    monkeypatch.setattr(bench.manager, "tail", slow_tail)
    noting = asyncio.run_coroutine_threadsafe(browser.terminal.note_last_lines(), bench.manager.engine.loop)
    assert asked.wait(10)
    browser.say("screen", text="as seen")
    until(lambda: browser.terminal.picture.endswith("\nas seen\n"))
    answer.set()
    noting.result(10)
    assert browser.terminal.picture.endswith("\nas seen\n")


def test_the_end_is_told_and_input_refused(bench: Bench):
    browser = bench.on("read line; exit 3")
    browser.say("type", text="x\n")
    browser.wait(lambda: any("exited (exit 3) after " in update.get("state", "") for update in browser.comm.updates))
    assert browser.terminal.refusal.endswith("is over: it takes no input any more.")


def test_the_library_is_sent_to_who_asks(bench: Bench):
    browser = bench.on("exec cat")
    browser.say("library")
    browser.wait(lambda: any(content["op"] == "library" for content, _ in browser.comm.with_bytes))
    ((content, bundle),) = [one for one in browser.comm.with_bytes if one[0]["op"] == "library"]
    assert content["key"] == library_key() == browser.terminal.library
    assert bundle == (STATIC / "xterm.js").read_bytes()
