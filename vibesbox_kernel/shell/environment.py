"""The environment that cells get besides what the user's own start-up files set."""

from __future__ import annotations

from collections.abc import Mapping

from vibesbox_kernel.shell.state import SESSION_MARKER
from vibesbox_kernel.tools.protocol import BROKER_VARIABLE, PYTHON_VARIABLE, SOCKET_VARIABLE

# A pager waits for keys, and a notebook has none to give. Start-up files may choose one, so startup.sh says it again.
_ALWAYS = {"GIT_PAGER": "cat", "MANPAGER": "cat", "PAGER": "cat", "SYSTEMD_PAGER": "cat", "TERM": "xterm-256color"}
# The size of the terminal that the server was started from is not that of a cell.
_NEVER = frozenset({SESSION_MARKER, BROKER_VARIABLE, SOCKET_VARIABLE, PYTHON_VARIABLE, "COLUMNS", "LINES"})
_POOR_LOCALES = ("", "C", "POSIX")


def first_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What the first shell starts with.

    Args:
        ours: The environment of this process.
    """
    environment = {name: value for name, value in ours.items() if name not in _NEVER} | _ALWAYS
    named = next((ours[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if ours.get(name)), "")
    if named in _POOR_LOCALES:
        # Or every letter beyond ASCII would come out as a question mark.
        environment.pop("LC_ALL", None)
        environment.pop("LC_CTYPE", None)
        environment["LANG"] = "C.UTF-8"
    return environment


def unspeakable(ours: Mapping[str, str]) -> dict[str, str]:
    """Variables whose names bash can not handle: it only hands them on, so no shell state has them."""
    return {
        name: value
        for name, value in ours.items()
        if not name.isidentifier() and not name.startswith("BASH_FUNC_") and "=" not in name
    }
