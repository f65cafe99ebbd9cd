"""The end of what a disk refused, in memory until it takes bytes again."""

from __future__ import annotations

TAIL_BYTES = 64 << 10


class Tail:
    """The bytes ``[start, start + len)`` of a session's output.

    Attributes:
        start: Cursor of its first byte.
    """

    __slots__ = ("_data", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data)

    def first(self) -> bytes:
        """All of it, as it is now."""
        return bytes(self._data)

    def keep(self, data: memoryview, cursor: int, limit_bytes: int) -> None:
        """Take what comes next, and forget its own beginning beyond a limit.

        Args:
            cursor: Where ``data`` begins; if that is not its end, what it held is forgotten.
        """
        if self.start + len(self._data) != cursor:
            self._data.clear()
            self.start = cursor
        end = cursor + len(data)
        self._data += data[max(0, len(data) - limit_bytes) :]
        del self._data[: max(0, len(self._data) - limit_bytes)]
        self.start = end - len(self._data)

    def cut(self, up_to: int) -> None:
        """Forget what lies below a cursor."""
        count = min(max(0, up_to - self.start), len(self._data))
        del self._data[:count]
        self.start += count
