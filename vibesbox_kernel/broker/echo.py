"""A terminal's echo, switched off while something is typed that nobody is to see."""

from __future__ import annotations

import contextlib
import termios

from vibesbox_kernel.broker.loop import Loop
from vibesbox_kernel.broker.session import Session

DIGEST_SECONDS = 0.1
"""By then the terminal has taken what was written to it."""

_LOCAL_MODES = 3


def hide(loop: Loop, session: Session) -> None:
    """Let nothing be echoed that is written to a session's terminal now, whatever its program wants.

    A program that is about to read the secret will most likely have done so itself; one that is not there yet has not.
    """
    if session.is_pty and _set_echo(session.input, on=False):
        loop.call_later(DIGEST_SECONDS, lambda: _show_again(loop, session))


def _show_again(loop: Loop, session: Session) -> None:
    if session.unwritten:
        loop.call_later(DIGEST_SECONDS, lambda: _show_again(loop, session))
    elif session.input >= 0:
        _set_echo(session.input, on=True)


def _set_echo(master: int, *, on: bool) -> bool:
    """Returns whether that has changed anything.

    Source: termios(3), ECHO and ECHONL.
    """
    with contextlib.suppress(termios.error):
        modes = termios.tcgetattr(master)
        before = modes[_LOCAL_MODES]
        modes[_LOCAL_MODES] = before | termios.ECHO if on else before & ~termios.ECHO
        if modes[_LOCAL_MODES] != before:
            termios.tcsetattr(master, termios.TCSANOW, modes)
            return True
    return False
