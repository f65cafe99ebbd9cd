r"""How a front-end's stream output overwrites text, and what is left of it.

JupyterLab keeps a stream output as one string. ``\r`` moves back to the beginning of the last line, later text
overwrites it character by character (an escape sequence counts as its characters), and ``\b`` *removes* the
character before it. A character is a UTF-16 code unit there.

Source: JupyterLab 4.6, ``outputarea/model``, ``processText``.
"""

from __future__ import annotations


def units(text: str) -> int:
    """How many UTF-16 code units a text has."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf8_bytes(text: str) -> int:
    """How many bytes a text has as UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class LineModel:
    """Where the next character will go, and how much text a front-end keeps of all that it was sent.

    Attributes:
        lines: Lines that are complete.
        index: Where on the last line the next character goes.
        length: How long the last line is.
        styled: Whether the last line holds an escape sequence, which an overwriting text would cut to pieces.
    """

    def __init__(self) -> None:
        self.lines = 0
        self._complete_bytes = 0
        self._begin_line()

    @property
    def kept_bytes(self) -> int:
        """How many bytes the front-end keeps (of an overwritten line with wide characters: about how many)."""
        return self._complete_bytes + self._line_bytes()

    def add(self, text: str) -> None:
        r"""Take in text of any kind: printable, newlines, ``\r``, ``\b`` and escape sequences."""
        if "\r" in text or "\b" in text:
            self._add_with_moves(text)
        else:
            self._add_plain(text)

    def _begin_line(self) -> None:
        self.index = self.length = 0
        self.styled = False
        self._written_units = self._written_bytes = 0

    def _line_bytes(self) -> int:
        if self._written_units == self._written_bytes:
            return self.length
        return -(-self.length * self._written_bytes // self._written_units)

    def _add_plain(self, text: str) -> None:
        last = text.rfind("\n")
        if last >= 0:
            first = text.find("\n")
            self._write(text[:first])
            self._complete_bytes += self._line_bytes() + utf8_bytes(text[first:last]) + 1
            self.lines += text.count("\n")
            self._begin_line()
        self._write(text[last + 1 :])

    def _write(self, text: str) -> None:
        if text:
            size = units(text)
            self._written_units += size
            self._written_bytes += utf8_bytes(text)
            self.index += size
            self.length = max(self.length, self.index)
            self.styled = self.styled or "\x1b" in text

    def _add_with_moves(self, text: str) -> None:
        for number, part in enumerate(text.split("\r")):
            if number:
                self.index = 0
            for count, piece in enumerate(part.split("\b")):
                if count and self.index:
                    # One unit goes before the cursor, and one under it if there is one.
                    self.length -= 1 if self.index == self.length else 2
                    self.index -= 1
                self._add_plain(piece)
