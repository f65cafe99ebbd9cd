"""What is sent of a table: all of it to a page that begins to look, and then only what has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from vibesbox_kernel.widgets.rows import Row

Message = dict[str, Any]


class RowPatches:
    """Knows the rows as every page has them that has missed no message.

    The messages are numbered. A page that finds a gap asks for all rows; so does one that begins to look.
    """

    def __init__(self) -> None:
        self._number = 0
        self._sent: Mapping[str, Row] = {}

    def everything(self, rows: Sequence[Row]) -> Message:
        """All rows, for pages that know nothing or too little."""
        self._sent = {row["id"]: row for row in rows}
        return self._message(full=True, put=self._sent, gone=[])

    def changes(self, rows: Sequence[Row]) -> Message | None:
        """What is new since the last message: of each row only the fields that have changed; None if nothing has."""
        before, self._sent = self._sent, {row["id"]: row for row in rows}
        put = {row["id"]: change for row in rows if (change := _change(before.get(row["id"]), row))}
        gone = [session_id for session_id in before if session_id not in self._sent]
        return self._message(full=False, put=put, gone=gone) if put or gone else None

    def _message(self, *, full: bool, put: Mapping[str, object], gone: list[str]) -> Message:
        self._number += 1
        return {"op": "rows", "number": self._number, "full": full, "put": put, "gone": gone}


def _change(before: Row | None, row: Row) -> Mapping[str, object]:
    if before is row:
        return {}
    if before is None:
        return row
    known = cast("Mapping[str, object]", before)
    return {name: value for name, value in row.items() if known[name] != value}
