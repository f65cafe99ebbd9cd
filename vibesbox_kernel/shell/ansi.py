"""Terminal output as text that a notebook can show: what it can not perform is taken out, nothing else is touched."""

from __future__ import annotations

import codecs
import re

from vibesbox_kernel.shell.line_model import LineModel
from vibesbox_kernel.shell.screens import Screens

_SPECIAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TOKEN = re.compile(
    r"""
      (?P<text>   [^\x00-\x08\x0b-\x1f\x7f-\x9f]+ )
    | (?P<return> \r+ )
    | (?P<back>   \x08+ )
    | \x1b (?:
          \[ (?P<csi> [0-?]{0,200} [ -/]{0,8} ) (?P<final> [@-~] )?   # CSI
        | (?P<string> [\]PX^_] )                                     # OSC, DCS, SOS, PM, APC: all end alike
        | [ -/]{1,8} [0-~]?                                          # character sets and the like
        | [0-OQ-WYZ`-~\\]                                            # one-letter sequences
      )?
    | (?P<stray> [\x00-\x1f\x7f-\x9f] )
    """,
    re.VERBOSE,
)
# What needs no thought, in one go: text, colours, ends of lines.
_BULK = re.compile(r"(?:[^\x00-\x08\x0b-\x1f\x7f-\x9f]+|\x1b\[[0-9;:]{0,200}m|\r+(?=\n))+")
_LINE_END = re.compile(r"\r+\n")
_STYLE = re.compile(r"\x1b\[[0-9;:]*m")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[ -/]+)?")
# A string control ends at BEL or ST; a newline, CAN, SUB or another escape means that its end was lost: what follows is
# shown rather than swallowed.
_STRING_END = re.compile(r"\x07|\x1b\\|\x9c|(?=[\n\x18\x1a])|(?=\x1b[^\\])")
_SGR = re.compile(r"[0-9;:]*")


class OutputFilter:
    r"""Turn a session's bytes into text for a stream output, piece by piece.

    However the bytes are cut, the texts joined are the same. Characters come whole, bytes that are no UTF-8 become
    U+FFFD, ``\r\n`` becomes ``\n``, OSC and other strings, stray control characters and escape sequences that
    JupyterLab does not perform are removed. Kept are TAB, ``\r``, ``\b`` and colours (SGR). No text ends in ``\r``:
    a front-end would lose it; it waits for what follows.

    Two things are translated for front-ends that overwrite character by character (see ``line_model``): "erase the
    line" (CSI K) becomes blanks, and a coloured line is blanked before it is overwritten, since half an escape
    sequence would show.

    What a program draws on the whole screen is left out (see ``screens``).

    Attributes:
        line: What a front-end keeps of the text so far.
        screens: Whether a program draws on the whole screen.
    """

    def __init__(self, *, terminal: bool = False, moves: bool = False) -> None:
        """Start at the beginning of a line.

        Args:
            terminal: The text goes to a real terminal, which erases by itself: CSI K is kept, nothing is translated.
            moves: The text goes to a ``Grid``, which performs moves of the cursor: these are kept as well.
        """
        self.line = LineModel()
        self.screens = Screens()
        self._terminal = terminal
        self._moves = moves
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._in_string = False
        self._returned = False  # a \r is held back
        self._waiting_styles = ""  # colours that came after it
        self._styles = ""  # colours that came after the last character

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """Filter the next bytes.

        Args:
            data: Any bytes.
            final: Nothing follows: an incomplete character becomes U+FFFD, an incomplete sequence is dropped.
        """
        text = self._held + self._decoder.decode(data, final)
        self._held = ""
        if not (self._in_string or self._returned or self.screens.active or _SPECIAL.search(text)):
            self.line.add(text)
            self._styles = "" if text else self._styles
            return text
        out: list[str] = []
        self._scan(text, out)
        if final:
            self._held, self._in_string, self._returned, self._waiting_styles = "", False, False, ""
            self.screens.leave()
        return "".join(out)

    def leave_screen(self) -> None:
        """The program that has drawn on the whole screen is gone, and has not tidied up."""
        if self.screens.active:
            self.screens.leave()
            self._held = ""

    def _scan(self, text: str, out: list[str]) -> None:
        at = 0
        while at < len(text):
            if self.screens.active:
                at, self._held = self.screens.skip(text, at)
                continue
            if self._in_string:
                at = self._skip_string(text, at)
                continue
            if not self._returned and (bulk := _BULK.match(text, at)):
                at = bulk.end()
                self._take_bulk(bulk.group(), out)
                continue
            match = _TOKEN.match(text, at)
            assert match is not None  # the token for stray characters takes what no other does
            if self._unfinished(text, match):
                self._held = text[at:]
                return
            at = match.end()
            self._take(match, out)

    def _skip_string(self, text: str, at: int) -> int:
        end = _STRING_END.search(text, at)
        if end is not None:
            self._in_string = False
            return end.end()
        if text.endswith("\x1b"):  # perhaps the first half of its end
            self._held = "\x1b"
        return len(text)

    @staticmethod
    def _unfinished(text: str, match: re.Match[str]) -> bool:
        """Whether the sequence may go on in the next bytes."""
        if match.end() < len(text):
            return False
        return _UNFINISHED.fullmatch(match.group()) is not None

    def _take(self, match: re.Match[str], out: list[str]) -> None:
        kind = match.lastgroup
        if kind == "text":
            self._take_text(match.group(), out)
        elif kind == "return":
            self._returned = True
        elif kind == "back":
            self._take_backspaces(len(match.group()), out)
        elif kind == "string":
            self._in_string = True
        elif kind == "final":
            self._take_csi(match["csi"], match["final"], out)

    def _take_bulk(self, text: str, out: list[str]) -> None:
        self._emit(text if self._terminal else _LINE_END.sub("\n", text), out)
        styles = _trailing_styles(text)
        self._styles = self._styles + styles if len(styles) == len(text) else styles

    def _take_text(self, text: str, out: list[str]) -> None:
        if text[0] == "\n" and not self._terminal:
            self._returned = False  # \r\n is \n, and at the end of a line \r moves nothing
        self._settle_return(out)
        self._emit(text, out)
        self._styles = ""

    def _take_backspaces(self, count: int, out: list[str]) -> None:
        self._settle_return(out)
        if self._terminal:
            self._emit("\b" * count, out)
            return
        # The front-end would take the last characters of the colour codes for what was to be removed.
        self._emit("\b" * (len(self._styles) + count) + self._styles, out)

    def _take_csi(self, parameters: str, final: str, out: list[str]) -> None:
        if final == "m" and _SGR.fullmatch(parameters):
            self._take_style(f"\x1b[{parameters}m", out)
        elif final == "K" and parameters in ("", "0", "1", "2"):
            self._erase(parameters, out)
        elif self._moves and final in "ABCDEFGJ" and not parameters.startswith("?"):
            self._settle_return(out)
            self._emit(f"\x1b[{parameters}{final}", out)
        else:
            self.screens.see(parameters, final)

    def _take_style(self, style: str, out: list[str]) -> None:
        if self._returned and not self._terminal:
            self._waiting_styles += style  # alone it would overwrite what is to stay if a newline comes next
            return
        self._settle_return(out)
        self._emit(style, out)
        self._styles += style

    def _erase(self, parameters: str, out: list[str]) -> None:
        """Blank the line after the cursor, before it or all of it, and leave the cursor where it is."""
        index = 0 if self._returned else self.line.index
        if self._terminal:
            self._settle_return(out)
            self._emit(f"\x1b[{parameters}K", out)
        elif parameters == "1":
            self._emit("\r" + " " * index if index else "", out)
        elif index == 0 or parameters == "2":
            self._blank_line(out)
            if index:
                self._settle_return(out)
                self._emit(" " * index, out)
        else:
            rest = self.line.length - index
            self._emit(" " * rest + "\b" * rest, out)

    def _settle_return(self, out: list[str]) -> None:
        r"""Send the ``\r`` that was held back, now that something follows it on its line; and the colours after it."""
        if self._returned:
            if self.line.styled and not self._terminal:
                self._blank_line(out)
            self._returned = False
            self._emit("\r", out)
        self._emit(self._waiting_styles, out)
        self._styles += self._waiting_styles
        self._waiting_styles = ""

    def _blank_line(self, out: list[str]) -> None:
        r"""Overwrite the line with blanks; the ``\r`` that brings the cursor back is held."""
        if self.line.length:
            self._emit("\r" + " " * self.line.length, out)
            self.line.styled, self._styles = False, ""
            self._returned = True

    def _emit(self, text: str, out: list[str]) -> None:
        if text:
            self.line.add(text)
            out.append(text)


def without_styles(text: str) -> str:
    """A filtered text without its colours."""
    return _STYLE.sub("", text)


def _trailing_styles(text: str) -> str:
    """The colour codes at the end of a text."""
    start = len(text)
    while (escape := text.rfind("\x1b", 0, start)) >= 0 and _STYLE.fullmatch(text, escape, start):
        start = escape
    return text[start:]
