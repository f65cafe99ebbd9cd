"""What a cell shows, as long as it can all be shown again: so a line that was shown in passing can be taken away.

A page can clear a cell's output as a whole, or not at all.
"""

from __future__ import annotations

import json
from typing import Any

from vibesbox_kernel.shell.overwrite import drop_overwritten

MAX_CHARACTERS = 100_000
_WIDGET = "application/vnd.jupyter.widget-view+json"


class Replay:
    """The messages that a cell was sent, in their order, until they are too many or can not be sent again."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, dict[str, Any]]] | None = []
        self._texts: list[str] = []
        self._size = 0

    @property
    def is_lost(self) -> bool:
        """Whether what the cell shows can not be shown again."""
        return self._messages is None

    def lose(self) -> None:
        """Something is in the cell that is not known here."""
        self._messages = None
        self._texts.clear()

    def note(self, kind: str, content: dict[str, Any], *, again: bool = False) -> None:
        """Note a message that was sent; a widget loses what somebody does in it, unless it may be shown again."""
        if self._messages is None:
            return
        if kind == "stream":
            self._note_stream(self._messages, content)
        elif kind == "display_data" and (again or _WIDGET not in content["data"]):
            self._add(self._messages, kind, content)
        elif kind != "update_display_data" or not self._update(self._messages, content):
            self.lose()
        if self._size > MAX_CHARACTERS:
            self._shorten()

    def messages(self) -> list[tuple[str, dict[str, Any]]]:
        """All of them, few for many."""
        self._end_run()
        return list(self._messages or ())

    def _note_stream(self, messages: list[tuple[str, dict[str, Any]]], content: dict[str, Any]) -> None:
        if not messages or messages[-1][1].get("name") != content["name"]:
            self._end_run()
            messages.append(("stream", {"name": content["name"]}))
        self._texts.append(content["text"])
        self._size += len(content["text"])

    def _end_run(self) -> None:
        """Give the last stream message its text."""
        if self._texts and self._messages:
            text = drop_overwritten("".join(self._texts))
            kind, content = self._messages[-1]
            self._messages[-1] = (kind, {**content, "text": content.get("text", "") + text})
            self._texts.clear()

    def _add(self, messages: list[tuple[str, dict[str, Any]]], kind: str, content: dict[str, Any]) -> None:
        self._end_run()
        messages.append((kind, content))
        self._size += len(json.dumps(content["data"]))

    def _update(self, messages: list[tuple[str, dict[str, Any]]], content: dict[str, Any]) -> bool:
        """Put an update in the place of what it replaces; False if that is not here."""
        for number, (kind, shown) in enumerate(messages):
            if kind == "display_data" and shown["transient"] == content["transient"]:
                self._size += len(json.dumps(content["data"])) - len(json.dumps(shown["data"]))
                messages[number] = (kind, content)
                return True
        return False

    def _shorten(self) -> None:
        """Of text that overwrites itself only what is to be seen counts; is that too much as well, all is lost."""
        self._end_run()
        messages = self._messages or []
        self._size = sum(
            len(content["text"]) if kind == "stream" else len(json.dumps(content["data"])) for kind, content in messages
        )
        if self._size > MAX_CHARACTERS // 2:
            self.lose()
