"""Where the browser's messages to a widget are handled: not behind the cell that runs."""

from __future__ import annotations

_ROUTE = "_reply_subshell_for"


def keep_default_route(_data: object, default: str | None) -> str | None:
    """Let a comm message go where the front-end sent it, which is a subshell in JupyterLab."""
    return default


def pin_comm(comm: object) -> None:
    """Keep a comm's messages off the main shell while that runs a cell.

    ipykernel 7.4 sends each of them to the loop that published on the comm last. A widget made in a
    cell would be bound to the main shell by that, and its buttons dead for as long as a cell runs.
    Older versions have no such routing, and newer ones may drop it: then there is nothing to do.
    """
    if hasattr(comm, _ROUTE):
        setattr(comm, _ROUTE, keep_default_route)
