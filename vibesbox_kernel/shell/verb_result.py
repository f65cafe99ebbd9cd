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
        failure: In a few words that what was asked did not happen, all or in part; ``text`` says what. None if it did.
        next_input: What is to take the place of the cell that asked, where a front-end can do so.
    """

    text: str
    html: str | None = None
    data: Json = None
    failure: str | None = None
    next_input: str | None = None

    @property
    def failed(self) -> bool:
        """Whether what was asked did not happen, all or in part."""
        return self.failure is not None


def line(info: SessionInfo, text: str, *, failure: str | None = None) -> VerbResult:
    """One line on one session; ``failure`` says of it what did not happen, such as ``could not be ended``."""
    return VerbResult(f"{label(info)}: {text}\n", data=plain(info), failure=failure)


def joined(results: Sequence[VerbResult]) -> VerbResult:
    """The results for several sessions as one."""
    failures = [result.failure for result in results if result.failure is not None]
    return VerbResult(
        "".join(result.text for result in results),
        data=[result.data for result in results],
        failure=_counted(failures, len(results)) if failures else None,
    )


def _counted(failures: Sequence[str], count: int) -> str:
    """Of how many it is true: ``1 of 3 sessions could not be ended``."""
    what = failures[0]  # one magic fails in one way
    return f"the session {what}" if count == 1 else f"{len(failures)} of {count} sessions {what}"


def plain(info: SessionInfo) -> Json:
    """What is known of a session as plain values."""
    values: Json = info.model_dump(mode="json")
    return values
