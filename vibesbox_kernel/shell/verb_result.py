"""What a magic gives: a value that every front door can show in its own way."""

from __future__ import annotations

from dataclasses import dataclass

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class VerbResult:
    """The result of a magic.

    Attributes:
        text: For people, ends in a newline unless it is empty; may hold colours of a session's output.
        html: The same as HTML, where that shows more; else None.
        data: The same as plain values for JSON, where there is something to say.
        failed: Whether what was asked did not happen, all or in part; ``text`` says what.
    """

    text: str
    html: str | None = None
    data: Json = None
    failed: bool = False
