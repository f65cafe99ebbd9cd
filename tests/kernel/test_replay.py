"""What a cell shows, to be shown again."""

from __future__ import annotations

from typing import Any

from vibesbox_kernel.frontends.replay import MAX_CHARACTERS, Replay


def stream(text: str, name: str = "stdout") -> tuple[str, dict[str, Any]]:
    return "stream", {"name": name, "text": text}


def display(text: str, uid: str, *, update: bool = False, kind: str = "text/plain") -> tuple[str, dict[str, Any]]:
    content = {"data": {kind: text}, "metadata": {}, "transient": {"display_id": uid}}
    return ("update_display_data" if update else "display_data"), content


def replay(*messages: tuple[str, dict[str, Any]]) -> Replay:
    one = Replay()
    for kind, content in messages:
        one.note(kind, content)
    return one


def test_text_of_one_stream_is_one_message():
    one = replay(stream("a"), stream("b\n"), stream("c", "stderr"), stream("d"))
    assert one.messages() == [stream("ab\n"), stream("c", "stderr"), stream("d")]
    one.note(*stream("e"))
    assert one.messages()[-1] == stream("de")


def test_an_update_stands_where_what_it_replaces_stood():
    one = replay(display("1", "x"), stream("a"), display("2", "x", update=True))
    assert one.messages() == [display("2", "x"), stream("a")]


def test_text_that_overwrites_itself_does_not_count():
    one = replay(*(stream(f"\r{number:90}") for number in range(10_000)))
    assert not one.is_lost
    assert one.messages()[0][1]["text"].endswith(f"\r{9999:90}")
    assert len(one.messages()[0][1]["text"]) < MAX_CHARACTERS


def test_what_is_too_much_or_can_not_be_sent_again_is_lost():
    assert replay(*(stream("x" * 1000) for _ in range(101))).is_lost
    assert replay(display("y" * MAX_CHARACTERS, "y")).is_lost
    assert replay(display("z", "z", kind="application/vnd.jupyter.widget-view+json")).is_lost
    assert replay(display("z", "unknown", update=True)).is_lost
    assert replay(stream("a"), ("clear_output", {"wait": True})).is_lost
    assert replay(display("z", "unknown", update=True)).messages() == []
