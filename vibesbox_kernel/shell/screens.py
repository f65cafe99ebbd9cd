r"""Programs that draw on the whole screen (editors, pagers, monitors), known by what they ask of a terminal.

Most change to the *alternate screen* (``\e[?1049h``), and back at their end. Others, such as ``top``, turn on the
keypad's own codes (``\e[?1h``) and move about on a screen that they clear. No text could show what is drawn there.

Source: ctlseqs of xterm; terminfo(5), ``smcup`` and ``smkx``.
"""

from __future__ import annotations

import re

_ALTERNATE = frozenset({"47", "1047", "1049"})
_KEYPAD = frozenset({"1"})
_MODES = re.compile(r"\?([0-9;]+)")
_MOVES = "HfJ"
_RESET = re.compile(r"\x1b(?:c|\[\?([0-9;]+)l)")
_MAX_SEQUENCE = 64
"""How much of a sequence that is cut in two is kept until the rest comes."""


class Screens:
    """Follows one stream of a terminal.

    Attributes:
        entered: How often a program has begun to draw on the whole screen.
        active: Whether one does now.
    """

    def __init__(self) -> None:
        self.entered = 0
        self.active = False
        self._keypad = False
        self._ends: frozenset[str] = frozenset()

    def see(self, parameters: str, final: str) -> None:
        """Take note of a control sequence (CSI) that is not on such a screen."""
        modes = _MODES.fullmatch(parameters)
        if final in "hl" and modes is not None:
            self._set(frozenset(modes[1].split(";")), on=final == "h")
        elif final in _MOVES and self._keypad:
            self._enter(_KEYPAD)

    def leave(self) -> None:
        """The program is gone, and has not tidied up."""
        self.active = self._keypad = False

    def skip(self, text: str, at: int) -> tuple[int, str]:
        """Leave out what is drawn.

        Returns:
            Where in the text the screen ends, or the text's end; and what of it is to be seen again with what follows.
        """
        for match in _RESET.finditer(text, at):
            if match[1] is None or self._ends & set(match[1].split(";")):
                self.leave()
                return match.end(), ""
        last = text.rfind("\x1b", max(at, len(text) - _MAX_SEQUENCE))
        return len(text), text[last:] if last >= 0 else ""

    def _set(self, modes: frozenset[str], *, on: bool) -> None:
        if modes & _KEYPAD:
            self._keypad = on
        if on and modes & _ALTERNATE:
            self._enter(_ALTERNATE)

    def _enter(self, ends: frozenset[str]) -> None:
        self.active, self._ends = True, ends
        self.entered += 1
