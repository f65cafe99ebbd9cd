"""What a magic gives: a value that every front door can show in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.references import label

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


def line(info: SessionInfo, text: str, *, failed: bool = False) -> VerbResult:
    """One line on one session."""
    return VerbResult(f"{label(info)}: {text}\n", data=plain(info), failed=failed)


def joined(results: Sequence[VerbResult]) -> VerbResult:
    """The results for several sessions as one."""
    return VerbResult(
        "".join(result.text for result in results),
        data=[result.data for result in results],
        failed=any(result.failed for result in results),
    )


def plain(info: SessionInfo) -> Json:
    """What is known of a session as plain values."""
    values: Json = info.model_dump(mode="json")
    return values
