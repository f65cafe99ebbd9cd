"""The sessions' streams: output into the spool, input from clients; never waits for either end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from vibesbox_kernel.broker import system
from vibesbox_kernel.broker.long_lines import in_pieces
from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.progress_reports import ESCAPE, Report, find_reports
from vibesbox_kernel.broker.session import Outlet, Session
from vibesbox_kernel.broker.tail import TAIL_BYTES
from vibesbox_kernel.broker.wire import STDOUT

READ_BYTES = 1 << 16
"""What a pipe holds. A larger buffer would be fresh pages from the kernel at each read: 15 µs, not 1."""

TURN_BYTES = 1 << 18
"""How much one session may put out before the others get their turn."""

MAX_UNREAD_INPUT_BYTES = 1 << 20
REOPEN_SECONDS = 0.25
PAUSE_SECONDS = 0.001
"""Who puts out little by little is read so often at most, but for the first bytes after a silence: each look costs more
than what it finds, and takes the processor from the session itself."""

ROOM_SECONDS = 0.25
"""How often a disk that refuses is asked again on behalf of a session that waits for it."""

_PTY_BYTES = 1 << 17  # more than a terminal can hold: what is beyond was written later
_FULL_READ_BYTES = 2048  # a terminal gives at most 4 KiB at a time
_NEWLINE = 10
_END_OF_FILE = b"\x04"  # what a terminal in canonical mode takes for end of file


class Streams:
    """Drains every session into its spool, and feeds those that take input.

    Args:
        on_output: Called when a session has put out something.
        on_drained: Called when its output has come to its end.
        on_reports: Called with the reports of progress in what it has put out.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        on_output: Callable[[Session], None],
        on_drained: Callable[[Session], None],
        on_reports: Callable[[Session, list[Report]], None],
    ) -> None:
        self._loop = loop
        self._on_output = on_output
        self._on_drained = on_drained
        self._on_reports = on_reports
        self._on_ready = self._ready  # one object for all sessions

    def open(self, session: Session) -> None:
        """Begin to drain; nothing is left of the input of a run before.

        Raises:
            OSError: The output can not be watched; all streams are closed.
        """
        session.unwritten, session.close_input_after, session.fed_line_start = None, False, True
        try:
            for outlet in session.outlets:
                self._loop.watch(outlet.descriptor, self._on_ready, session, outlet)
        except OSError:
            self._close_all(session)
            raise

    def drain_what_is_there(self, session: Session) -> None:
        """Read what has been written so far, and no more: a background child may write for ever."""
        self._drain_to_the_end(session, last=False)

    def close(self, session: Session) -> None:
        """The session is over: take what is left and let go of its streams.

        A session that has waited for room is dead now, and what it has left in its pipe would be gone with
        it: that little goes beyond its limit.
        """
        if session.waits_for_room:
            session.spool.retry()
            self._wait_no_more(session)
        self._drain_to_the_end(session, last=True)
        self._close_input(session)
        self._tell_room(session, readable=False)
        if session.control >= 0:
            os.close(session.control)
            session.control = -1
        for outlet in session.outlets:
            self._finish(session, outlet)

    def feed(self, session: Session, data: bytes, *, eof: bool, on_room: Callable[[bool], None]) -> None:
        """Queue input.

        Args:
            on_room: Called with True when the session has read so much that it may be given more,
                at once if it has; with False when it will not read any more.
        """
        session.unwritten = session.unwritten or bytearray()
        session.unwritten += in_pieces(session.input, data) if session.is_pty else data
        if data:
            session.active_at = time.monotonic()
            session.fed_line_start = data.endswith(b"\n")
        if eof and session.is_pty:
            # It ends a read only at the start of a line; elsewhere the first one ends the line.
            session.unwritten += _END_OF_FILE if session.fed_line_start else _END_OF_FILE * 2
        session.close_input_after = eof and not session.is_pty
        session.room_wanted += (on_room,)
        self._write(session)

    def resume(self, session: Session) -> None:
        """Go on reading a session whose spool has room again; to be called after a discard."""
        if not session.waits_for_room:
            return
        if session.spool.room() == 0:
            self._look_for_room_later(session)
            return
        self._wait_no_more(session)
        self._watch_output(session)

    def _ready(self, session: Session, outlet: Outlet) -> None:
        if session.unwritten and outlet.stream == STDOUT:
            self._write(session)
        if outlet not in session.outlets:
            return
        was_busy = time.monotonic() - session.active_at < PAUSE_SECONDS * 2
        got = self._drain(session, outlet, TURN_BYTES)
        if was_busy and 0 < got < _FULL_READ_BYTES and outlet in session.outlets:
            self._pause(session, outlet, PAUSE_SECONDS)

    def _drain_to_the_end(self, session: Session, *, last: bool) -> None:
        for outlet in session.outlets:
            limit = _PTY_BYTES if session.is_pty else _pipe_size(outlet.descriptor)
            self._drain(session, outlet, limit, until_empty=True, last=last)

    def _drain(
        self, session: Session, outlet: Outlet, limit: int, *, until_empty: bool = False, last: bool = False
    ) -> int:
        """Read at most so many bytes, and a bit; returns how many there were."""
        got = 0
        while got < limit:
            count = READ_BYTES if last else _bytes_to_ask_for(session)
            if count == 0:
                self._wait_for_room(session)
                break
            try:
                data = os.read(outlet.descriptor, count)
            except BlockingIOError:
                break
            except OSError:
                self._hung_up(session, outlet)
                break
            if not data:
                self._finish(session, outlet)
                break
            session.spool.write(data, outlet.stream)
            session.at_line_start = data[-1] == _NEWLINE
            if ESCAPE in data or outlet.begun_report:
                self._look_for_reports(session, outlet, data)
            got += len(data)
            if len(data) < _FULL_READ_BYTES and not until_empty:
                break  # most likely empty now; if not, the loop comes back
        if got:
            session.active_at = time.monotonic()
            self._on_output(session)
        return got

    def _look_for_reports(self, session: Session, outlet: Outlet, data: bytes) -> None:
        reports, outlet.begun_report = find_reports(data, outlet.begun_report)
        if reports:
            self._on_reports(session, reports)

    def _wait_for_room(self, session: Session) -> None:
        """Do not read any more: the pipe or terminal fills up, and the child waits in its write."""
        session.waits_for_room = True
        for outlet in session.outlets:
            self._loop.unwatch(outlet.descriptor)
        self._look_for_room_later(session)

    def _look_for_room_later(self, session: Session) -> None:
        # A full spool has room again after a discard, and that is told. A disk says nothing. Nor may the
        # terminal be watched for input alone: epoll(7) reports a hang-up whether it is asked for or not.
        if session.room_timer is None and (session.spool.problem is not None or (session.is_pty and session.unwritten)):
            session.room_timer = self._loop.call_later(ROOM_SECONDS, lambda: self._look_for_room(session))

    def _look_for_room(self, session: Session) -> None:
        session.room_timer = None
        if session.spool.problem is not None and session.spool.retry():
            self._on_output(session)  # what the disk refused is stored now
        if session.is_pty and session.unwritten:
            self._write(session)
        self.resume(session)

    @staticmethod
    def _wait_no_more(session: Session) -> None:
        session.waits_for_room = False
        if session.room_timer is not None:
            session.room_timer.cancel()
            session.room_timer = None

    def _hung_up(self, session: Session, outlet: Outlet) -> None:
        """No process has the terminal open just now. One may open it again as long as any lives."""
        self._pause(session, outlet, REOPEN_SECONDS)

    def _pause(self, session: Session, outlet: Outlet, seconds: float) -> None:
        self._loop.unwatch(outlet.descriptor)
        if outlet.next_look is None and not session.over:
            outlet.next_look = self._loop.call_later(seconds, lambda: self._look_again(session, outlet))

    def _look_again(self, session: Session, outlet: Outlet) -> None:
        outlet.next_look = None
        if not session.over:
            self._watch_output(session)

    def _finish(self, session: Session, outlet: Outlet) -> None:
        """The end of one outlet; with the last of them the session is drained."""
        if outlet.next_look is not None:
            outlet.next_look.cancel()
        self._loop.unwatch(outlet.descriptor)
        os.close(outlet.descriptor)
        session.outlets = tuple(other for other in session.outlets if other is not outlet)
        if session.is_pty and outlet.stream == STDOUT:
            session.input = -1  # it was the same descriptor
        if not session.outlets:
            self._wait_no_more(session)
            session.spool.close()
            self._on_drained(session)

    @staticmethod
    def _close_all(session: Session) -> None:
        for descriptor in {session.input, session.control, *(one.descriptor for one in session.outlets)} - {-1}:
            os.close(descriptor)
        session.outlets, session.input, session.control = (), -1, -1

    def _write(self, session: Session) -> None:
        try:
            if session.unwritten and session.input >= 0:
                del session.unwritten[: os.write(session.input, session.unwritten)]
        except BlockingIOError:
            pass
        except OSError:
            session.unwritten = None  # nobody reads any more
            self._tell_room(session, readable=False)
        if len(session.unwritten or b"") <= MAX_UNREAD_INPUT_BYTES:
            self._tell_room(session, readable=True)
        if session.is_pty:
            self._watch_output(session)
        elif session.unwritten:
            self._loop.watch_both(session.input, self._write, session, read=False, write=True)
        elif session.close_input_after:
            self._close_input(session)
        elif session.input >= 0:
            self._loop.unwatch(session.input)

    def _watch_output(self, session: Session) -> None:
        """Watch the output; a terminal, that of stdout, is the way in as well."""
        if session.waits_for_room:
            self._look_for_room_later(session)
            return
        for outlet in session.outlets:
            if outlet.next_look is None:
                writing = session.is_pty and outlet.stream == STDOUT and bool(session.unwritten)
                self._loop.watch_both(outlet.descriptor, self._on_ready, session, outlet, read=True, write=writing)

    @staticmethod
    def _tell_room(session: Session, *, readable: bool) -> None:
        waiting, session.room_wanted = session.room_wanted, ()
        for on_room in waiting:
            on_room(readable)

    def _close_input(self, session: Session) -> None:
        if session.input >= 0 and not session.is_pty:
            self._loop.unwatch(session.input)
            os.close(session.input)
            session.input = -1


def _bytes_to_ask_for(session: Session) -> int:
    """Never more than the spool takes, if the session is to wait; what a disk refuses then fits its tail."""
    spool = session.spool
    return min(spool.room(), TAIL_BYTES) if spool.blocks else READ_BYTES


def _pipe_size(descriptor: int) -> int:
    return system.pipe_bytes(descriptor)
