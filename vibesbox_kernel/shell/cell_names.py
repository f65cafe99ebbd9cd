"""Names of files in a cell's directory: what a cell or a function is called in messages, and what is ours."""

from __future__ import annotations

_FILES = frozenset(
    {
        "begin.sh",
        "disabled",
        "exit-trap",
        "functions",
        "go",
        "known",
        "known-now",
        "list",
        "list-now",
        "locals",
        "more-functions",
        "names",
        "ready",
        "restore.log",
        "restore.sh",
        "state",
    }
    | {"syntax.log", "unread", "launch", "carried", "options", "traps", "trap-functions"}
)
"""What Vibesbox and its bash texts call their own files there (see ``cell_files``)."""


def file_name(label: str) -> str:
    """A label as a file's name; it stays as it is if it can."""
    name = label.replace("/", "\N{DIVISION SLASH}").replace("\0", "").replace("\n", " ")
    taken = name in ("", ".", "..") or name in _FILES
    return f"cell {name}" if taken else name
