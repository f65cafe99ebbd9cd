"""The text that a cell shows, as long as it is little: what is needed to clear the cell and write it again."""

from __future__ import annotations

MAX_CHARACTERS = 20_000


class Journal:
    """Stream messages in their order."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, str]] = []

    def add(self, name: str, text: str) -> bool:
        """Note a message; False when it has become too much, and is of no use any more."""
        if self._messages and self._messages[-1][0] == name:
            text = self._messages.pop()[1] + text
        self._messages.append((name, text))
        return sum(len(one) for _, one in self._messages) <= MAX_CHARACTERS

    def without_last(self, lines: int) -> list[tuple[str, str]] | None:
        """All messages without the last line, if it is not ended, and so many before; None if that changes nothing."""
        if not self._messages:
            return None
        *before, (name, text) = self._messages
        at = len(text)
        for _ in range(lines + 1):
            at = text.rfind("\n", 0, at)
            if at < 0:
                return before
        kept = text[: at + 1]
        return None if kept == text else [*before, (name, kept)]
