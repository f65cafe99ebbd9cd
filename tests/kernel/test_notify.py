"""``--notify``: what ``%ps`` and the page's comms get of a session's end."""

from __future__ import annotations

from tests.gate import Gate
from tests.kernel.driver import Driver

SECONDS = 30.0


def plain(kernel: Driver, magic: str) -> str:
    shown = kernel.run(magic, timeout=SECONDS).of_kind("display_data")
    return "".join(one["data"]["text/plain"] for one in shown)


def state_of(kernel: Driver, model: str) -> dict[str, object]:
    """What a page knows of a widget."""
    known: dict[str, object] = {}
    for one in kernel.comm_data(model):
        known |= one["data"].get("state", {})
    return known


def messages_of(kernel: Driver, model: str) -> list[dict[str, object]]:
    return [one["data"]["content"] for one in kernel.comm_data(model) if one["data"].get("method") == "custom"]


def test_the_next_table_tells_of_it_once(kernel: Driver, gate: Gate) -> None:
    kernel.run(f"%%session --bg --notify --name <b>\nread go <{gate}; exit 3", timeout=SECONDS)
    kernel.run("%%session --bg --name other\ntrue", timeout=SECONDS)
    assert "since you looked" not in plain(kernel, "%ps")
    gate.open()
    kernel.run("%wait <b> other", timeout=SECONDS)
    kernel.run("%ps --json", timeout=SECONDS)  # for programs: nobody has looked
    (shown,) = kernel.run("%ps", timeout=SECONDS).of_kind("display_data")
    first = shown["data"]["text/plain"].splitlines()[0]
    assert first.startswith("ended since you looked: <b>: exit 3 after ")
    assert "other" not in first
    assert shown["data"]["text/html"].startswith("<p>ended since you looked: &lt;b&gt;: exit 3 after ")
    assert "since you looked" not in plain(kernel, "%ps")


def test_one_page_after_another_is_given_the_word_until_one_has_told(kernel: Driver, gate: Gate) -> None:
    """Ours: a page says when it has told, and when it could not; meanwhile no other is given the word."""
    request = kernel.start(f"%%session --bg --notify --name train\nread go <{gate}", allow_stdin=True)
    kind = "application/vnd.jupyter.widget-view+json"

    def views() -> list[str]:
        shown = [one["content"]["data"] for one in kernel.seen(request) if one["msg_type"] == "display_data"]
        return [one[kind]["model_id"] for one in shown if kind in one]

    kernel.wait_until(lambda: bool(views()), timeout=SECONDS)
    (model,) = views()
    kernel.send_comm(model, {"t": "claim", "page": "early"})
    kernel.run("true", timeout=SECONDS)  # it has come, then
    gate.open()
    kernel.wait_until(
        lambda: str(state_of(kernel, model).get("ended", "")).startswith("train: exit 0"), timeout=SECONDS
    )
    assert messages_of(kernel, model) == []
    kernel.send_comm(model, {"t": "claim", "page": "one"})
    kernel.send_comm(model, {"t": "claim", "page": "two"})
    kernel.send_comm(model, {"t": "told", "page": "two"})
    kernel.send_comm(model, {"t": "failed", "page": "one"})
    kernel.send_comm(model, {"t": "claim", "page": "three"})
    kernel.send_comm(model, {"t": "told", "page": "three"})
    kernel.wait_until(lambda: state_of(kernel, model).get("told") is True, timeout=SECONDS)
    kernel.send_comm(model, {"t": "claim", "page": "four"})
    kernel.run("true", timeout=SECONDS)
    assert messages_of(kernel, model) == [{"t": "tell", "page": "one"}, {"t": "tell", "page": "three"}]


def test_where_nobody_looks_on_no_page_is_asked(kernel: Driver) -> None:
    """Jupyter: nbconvert and papermill take no input; the table tells of it all the same."""
    result = kernel.run("%%session --notify --name blind\ntrue", timeout=SECONDS, allow_stdin=False)
    assert "display_data" not in result.kinds
    kernel.run("%wait blind", timeout=SECONDS)  # its reply comes before its last process is reaped
    assert "blind: exit 0 after " in plain(kernel, "%ps")


def test_a_cell_that_tells_says_how_long_it_is_quiet_as_any_other(kernel: Driver, gate: Gate) -> None:
    kernel.run("%vibesbox config quiet_after=0.3")
    request = kernel.start(f"%%session --notify\nread go <{gate}", allow_stdin=True)

    def texts() -> list[str]:
        data = [one["content"]["data"] for one in kernel.seen(request) if "display_data" in one["msg_type"]]
        return [one["text/plain"] for one in data]

    kernel.wait_until(lambda: any("running for" in text for text in texts()), timeout=SECONDS)
    gate.open()
    kernel.finish(request, timeout=SECONDS)
    assert [one["msg_type"] for one in kernel.seen(request)].count("clear_output") == 1
    kernel.run("%vibesbox config reset")
