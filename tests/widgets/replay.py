"""The rows of a process table as a page has them, from the messages that it was sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]


def replay(messages: Iterable[dict[str, Any]]) -> list[Row]:
    """The rows in the order in which the table first saw the sessions.

    Args:
        messages: The contents of the table's custom messages, from the first that has all rows or from the beginning.
    """
    rows: dict[str, Row] = {}
    for message in messages:
        if message.get("op") != "rows":
            continue
        if message["full"]:
            rows.clear()
        for session_id, change in message["put"].items():
            rows[session_id] = rows.get(session_id, {}) | change
        for session_id in message["gone"]:
            del rows[session_id]
    return sorted(rows.values(), key=lambda row: int(row["began"]))


def replay_comm(data: Iterable[dict[str, Any]]) -> list[Row]:
    """The same from the data of the comm's messages."""
    return replay(one["data"]["content"] for one in data if one.get("data", {}).get("method") == "custom")
