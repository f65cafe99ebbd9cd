"""Vibesbox: every command of a notebook is a managed session.

The names below are the public ones; everything else may change. They are loaded when they are first
used, so that ``import vibesbox_kernel`` costs nothing and the broker's wire format can be imported alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vibesbox_kernel.errors import (
        AmbiguousReferenceError,
        BrokerError,
        DirectoryNotFoundError,
        DisplayRefusedError,
        InterpreterNotFoundError,
        InvalidCommandError,
        InvalidOptionError,
        LaunchError,
        MagicError,
        NameTakenError,
        NoEarlierStateError,
        NoNotebookError,
        NoTerminalError,
        NotInForegroundError,
        SessionEndedError,
        SessionFailedError,
        SessionNotFoundError,
        SessionOwnedError,
        SessionTimeoutError,
        ShellNotFoundError,
        ShellStateError,
        SurvivorsError,
        UnknownSettingError,
        VibesboxError,
    )
    from vibesbox_kernel.frontends.notebook_table import table
    from vibesbox_kernel.models import (
        CommandResult,
        EndReason,
        EventKind,
        ExitStatus,
        InputKind,
        InterruptReport,
        IoMode,
        OnFull,
        OnLeftovers,
        OutputChunk,
        ProcessInfo,
        Progress,
        ProgressState,
        PurgeReport,
        SessionEvent,
        SessionInfo,
        SessionPolicy,
        SessionStatus,
        StreamName,
        TerminalState,
        Usage,
    )
    from vibesbox_kernel.sessions import BlockingSessionManager, CommandSession, SessionManager
    from vibesbox_kernel.sessions.scripts import run

__version__ = "0.1.0.dev0"

__all__ = [
    "AmbiguousReferenceError",
    "BlockingSessionManager",
    "BrokerError",
    "CommandResult",
    "CommandSession",
    "DirectoryNotFoundError",
    "DisplayRefusedError",
    "EndReason",
    "EventKind",
    "ExitStatus",
    "InputKind",
    "InterpreterNotFoundError",
    "InterruptReport",
    "InvalidCommandError",
    "InvalidOptionError",
    "IoMode",
    "LaunchError",
    "MagicError",
    "NameTakenError",
    "NoEarlierStateError",
    "NoNotebookError",
    "NoTerminalError",
    "NotInForegroundError",
    "OnFull",
    "OnLeftovers",
    "OutputChunk",
    "ProcessInfo",
    "Progress",
    "ProgressState",
    "PurgeReport",
    "SessionEndedError",
    "SessionEvent",
    "SessionFailedError",
    "SessionInfo",
    "SessionManager",
    "SessionNotFoundError",
    "SessionOwnedError",
    "SessionPolicy",
    "SessionStatus",
    "SessionTimeoutError",
    "ShellNotFoundError",
    "ShellStateError",
    "StreamName",
    "SurvivorsError",
    "TerminalState",
    "UnknownSettingError",
    "Usage",
    "VibesboxError",
    "run",
    "table",
]

_MODELS = frozenset(
    {
        "CommandResult",
        "EndReason",
        "EventKind",
        "ExitStatus",
        "InputKind",
        "InterruptReport",
        "IoMode",
        "OnFull",
        "OnLeftovers",
        "OutputChunk",
        "ProcessInfo",
        "Progress",
        "ProgressState",
        "PurgeReport",
        "SessionEvent",
        "SessionInfo",
        "SessionPolicy",
        "SessionStatus",
        "StreamName",
        "TerminalState",
        "Usage",
    }
)
_MANAGERS = frozenset({"BlockingSessionManager", "CommandSession", "SessionManager"})


_FUNCTIONS = {"run": "vibesbox_kernel.sessions.scripts", "table": "vibesbox_kernel.frontends.notebook_table"}


def _home_of(name: str) -> str:
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if name in _MODELS:
        return "vibesbox_kernel.models"
    return "vibesbox_kernel.sessions" if name in _MANAGERS else "vibesbox_kernel.errors"


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_home_of(name)), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
