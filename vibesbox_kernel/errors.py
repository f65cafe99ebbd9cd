"""Every error that Vibesbox raises on purpose.

    VibesboxError
    ├── InvalidCommandError          (ValueError)         the text can not be run at all
    ├── InvalidOptionError           (ValueError)         an option of a session is out of its range
    ├── UnknownSettingError          (LookupError, ValueError)
    ├── ShellNotFoundError           (FileNotFoundError)  no such shell, or not executable
    │   └── InterpreterNotFoundError                      of a cell that begins with #!
    ├── DirectoryNotFoundError       (FileNotFoundError)  no such working directory
    ├── LaunchError                  (OSError)            the system refused to start the process
    ├── SessionNotFoundError         (LookupError, ValueError)
    ├── AmbiguousReferenceError      (LookupError, ValueError)
    ├── NameTakenError               (ValueError)
    ├── SessionOwnedError            (PermissionError)    another living program owns the session
    ├── SessionEndedError            (RuntimeError)       the session is over, or takes no input
    ├── NotInForegroundError         (LookupError)        no cell waits for the session
    ├── NoTerminalError              (ValueError)         the session was started without a terminal
    ├── SessionTimeoutError          (TimeoutError)       a wait ended first; the session goes on
    ├── SessionFailedError           (RuntimeError)       a session that was waited for did not succeed
    ├── SurvivorsError               (RuntimeError)       processes outlived SIGKILL
    ├── BrokerError                  (ConnectionError)    the broker can not be reached or refused
    ├── MagicError                   (ValueError)         a magic line is wrong; nothing was run
    ├── DisplayRefusedError          (RuntimeError)       something that a session wants shown is not shown
    ├── ShellStateError              (RuntimeError)       the state of a shell can not be read or restored
    ├── NoNotebookError              (RuntimeError)       something live was to be shown where that can not be
    └── NoEarlierStateError          (LookupError)        so many earlier states of a shell are not remembered

The facts are attributes, so that no caller has to parse a message.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence

MAX_KNOWN_SHOWN = 8
"""So many sessions a message names at most."""


class VibesboxError(Exception):
    """Base of every error that Vibesbox raises on purpose."""


class _PlainSystemError(VibesboxError):
    """An error that also derives from OSError, and reads as a sentence: without its number, which is an attribute."""

    def __str__(self) -> str:
        return str(self.args[1])


class InvalidCommandError(VibesboxError, ValueError):
    """A command breaks a rule that every command must keep.

    Attributes:
        rule: The rule in words, such as ``"a command must not be empty"``.
    """

    def __init__(self, rule: str, seen: str) -> None:
        self.rule = rule
        super().__init__(f"{rule}; this one {seen}")


class InvalidOptionError(VibesboxError, ValueError):
    """An option of a session is out of its range.

    Attributes:
        option: The name of the option.
    """

    def __init__(self, option: str, seen: object, wanted: str) -> None:
        self.option = option
        super().__init__(f"{option} is {seen!r}; it must be {wanted}")


class UnknownSettingError(VibesboxError, LookupError, ValueError):
    """There is no setting of this name.

    Attributes:
        name: What was asked for.
        known: The settings that there are.
        suggestion: The one that looks most like it, or None.
    """

    def __init__(self, name: str, known: Sequence[str], suggestion: str | None) -> None:
        self.name = name
        self.known = tuple(known)
        self.suggestion = suggestion
        helps = f"there is: {', '.join(known)}" if suggestion is None else f"did you mean {suggestion}?"
        super().__init__(f"no setting {name[:40]!r}; {helps}")


class ShellNotFoundError(_PlainSystemError, FileNotFoundError):
    """The shell (or program) that should run a command can not be executed.

    Attributes:
        path: The path that was tried.
        suggestion: What would have been found, or None.
    """

    def __init__(self, path: str, why: str = "no such executable file", suggestion: str | None = None) -> None:
        self.path = path
        self.suggestion = suggestion
        helps = "give the path of an installed shell" if suggestion is None else f"did you mean {suggestion}?"
        super().__init__(errno.ENOENT, f"{self._what(path)} can not be run: {why}; {helps}", path)

    def _what(self, path: str) -> str:
        return f"the shell {path}"


class InterpreterNotFoundError(ShellNotFoundError):
    """What a cell's line ``#!`` names can not be executed; nothing of the cell was run."""

    def _what(self, path: str) -> str:
        return f"the interpreter {path} of this cell"


class DirectoryNotFoundError(_PlainSystemError, FileNotFoundError):
    """The working directory of a session does not exist or can not be entered.

    Attributes:
        path: The path that was tried.
    """

    def __init__(self, path: str, why: str = "no such directory") -> None:
        self.path = path
        what = f"the directory {path} can not be entered: {why}; create it or give another cwd"
        super().__init__(errno.ENOENT, what, path)


class LaunchError(_PlainSystemError, OSError):
    """The system refused to start a process (limits on processes or descriptors, and the like)."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(number, f"{what}: {os.strerror(number)}")


class SessionNotFoundError(VibesboxError, LookupError, ValueError):
    """No session answers to this pid, id or name.

    Attributes:
        ref: What was asked for.
        known: The references that would have worked, as text; the message has only the first of them.
    """

    def __init__(
        self, ref: object, known: Iterable[object] = (), *, living: int | None = None, heading: str = "known"
    ) -> None:
        """Put it into words.

        Args:
            ref: What was asked for.
            known: What would have worked, those that are not over first.
            living: How many of these are not over, of which alone the message has some; None if that is not known.
            heading: What they are to the user.
        """
        self.ref = ref
        self.known = tuple(str(one) for one in known)
        super().__init__(f"session {ref} not found; {heading}: {_some_of(self.known, living)}")


class AmbiguousReferenceError(VibesboxError, LookupError, ValueError):
    """A prefix of a session id fits more than one session.

    Attributes:
        ref: The prefix.
        candidates: The ids of the sessions that it fits.
    """

    def __init__(self, ref: str, candidates: Sequence[str]) -> None:
        self.ref = ref
        self.candidates = tuple(candidates)
        super().__init__(f"{ref!r} fits {len(self.candidates)} sessions: {', '.join(self.candidates)}")


class NameTakenError(VibesboxError, ValueError):
    """Another running session has this name.

    Attributes:
        name: The name.
        holder: The id of the session that has it.
    """

    def __init__(self, name: str, holder: str, pid: int | None) -> None:
        self.name = name
        self.holder = holder
        known_as = f"running session {holder[:8]} (pid {pid})" if pid else f"a session {holder}"
        super().__init__(f"the name {name!r} is taken by {known_as}; give another name")


class SessionOwnedError(_PlainSystemError, PermissionError):
    """Only a session's owner may do this, and that is another living program.

    Attributes:
        ref: The session.
        owner: Who owns it, in words.
    """

    def __init__(self, ref: object, owner: str) -> None:
        self.ref = ref
        self.owner = owner
        helps = "it can be read; to take it over make it durable there, close that program, then adopt it"
        super().__init__(errno.EPERM, f"session {ref} belongs to {owner}, which is alive: {helps}")


class SessionEndedError(VibesboxError, RuntimeError):
    """What was asked needs a running session that can do it, and this one is over or can not."""

    def __init__(self, ref: object, why: str) -> None:
        self.ref = ref
        self.why = why
        super().__init__(f"session {ref} {why}")


class NotInForegroundError(VibesboxError, LookupError):
    """What was to go to the background is there already, or nothing was named and it is not plain what is meant.

    Attributes:
        ref: What was named; None if nothing was.
        known: What is waited for.
    """

    def __init__(self, ref: object, known: Sequence[str]) -> None:
        self.ref, self.known = ref, tuple(known)
        if ref is not None:
            text = f"no cell waits for session {ref}; waited for: {', '.join(known) or 'nothing'}"
        elif known:
            text = f"several cells run in the foreground; name one of them: {', '.join(known)}"
        else:
            text = "no cell runs in the foreground"
        super().__init__(text)


class NoTerminalError(VibesboxError, ValueError):
    """A session was started without a terminal, so none can be shown.

    Attributes:
        session: What it is called.
        io: What it has instead.
    """

    def __init__(self, session: str, io: str) -> None:
        self.session = session
        self.io = io
        super().__init__(f"session {session} has no terminal (--io {io}); start it with --io pty to have one")


class SessionTimeoutError(VibesboxError, TimeoutError):
    """A wait for a session ended before the session did; the session goes on.

    Attributes:
        ref: The session that was waited for.
        timeout: Seconds that were waited.
    """

    def __init__(self, ref: object, timeout: float) -> None:
        self.ref = ref
        self.timeout = timeout
        super().__init__(f"session {ref} has not ended after {timeout:g} s; it goes on")


class SessionFailedError(VibesboxError, RuntimeError):
    """A session that was run in the foreground has ended with something else than success.

    Attributes:
        ref: The session's id.
        code: Its exit code, or None when a signal ended it or its end was lost.
        signal: The signal that ended it, or None.
    """

    def __init__(self, ref: str, message: str, *, code: int | None = None, signal: int | None = None) -> None:
        self.ref = ref
        self.code = code
        self.signal = signal
        super().__init__(message)


class NoNotebookError(VibesboxError, RuntimeError):
    """Something live was to be shown, and there is no page that it could be shown on.

    Attributes:
        where: Where this is, in words.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(
            f"vibesbox.table() needs a notebook, and this is {where}; there, %ps -f (with %load_ext vibesbox) or"
            " SessionManager.list_sessions() says the same"
        )


class SurvivorsError(VibesboxError, RuntimeError):
    """Processes of a session outlived SIGKILL.

    Attributes:
        pids: The processes that are left, sorted, never empty.
        reasons: Why each is left, by pid.
    """

    def __init__(self, ref: object, reasons: dict[int, str]) -> None:
        self.ref = ref
        self.pids = tuple(sorted(reasons))
        self.reasons = dict(reasons)
        left = ", ".join(f"{pid} ({reasons[pid]})" for pid in self.pids)
        super().__init__(f"session {ref}: processes outlived SIGKILL: {left}")


class BrokerError(VibesboxError, ConnectionError):
    """The broker can not be started or reached, or it answered what it must not."""


class MagicError(VibesboxError, ValueError):
    """A magic line is wrong; nothing was run.

    Attributes:
        magic: The magic's name with its ``%``, as far as it was understood.
        suggestion: The nearest thing that would have been right, or None.
    """

    def __init__(self, message: str, *, magic: str = "", suggestion: str | None = None) -> None:
        self.magic = magic
        self.suggestion = suggestion
        super().__init__(message if suggestion is None else f"{message}; did you mean {suggestion}?")


class DisplayRefusedError(VibesboxError, RuntimeError):
    """What a session wants shown is not shown; the message says why."""


class ShellStateError(VibesboxError, RuntimeError):
    """The state of a shell can not be read back or restored."""


class NoEarlierStateError(VibesboxError, LookupError):
    """So many earlier states of a shell are not remembered.

    Attributes:
        cells: How many cells back was asked for.
        known: How many cells one can go back.
    """

    def __init__(self, cells: int, *, known: int) -> None:
        self.cells, self.known = cells, known
        earlier = "no earlier state is" if not known else "1 earlier state is" if known == 1 else f"{known} earlier are"
        super().__init__(f"can not go back {cells} cell{'s' if cells > 1 else ''}: {earlier} remembered")


def _some_of(known: Sequence[str], living: int | None) -> str:
    """The first of them, and how many more there are: never a page of what nobody looks for."""
    if not known:
        return "none yet"
    shown = known[: MAX_KNOWN_SHOWN if living is None else min(living, MAX_KNOWN_SHOWN)]
    left = len(known) - len(shown)
    more = "" if living is None or living > len(shown) else " that have ended" if left > 1 else " that has ended"
    if not shown:
        return f"{left}{more}"
    return f"{', '.join(shown)}{f' and {left} more{more}' if left else ''}"
