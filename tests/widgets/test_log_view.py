"""The log view without a browser: a real session at one end, at the other what a browser would send and get."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from tests.gate import Gate
from tests.widgets.conftest import RecordingComm
from vibesbox_kernel.errors import SessionNotFoundError
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.log_search import LogSearch
from vibesbox_kernel.widgets import log_download, log_view
from vibesbox_kernel.widgets.log_view import LogView
from vibesbox_kernel.widgets.views import Views

pytestmark = pytest.mark.usefixtures("recorded")


class Browser:
    """One picture of a log in a page: what it has been sent, and what it says."""

    def __init__(self, log: LogView, view: str = "v1") -> None:
        self.log = log
        self.view = view
        self.comm = cast("RecordingComm", log.comm)
        self._requests = 0

    def say(self, op: str, **facts: Any) -> None:
        """What a browser sends arrives on a thread of Jupyter's."""
        message = {"content": {"data": {"method": "custom", "content": {"op": op, "view": self.view, **facts}}}}
        thread = threading.Thread(target=self.log._handle_msg, args=[{**message, "buffers": []}])
        thread.start()
        thread.join()

    def ask(self, op: str, **facts: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        self._requests += 1
        wanted = self._requests
        self.say(op, id=wanted, **facts)
        self.wait(lambda: any(one.get("id") == wanted for one in self.heard(op)))
        return next(one for one in self.heard(op) if one.get("id") == wanted)

    def heard(self, op: str) -> list[dict[str, Any]]:
        return [one for one in self.comm.custom if one["op"] == op and one.get("view", self.view) == self.view]

    @property
    def state(self) -> dict[str, Any]:
        states = self.heard("state")
        return states[-1] if states else {"total": -1, "word": "", "bytes": -1, "n": 0}

    @property
    def lines(self) -> dict[int, Any]:
        """The lines that it was told of without having asked."""
        found: dict[int, Any] = {}
        for state in self.heard("state"):
            tail = state.get("tail", {"first": 0, "lines": []})
            found |= dict(enumerate(tail["lines"], tail["first"]))
        return found

    def acknowledge(self) -> None:
        self.say("ack", n=self.state["n"])

    def wait(self, wanted: Callable[[], bool]) -> None:
        self.comm.wait(lambda _: wanted())


class Bench:
    """A manager, its views, and logs of commands."""

    def __init__(self, manager: SessionManager) -> None:
        self.manager = manager
        self.views = Views(manager, lambda: 100)
        self.shown: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def start(self, command: str, **options: Any) -> str:
        pid = self.manager.engine.call(self.manager.start_session(command, shell="/bin/bash", **options))
        return self.manager.info(pid).session_id

    def run(self, command: str, **options: Any) -> str:
        session_id = self.start(command, **options)
        self.manager.engine.call(self.manager.wait(session_id))
        return session_id

    def open(self, session_id: str, **options: Any) -> Browser:
        log = self.manager.engine.call(self.views.show_log(self._publish, session_id, **options))
        return Browser(log)

    def on(self, session_id: str) -> Browser:
        browser = self.open(session_id)
        browser.say("hello")
        browser.wait(lambda: browser.state["bytes"] == self.manager.output_end(session_id))
        return browser

    def wait_picture(self, text: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.shown[-1]["data"]["text/plain"], timeout=20), self.shown

    def _publish(self, data: dict[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        with self._changed:
            self.shown.append({"data": data, "display_id": display_id, "update": update})
            self._changed.notify_all()


@pytest.fixture
def bench() -> Iterator[Bench]:
    manager = SessionManager()
    made = Bench(manager)
    yield made
    made.views.close()
    manager.engine.call(manager.aclose())
    manager.engine.close()


def test_what_is_written_comes_by_itself_and_then_the_end(bench: Bench, gate: Gate):
    browser = bench.open(bench.start(f"echo one; read go <{gate}; echo two; read go <{gate}; exit 3"))
    browser.say("hello")
    browser.wait(lambda: browser.lines == {0: "one"})
    assert browser.state["word"] == "running"
    gate.open()
    browser.wait(lambda: browser.lines == {0: "one", 1: "two"})
    assert browser.heard("state")[-1]["tail"]["first"] == 1  # what it has is not sent again
    gate.open()
    browser.wait(lambda: browser.state["word"] == "exited (exit 3)")


def test_nothing_is_sent_when_nothing_changes_or_nobody_looks(bench: Bench, gate: Gate):
    session_id = bench.start(f"echo one; read go <{gate}; echo two; exec sleep 600")
    browser = bench.open(session_id)
    assert browser.comm.custom == []
    browser.say("hello")
    browser.wait(lambda: browser.lines == {0: "one"})
    browser.say("alive", n=browser.state["n"])
    browser.say("place", line=0, following=True, rows=20)
    browser.ask("goto", line=0, back=False)  # it is answered after all of that
    told = len(browser.heard("state"))
    browser.say("bye")
    gate.open()
    bench.manager.engine.call(bench.manager.read(session_id, 4, wait=5))
    bench.manager.engine.call(bench.manager.terminate_session(session_id, force=True))
    bench.wait_picture("killed")
    assert len(browser.heard("state")) == told


def test_lines_are_given_by_number(bench: Bench):
    browser = bench.on(bench.run("seq 100000"))
    assert browser.state["total"] == 100_000
    assert browser.ask("lines", first=50_000, count=3)["lines"] == ["50001", "50002", "50003"]
    assert len(browser.ask("lines", first=0, count=100_000)["lines"]) == log_view.MAX_ROWS
    assert browser.ask("lines", first=100_000, count=5)["lines"] == []


def test_a_flood_is_few_messages_and_no_more_than_a_page_bears(bench: Bench):
    begin = time.monotonic()
    browser = bench.open(bench.start("for i in {1..20}; do seq 100000; sleep 0.02; done"))
    browser.say("hello")
    browser.say("place", line=0, following=True, rows=50)
    while browser.state["word"] in ("", "running") or browser.state["total"] < 2_000_000:
        told = len(browser.heard("state"))
        browser.acknowledge()
        browser.wait(lambda told=told: len(browser.heard("state")) > told)  # type: ignore[misc]
    states = browser.heard("state")
    assert all(len(state["tail"]["lines"]) <= 100 for state in states)
    assert len(states) < 20 * (time.monotonic() - begin) + 10


def test_who_does_not_keep_up_is_told_less_often(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log_view, "UNHEARD_SECONDS", 600.0)
    browser = bench.open(bench.start("while :; do echo line; sleep 0.01; done"))
    browser.say("hello")
    browser.wait(lambda: len(browser.heard("state")) == log_view.MAX_UNHEARD)
    before = browser.state["total"]
    bench.manager.engine.call(bench.manager.read(browser.log._session_id, browser.state["bytes"] + 40, wait=5))
    assert browser.state["total"] == before
    browser.acknowledge()
    browser.wait(lambda: browser.state["total"] > before)


def test_who_has_missed_a_message_is_told_again(bench: Bench):
    browser = bench.on(bench.run("seq 500"))
    told = len(browser.heard("state"))
    browser.say("alive", n=0)
    browser.wait(lambda: len(browser.heard("state")) > told)
    assert (browser.state["total"], browser.state["tail"]["lines"][-1]) == (500, "500")


def test_who_comes_back_is_where_it_was(bench: Bench):
    browser = bench.on(bench.run("seq 5000"))
    browser.say("place", line=1234, following=False, rows=30)
    browser.say("search", text="42", regex=False, case=False, age=3)
    again = Browser(browser.log, "v2")
    again.say("hello")
    again.wait(lambda: any("v2" in state.get("hello", []) for state in again.heard("state")))
    assert again.state["place"] == {"line": 1234, "following": False}
    assert again.state["query"] == {"text": "42", "regex": False, "case": False, "age": 3}
    assert again.state["tail"]["lines"][-1] == "5000"


def test_a_search_counts_marks_and_finds_its_way(bench: Bench):
    browser = bench.on(bench.run("seq 300000"))
    browser.say("search", text="999", regex=False, case=False, age=1)
    browser.wait(lambda: any(one["done"] for one in browser.heard("found")))
    count = sum("999" in str(number) for number in range(1, 300_001))
    found = {"op": "found", "age": 1, "count": count, "full": False, "done": True, "percent": 100}
    assert browser.heard("found")[-1] == found
    hit = browser.ask("goto", line=1000, back=False)
    assert (hit["line"], hit["at"], hit["count"]) == (1998, 2, count)
    assert browser.ask("lines", first=1998, count=2)["lines"] == [{"s": [[0, "1999"]], "m": [[1, 4]]}, "2000"]
    browser.say("search", text="^1[0-9]{5}$", regex=True, case=False, age=2)
    browser.wait(lambda: any(one["age"] == 2 and one["full"] for one in browser.heard("found")))
    browser.say("search", text="(a+)+", regex=True, case=False, age=3)
    browser.wait(lambda: "for ever" in browser.heard("found")[-1].get("error", ""))
    browser.say("search", text="", age=4)
    assert browser.ask("goto", line=0, back=False)["line"] is None


def test_a_search_goes_on_with_what_comes(bench: Bench, gate: Gate):
    browser = bench.on(bench.start(f"echo a needle; read go <{gate}; echo hay; echo needles; exec sleep 600"))
    browser.say("search", text="NEEDLE", age=1)
    browser.wait(lambda: bool(browser.heard("found")) and browser.heard("found")[-1]["count"] == 1)
    gate.open()
    browser.wait(lambda: browser.heard("found")[-1]["count"] == 2)
    assert browser.ask("goto", line=0, back=False)["line"] == 2


def test_who_was_answered_in_the_midst_of_a_search_hears_of_its_end(
    bench: Bench, gate: Gate, monkeypatch: pytest.MonkeyPatch
):
    """Ours: the same had been told before, and the page would say for ever how far the search has come."""
    browser = bench.on(bench.start(f"echo needle; read go <{gate}; echo hay; exec sleep 600"))
    browser.say("search", text="needle", age=1)
    browser.wait(lambda: bool(browser.heard("found")) and browser.heard("found")[-1]["done"])
    with monkeypatch.context() as patched:
        patched.setattr(LogSearch, "is_done", property(lambda _: False))
        assert not browser.ask("goto", line=-1, back=False)["done"]
    told = len(browser.heard("found"))
    gate.open()
    browser.wait(lambda: len(browser.heard("found")) > told and browser.heard("found")[-1]["done"])


def test_a_download_is_every_byte_and_the_text_is_what_a_terminal_shows(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log_download, "PART_BYTES", 1000)
    session_id = bench.run(r"printf '1%%\r100%%\n\e[31mred\e[0m\xff\n'; seq 3000", name="my/build")
    browser = bench.on(session_id)
    stored = bench.manager.engine.call(bench.manager.read(session_id, 0, max_bytes=1 << 20)).data

    def part(number: int, at: int, plain: bool) -> tuple[dict[str, Any], bytes]:
        told = len(browser.comm.with_bytes)
        browser.say("part", id=number, at=at, plain=plain)
        browser.wait(lambda: len(browser.comm.with_bytes) > told)
        return browser.comm.with_bytes[-1]

    def download(*, plain: bool) -> tuple[bytes, dict[str, Any]]:
        at, done = 0, False
        answer: dict[str, Any] = {}
        number = 1000 + plain
        data: dict[int, bytes] = {}
        while not done:
            for _ in range(2):  # asked for twice, it comes twice
                answer, data[at] = part(number, at, plain)
            at, done = answer["next"], answer["done"]
        return b"".join(data.values()), answer

    data, last = download(plain=False)
    assert data == stored
    assert (last["size"], last["dropped"]) == (len(stored), 0)
    assert last["name"].startswith("my_build-")
    assert last["name"].endswith(".log")
    text, last = download(plain=True)
    assert text.decode().splitlines()[:3] == ["100%", "red\ufffd", "1"]
    assert text.count(b"\n") == 3002
    assert last["name"].endswith(".txt")


def test_stderr_screens_and_long_lines_are_told_apart(bench: Bench, gate: Gate):
    script = rf"echo out; read go <{gate}; echo err >&2; read go <{gate}; printf 'a\e[?1049hdrawn\e[?1049lb\n'"
    session_id = bench.start(f"{script}; head -c 1000000 /dev/zero | tr '\\0' x", io="split-pipe")
    browser = bench.open(session_id)
    browser.say("hello")
    for lines in (1, 2):
        browser.wait(lambda lines=lines: browser.state["total"] == lines)  # type: ignore[misc]
        gate.open()
    browser.wait(lambda: browser.state["word"] == "exited (exit 0)")
    out, err, drawn, long = browser.ask("lines", first=0, count=10)["lines"]
    assert (out, err) == ("out", {"s": [[1, "err"]]})
    assert [kind for kind, _ in drawn["s"]] == [0, 3, 0]
    assert [kind for kind, _ in long["s"]] == [0, 4, 0]
    piece = browser.ask("piece", line=3, offset=500_000)
    assert (piece["size"], piece["offset"], set(piece["text"])) == (1_000_000, 500_000, {"x"})


def test_the_picture_is_the_end_of_the_output(bench: Bench, gate: Gate):
    script = f"printf '\\e[31m<b>\\e[0m\\n'; seq 30; read go <{gate}; exit 4"
    bench.open(bench.start(script, name="web"), lines=5)
    gate.open()
    bench.wait_picture("exited (exit 4); the end of its output:\n26\n27\n28\n29\n30\n")
    picture = bench.shown[-1]
    assert picture["display_id"] == bench.shown[1]["display_id"]
    assert "<pre>26\n27\n28\n29\n30</pre>" in picture["data"]["text/html"]
    bench.open(bench.run(r"printf '\e[31m<b>\e[0m'"))
    assert "<pre>&lt;b&gt;</pre>" in bench.shown[-1]["data"]["text/html"]


def test_where_output_was_dropped_stands_how_much(bench: Bench, gate: Gate):
    script = f"seq 10000; read go <{gate}; seq 10001 40000; read go <{gate}"
    session_id = bench.start(script, max_output_bytes=100_000, io="pipe")
    browser = bench.open(session_id)
    browser.say("hello")
    browser.wait(lambda: browser.state["total"] == 10_000)
    gate.open()
    stopped = "".join(f"{number}\n" for number in range(1, 40_001))
    browser.wait(lambda: browser.state["bytes"] == len(stopped) and browser.state["first"] > 0)
    gate.open()
    bench.manager.engine.call(bench.manager.wait(session_id))
    first, total = browser.state["first"], browser.state["total"]  # what was dropped before it was counted counts not
    answer = browser.ask("lines", first=0, count=2)
    assert answer["first"] == first
    (kind, dropped), (_, rest) = answer["lines"][0]["s"]
    assert (kind, dropped) == (2, bench.manager.info(session_id).dropped_bytes)
    assert stopped[dropped:].startswith(f"{rest}\n{answer['lines'][1]}\n")
    assert answer["lines"][1] == str(40_000 - (total - first - 2))
    later = bench.on(session_id)
    assert later.ask("lines", first=0, count=1)["lines"] == [{"s": [[2, dropped], [0, rest]]}]


def test_a_session_of_another_program_can_be_read(bench: Bench):
    session_id = bench.start("seq 1000; exec sleep 600", durable=True)
    bench.manager.engine.call(bench.manager.read(session_id, 3000, wait=20))
    other = SessionManager()
    try:
        there = Bench(other)
        other.engine.call(other.attach_session(session_id))
        browser = there.on(session_id)
        browser.wait(lambda: browser.state["total"] == 1000)
        assert browser.ask("lines", first=998, count=5)["lines"] == ["999", "1000"]
        bench.manager.engine.call(bench.manager.terminate_session(session_id, force=True))
        browser.wait(lambda: browser.state["word"].startswith("killed"))
        there.views.close()
    finally:
        other.engine.call(other.aclose())
        other.engine.close()


def test_another_name_is_shown(bench: Bench, gate: Gate):
    session_id = bench.start("exec sleep 600", name="web")
    browser = bench.on(session_id)
    assert browser.log.title.startswith("web (pid ")
    bench.manager.engine.call(bench.manager.rename_session(session_id, "api"))
    browser.wait(lambda: any(update.get("title", "").startswith("api (pid ") for update in browser.comm.updates))


def test_a_session_that_is_forgotten_says_so(bench: Bench):
    with pytest.raises(SessionNotFoundError):
        bench.open("nothing")
    browser = bench.on(bench.run("seq 10"))

    async def forget() -> None:
        hub = bench.manager.hub
        entry = hub.mirror.by_id(browser.log._session_id)
        assert entry is not None
        hub.mirror.let_go(entry)

    bench.manager.engine.call(forget())
    browser.say("lines", first=0, count=3)
    browser.wait(lambda: any("not remembered any more" in one.get("notice", "") for one in browser.comm.updates))


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"op": ["lines"]},
        {"op": "lines"},
        {"op": "lines", "first": "x", "count": -1},
        {"op": "part", "id": None, "at": 77},
        {"op": "piece", "line": 10**9, "offset": -5},
        {"op": "search", "text": 7, "age": "x"},
        {"op": "goto", "line": None},
        {"op": "place", "line": [], "rows": 10**9},
        {"op": "ack", "n": 10**9},
    ],
)
def test_a_message_that_means_nothing_does_no_harm(bench: Bench, nonsense: dict[str, Any]):
    browser = bench.on(bench.run("seq 10"))
    browser.say(nonsense.pop("op", None), **nonsense)
    assert browser.ask("lines", first=3, count=1)["lines"][:1] == ["4"]
    assert browser.log.notice == ""


def test_many_pictures_and_requests_are_bounded(bench: Bench):
    browser = bench.on(bench.run("seq 10"))
    for number in range(50):
        Browser(browser.log, f"view {number}").say("hello")

    async def count() -> int:
        return len(browser.log._viewers)

    assert bench.manager.engine.call(count()) <= log_view.MAX_VIEWERS


def test_a_closed_log_follows_nothing(bench: Bench):
    browser = bench.on(bench.start("exec sleep 600"))
    browser.log.close()
    browser.comm.wait(lambda comm: comm.sent[-1][0] == "comm_close")
