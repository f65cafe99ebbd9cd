"""Help with code in Jupyter's words.

Source: Jupyter messaging spec, sections Completion, Code completeness and Introspection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vibesbox_kernel.shell.completeness import Completeness
    from vibesbox_kernel.shell.completion import Completion
    from vibesbox_kernel.shell.inspection import Inspection

_TYPES = "_jupyter_types_experimental"
"""What front-ends, and IPython's kernel, call the list that says of what kind each match is."""


def complete_reply(found: Completion) -> dict[str, Any]:
    """The content of a ``complete_reply``."""
    types = [
        {"text": match.text, "type": match.kind.value, "start": found.start, "end": found.end}
        for match in found.matches
    ]
    return {
        "status": "ok",
        "matches": list(found.texts),
        "cursor_start": found.start,
        "cursor_end": found.end,
        "metadata": {_TYPES: types},
    }


def is_complete_reply(found: Completeness) -> dict[str, Any]:
    """The content of an ``is_complete_reply``."""
    return (
        {"status": found.status, "indent": found.indent} if found.status == "incomplete" else {"status": found.status}
    )


def inspect_reply(found: Inspection | None) -> dict[str, Any]:
    """The content of an ``inspect_reply``."""
    data = {} if found is None else {"text/plain": found.text, "text/html": found.html}
    return {"status": "ok", "found": found is not None, "data": data, "metadata": {}}
