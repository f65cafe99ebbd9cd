"""A script run from IPython: shown while it runs, interrupted as the user wants it, and its end told."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from vibesbox_kernel.errors import SessionFailedError, VibesboxError
from vibesbox_kernel.frontends.ipython_asking import Keyboard
from vibesbox_kernel.frontends.ipython_errors import in_one_line
from vibesbox_kernel.frontends.ipython_output import Display, Relay, Screen
from vibesbox_kernel.frontends.replies import failure_of_outcome
from vibesbox_kernel.frontends.terminal_screen import write
from vibesbox_kernel.models import EndReason, SessionStatus
from vibesbox_kernel.shell.references import label

if TYPE_CHECKING:
    from types import FrameType

    from vibesbox_kernel.frontends.session_handle import Session
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.cell import Cell
    from vibesbox_kernel.shell.outcome import CellOutcome
    from vibesbox_kernel.shell.runner import CellRunner

REAPING_SECONDS = 1.0
HINT_SECONDS = 1.5
_INTERRUPTS_THAT_WAIT = 2
"""One interrupts, the second escalates; with a third the user wants the prompt back, come what may."""


class Foreground:
    """Runs scripts for the thread that calls.

    Args:
        manager: Whose sessions they become.
        runner: Runs them, with the shell state that carries on.
        display: Shows their output.
        make_session: Makes a handle of one.
        show_notice: Has the page tell of a session's end.
    """

    def __init__(
        self,
        manager: SessionManager,
        runner: CellRunner,
        display: Display,
        make_session: Callable[[str], Session],
        show_notice: Callable[[str], None],
    ) -> None:
        self._manager = manager
        self._runner = runner
        self._display = display
        self._make_session = make_session
        self._show_notice = show_notice
        self._relays: WeakSet[Relay] = WeakSet()

    def prepare(self) -> None:
        """Meet the broker, which may have durable sessions of ours; what is wrong with it, the next request says."""
        with contextlib.suppress(VibesboxError):
            self._manager.engine.call(self._runner.start())

    def run(self, cell: Cell, *, title: str, announce: bool) -> Session:
        """Run a script and show what it puts out, until its shell ends; one in the background goes on by itself.

        Args:
            cell: The script and its options.
            title: What the shell's messages call it, such as ``In[12]``.
            announce: Say how a session in the background can be reached.

        Raises:
            SessionFailedError: It ended with something else than exit status 0.
            KeyboardInterrupt: The user has interrupted it.
            VibesboxError: It could not be started.
        """
        self._manager.engine.call(self._runner.start())  # an interrupt here ends the wait: nothing has begun yet
        outcome, session = self._attend(lambda relay, keyboard: self._run(cell, title, relay, keyboard))
        if announce and cell.options.background:
            write(_announcement(session, queued=outcome.queued))
        return session

    def follow(self, ref: str, *, lines: int) -> Session:
        """Wait for a session that runs already: its output is shown, input and interrupts are for it.

        Args:
            ref: The session.
            lines: How many of its last lines to begin with.

        Raises:
            SessionNotFoundError: There is no such session.
            SessionFailedError: It ended with something else than exit status 0.
            KeyboardInterrupt: The user has interrupted it.
        """
        return self._attend(
            lambda relay, keyboard: self._runner.follow(ref, sink=relay, respondent=keyboard, lines=lines)
        )[1]

    def let_go(self, ref: str | None) -> None:
        """Have nobody wait for a session any more; this call comes from another thread than the one that waits."""
        info = self._manager.engine.call(self._runner.move_to_background(ref))
        write(f"{label(info)} goes on in the background\n")

    def _attend(
        self, attend: Callable[[Relay, Keyboard], Coroutine[Any, Any, CellOutcome]]
    ) -> tuple[CellOutcome, Session]:
        """Show what a session puts out until its outcome is there, and say what that was."""
        relay, screen = Relay(), self._display.new_screen()
        self._relays.add(relay)
        try:
            keyboard = Keyboard(relay, allowed=self._display.takes_input)
            with self._interrupts_are_the_sessions(relay, keyboard):
                work = asyncio.run_coroutine_threadsafe(attend(relay, keyboard), self._manager.engine.loop)
                relay.show_until_done(work, screen)
            screen.close()
            return work.result(), self._report(work.result(), screen)
        finally:
            screen.close()
            relay.detach(self._display.cell_output())

    async def _run(self, cell: Cell, title: str, relay: Relay, keyboard: Keyboard) -> CellOutcome:
        def notice(session_id: str) -> None:
            if cell.options.notify:
                relay.do(lambda _sink: self._show_notice(session_id))

        outcome = await self._runner.run(cell, label=title, sink=relay, respondent=keyboard, on_begun=notice)
        if outcome.end_reason is not None:
            # Its last process is just being reaped: who looks at the session next shall not find it running.
            with contextlib.suppress(VibesboxError):
                await self._manager.wait(outcome.session_id, REAPING_SECONDS)
        return outcome

    def close(self) -> None:
        """Show nothing more."""
        for relay in list(self._relays):
            relay.detach(None)

    def _report(self, outcome: CellOutcome, screen: Screen) -> Session:
        for notice in outcome.notices:
            screen.line(notice, error=True)
        session = self._make_session(outcome.session_id)
        failure = failure_of_outcome(outcome)
        if failure is None:
            return session
        message = f"{label(session.info)}: {failure.value}"
        if outcome.interrupted:
            raise in_one_line(KeyboardInterrupt(message))
        status = outcome.exit_status
        code, number = (None, None) if status is None else (status.code, status.signal)
        raise in_one_line(SessionFailedError(outcome.session_id, message, code=code, signal=number))

    async def _interrupt(self, relay: Relay, *, hint: bool) -> None:
        await self._runner.interrupt()
        if hint:
            await asyncio.sleep(HINT_SECONDS)
            if relay.is_attached:
                relay.line("[vibesbox: it still runs; interrupt again to end it by force]")

    @contextmanager
    def _interrupts_are_the_sessions(self, relay: Relay, keyboard: Keyboard) -> Iterator[None]:
        """Meanwhile SIGINT raises no KeyboardInterrupt here, but interrupts the session, which then ends the wait."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's
            return
        seen = 0
        engine = self._manager.engine

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            nonlocal seen
            if keyboard.interrupted():
                seen += 1
                if seen > _INTERRUPTS_THAT_WAIT:
                    raise KeyboardInterrupt
                engine.post(lambda: engine.start(self._interrupt(relay, hint=seen == 1), name="vibesbox-interrupt"))
            keyboard.leave()

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _announcement(session: Session, *, queued: bool) -> str:
    info, ref = session.info, session.name or session.pid or session.session_id[:8]
    if info.end_reason is EndReason.CANCELLED or (info.status is SessionStatus.QUEUED and not queued):
        return ""  # its own output says why it never started
    if info.status is SessionStatus.QUEUED:
        return f"{label(info)} is queued; %tail {ref} will show its output\n"
    return f"{label(info)} runs in the background; %tail {ref} shows its output, %kill {ref} ends it\n"
