"""What goes over the broker's socket: length-prefixed JSON objects, bounded in size.

A frame is four bytes of length (big endian) and that many bytes of UTF-8 JSON, one object. A client
sends requests ``{"id": 7, "op": "start", …}``; the broker answers each once, with
``{"id": 7, "ok": {…}}`` or ``{"id": 7, "error": {"kind": …, "message": …, …}}``, and sends events
``{"event": "exited", "at": …, "session": {…}}`` in between. Bytes travel as base64 text,
commands too: their own brackets do not count as parts of the frame.

What a session has become is told by events alone, and the event comes before the answer to the
request that caused it: an answer that also carried state could overtake, or be overtaken.

Who reads ``hello``'s answer learns its own number among the broker's clients: a session's record names
the one that owns it. Only the owner may act on a session; anyone may read it.

The output of sessions does not travel at all: readers take it from the spool, and the broker only
says how far each has come (``{"event": "output", "ends": {session_id: cursor}}``).
"""

from __future__ import annotations

import array
import base64
import bisect
import json
import sys
from collections.abc import Mapping
from typing import Any, TypedDict

from vibesbox_kernel.broker.peer import Deathwatch as Deathwatch
from vibesbox_kernel.broker.peer import peer_credentials as peer_credentials

PROTOCOL = 1
MAX_FRAME_BYTES = 8 << 20
"""A whole environment still fits, whose every byte JSON has to escape (six bytes each)."""

MAX_FRAME_PARTS = 1 << 18
"""Braces, brackets and commas: eight megabytes of empty objects would take two hundred of memory."""

MAX_COMMAND_BYTES = 1 << 20
MAX_HELD_DESCRIPTORS = 256
"""As many open descriptors of one leader are listed, and can be held for the next."""

SOCKET_NAME = "sock"
ANNOUNCEMENTS_NAME = "ends"
"""A fifo beside the socket: see ``announcements``."""

LOG_NAME = "broker.log"
RUN_NAME = "run.json"
META_NAME = "meta.json"
EXIT_NAME = "exit.json"
SEGMENT_PREFIX = "out."
"""A session's output lies in files of this prefix and the absolute cursor at which each starts."""

INDEX_PREFIX = "err."
"""Beside a segment, with the same cursor: which of its bytes were written to stderr; see ``stream_index``."""

IO_KINDS = ("pipe", "pty", "split", "split-pipe")
"""What a session's streams may be."""

TERMINALS = frozenset({"pty", "split"})
"""Those of these that are terminals."""

SPLIT = frozenset({"split", "split-pipe"})
"""Those that keep stderr apart."""

STDOUT, STDERR = 0, 1
PROGRESS_STATES = ("normal", "error", "paused", "indeterminate")
MAX_PROGRESS_TEXT = 200
"""Characters of what a session says of its progress."""

MARK_BYTES = 8

WORKSPACE_PREFIX = "work-"
"""Beside the socket, each client may have a directory of this prefix, its pid, a dash and a random word."""

CLOSED_NAME = "closed"
"""A file in there says that its client lives on and wants nothing of it any more; sessions may still."""

SESSION_MARKER = "VIBESBOX_SESSION"
"""Environment variable that names the session of a process; the second way to tell whose it is."""

BROKER_VARIABLE = "VIBESBOX_BROKER"
"""Environment variable by which a session's processes find the broker's socket, to report their progress."""

CONTROL_DESCRIPTOR = 250
"""Where a prepared session's leader finds the read end of its control pipe."""

_HEADER_BYTES = 4
_to_json = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps would make one at each call

Message = dict[str, Any]


class FrameError(ValueError):
    """The peer broke the format; nothing that follows can be trusted."""


class ProgressRecord(TypedDict):
    """How far a session says that it has come: ``state`` is one of ``PROGRESS_STATES``, ``fraction`` 0 to 1 or None."""

    state: str
    fraction: float | None
    text: str


class SessionRecord(TypedDict):
    """What the broker says of a session, in answers and in events.

    Times are Unix seconds, cursors and sizes bytes. ``returncode`` is negative for a signal. ``pid`` is None until a
    queued session starts. ``client`` is the number of the client that owns it, ``policy`` has what is not at its
    default, ``waits_for`` is ``line``, ``password``, ``key``, ``keys`` or None, ``announced`` says that the leader has
    told its exit status and still lives, ``descriptors`` are those above 2 that a leader had open for its children when
    it stopped itself, ``usage`` has CPU seconds, resident bytes, the most of these, number of processes, bytes read
    from storage and written to it, as of the broker's last look. ``progress`` is never on disk: it passes.
    """

    session_id: str
    pid: int | None
    queued: bool
    client: int | None
    durable: bool
    policy: dict[str, Any]
    restarts: int
    restart_at: float | None
    problem: str | None
    progress: ProgressRecord | None
    usage: list[float] | None
    command: str
    name: str | None
    cwd: str
    owner: str
    io: str
    started_at: float
    returncode: int | None
    exited_cursor: int | None
    end_cursor: int
    dropped_bytes: int
    drained: bool
    stopped: bool
    announced: bool
    waits_for: str | None
    over: bool
    end_reason: str | None
    ended_at: float | None
    duration: float | None
    leftovers: list[int]
    descriptors: list[int]
    directory: str


def encode(message: Mapping[str, Any]) -> bytes:
    """One frame.

    Raises:
        FrameError: The message is larger than ``MAX_FRAME_BYTES``.
    """
    body = _to_json(message).encode()
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(body)} bytes; the limit is {MAX_FRAME_BYTES}")
    return len(body).to_bytes(_HEADER_BYTES, "big") + body


def pack_bytes(data: bytes) -> str:
    """Bytes as the text that a frame can carry."""
    return base64.b64encode(data).decode("ascii")


def unpack_bytes(text: str) -> bytes:
    """The bytes of ``pack_bytes``; ValueError for anything else."""
    return base64.b64decode(text, validate=True)


def index_path(directory: str, segment: int) -> str:
    """Where the marks of a segment are."""
    return f"{directory}/{INDEX_PREFIX}{segment}"


def pack_mark(cursor: int, stream: int) -> bytes:
    """The bytes from a cursor on come from a stream."""
    return (cursor << 1 | stream).to_bytes(MARK_BYTES, "big")


def unpack_marks(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Cursors and streams that say whose the bytes of ``[start, end)`` are, in the order of the cursors."""
    values = array.array("Q", data[: len(data) - len(data) % MARK_BYTES])  # half a mark is just being written
    if sys.byteorder == "little":
        values.byteswap()
    ordered = sorted(values)  # they are, but for those that a full disk took at the second attempt
    first = max(0, bisect.bisect_left(ordered, (start + 1) << 1) - 1)
    last = bisect.bisect_left(ordered, end << 1)
    return [(value >> 1, value & 1) for value in ordered[first:last]]


class FrameDecoder:
    """Cuts a byte stream into messages; holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes | memoryview) -> list[Message]:
        """Take what a read gave.

        Returns:
            The messages that are now complete, oldest first.

        Raises:
            FrameError: A length over the limit, or a body that is no JSON object.
        """
        self._pending += data
        messages: list[Message] = []
        while (body := self._next_body()) is not None:
            messages.append(_decode(body))
        return messages

    def _next_body(self) -> bytes | None:
        if len(self._pending) < _HEADER_BYTES:
            return None
        length = int.from_bytes(self._pending[:_HEADER_BYTES], "big")
        if length > MAX_FRAME_BYTES:
            raise FrameError(f"a frame of {length} bytes is announced; the limit is {MAX_FRAME_BYTES}")
        end = _HEADER_BYTES + length
        if len(self._pending) < end:
            return None
        body = bytes(self._pending[_HEADER_BYTES:end])
        del self._pending[:end]
        return body


def _decode(body: bytes) -> Message:
    if sum(map(body.count, (b"{", b"[", b","))) > MAX_FRAME_PARTS:
        raise FrameError(f"a frame of more than {MAX_FRAME_PARTS} parts")
    try:
        message = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame that is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise FrameError("a frame that is not a JSON object")
    return message
