"""How the magics fail in IPython: with one line, never with a traceback through our own code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from IPython.core.error import UsageError

from vibesbox_kernel.errors import SessionFailedError, VibesboxError
from vibesbox_kernel.shell.error_words import in_words

_RED, _PLAIN = "\x1b[31m", "\x1b[39m"
_WHAT_GOES_ON = {
    "kill": "; the sessions are still being ended",
    "ps": "; the sessions go on",
    "session": "; %ps lists what runs",
    "tail": "; the session goes on",
    "wait": "; the sessions go on",
}

E = TypeVar("E", bound=BaseException)


@contextmanager
def plain_errors(name: str) -> Iterator[None]:
    """Turn what a user can cause into what IPython shows in a line.

    Args:
        name: The magic that is carried out, without ``%``.
    """
    try:
        yield
    except SessionFailedError:
        raise
    except VibesboxError as error:
        raise UsageError(in_words(error)) from error
    except KeyboardInterrupt as error:
        if error.args:  # it says already what was interrupted
            raise
        raise in_one_line(KeyboardInterrupt(f"%{name} was interrupted{_WHAT_GOES_ON.get(name, '')}")) from None


def in_one_line(error: E) -> E:
    """Have IPython show an exception as its name and its message.

    Source: IPython, ``InteractiveShell.showtraceback``: an exception may bring its own ``_render_traceback_``.
    """
    line = f"{_RED}{type(error).__name__}{_PLAIN}: {error}"
    error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
    return error
