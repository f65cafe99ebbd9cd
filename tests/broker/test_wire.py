"""The frame format: whatever is sent arrives, and whatever is wrong is refused, not guessed at."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel.broker import wire

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
MESSAGES = st.lists(st.dictionaries(st.text(), VALUES, max_size=5), max_size=6)


@given(MESSAGES, st.data())
def test_messages_arrive_however_the_stream_is_cut(messages, data):
    stream = b"".join(wire.encode(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    decoder = wire.FrameDecoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:end])
    assert received == messages


@given(st.binary(max_size=2000))
def test_bytes_travel_as_text(data):
    assert wire.unpack_bytes(wire.pack_bytes(data)) == data


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_awaited_but_never_breaks_the_decoder(data):
    with contextlib.suppress(wire.FrameError):
        wire.FrameDecoder().feed(data)


def test_a_frame_that_is_announced_too_large_is_refused_at_once():
    with pytest.raises(wire.FrameError, match="1073741824 bytes is announced"):
        wire.FrameDecoder().feed((1 << 30).to_bytes(4, "big"))


def test_a_message_that_is_too_large_is_not_sent():
    with pytest.raises(wire.FrameError, match="the limit is"):
        wire.encode({"data": "x" * wire.MAX_FRAME_BYTES})


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[1]", b"null", b"\xff", b"[" * 100_000])
def test_a_frame_that_is_no_object_is_refused(body):
    with pytest.raises(wire.FrameError):
        wire.FrameDecoder().feed(len(body).to_bytes(4, "big") + body)


@pytest.mark.parametrize("body", [b'{"a":[' + b"{}," * 1_000_000 + b"{}]}", b'{"a":[' + b"[]," * 1_000_000 + b"[]]}"])
def test_a_frame_of_too_many_parts_is_refused_before_it_takes_memory(body):
    """Ours: eight megabytes of them would take two hundred."""
    tracemalloc.start()
    try:
        with pytest.raises(wire.FrameError, match="parts"):
            wire.FrameDecoder().feed(len(body).to_bytes(4, "big") + body)
        assert tracemalloc.get_traced_memory()[1] < 6 * len(body)  # copies on its way; parsed it would be thirty times
    finally:
        tracemalloc.stop()
