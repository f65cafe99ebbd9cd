"""Which colours and styles are on behind a text: what a line begins with that is shown without those before it."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(r"\x1b\[([0-9;:]*)m")
_RESETS = ("\x1b[0m", "\x1b[m")
_ONE = {"1": "bold", "2": "dim", "3": "italic", "4": "line", "5": "blink", "6": "blink", "7": "inverse", "8": "hidden"}
_ON = {**_ONE, "9": "strike", "21": "line"}
_OFF = {
    "22": ("bold", "dim"),
    "23": ("italic",),
    "24": ("line",),
    "25": ("blink",),
    "27": ("inverse",),
    "28": ("hidden",),
    "29": ("strike",),
    "39": ("fore",),
    "49": ("back",),
}
_LONG = {"38": "fore", "48": "back"}
_MAX_CODE_CHARS = 40
"""No colour needs more; what does is no colour."""


def carried(style: str, text: str) -> str:
    """The sequence that turns on what is on behind a text; empty if nothing is.

    Args:
        style: What is on before it, as this function gives it.
        text: Any text; other sequences than SGR mean nothing here.

    Source: ECMA-48, SGR; ctlseqs of xterm.
    """
    if "\x1b" not in text:
        return style
    start = max(text.rfind(one) for one in _RESETS)
    on = {} if start >= 0 else _parsed(style)
    for match in _SEQUENCE.finditer(text, max(start, 0)):
        _apply(on, match[1])
    return f"\x1b[{';'.join(on.values())}m" if on else ""


def _parsed(style: str) -> dict[str, str]:
    on: dict[str, str] = {}
    if style:
        _apply(on, style[2:-1])
    return on


def _apply(on: dict[str, str], parameters: str) -> None:
    codes = parameters.split(";")
    at = 0
    while at < len(codes):
        code = codes[at].lstrip("0") or "0"
        if code in _LONG:
            length = {"5": 3, "2": 5}.get(codes[at + 1] if at + 1 < len(codes) else "", len(codes))
            if at + length <= len(codes):
                on[_LONG[code]] = ";".join(codes[at : at + length])[:_MAX_CODE_CHARS]
            at += length
            continue
        _apply_one(on, code)
        at += 1


def _apply_one(on: dict[str, str], code: str) -> None:
    main = code.partition(":")[0]
    if code == "0":
        on.clear()
    elif ":" in code:
        kind = _LONG.get(main, "line" if main == "4" else "")
        if kind and len(code) <= _MAX_CODE_CHARS:
            on[kind] = code
            if code == "4:0":
                del on[kind]
    elif code in _ON:
        on[_ON[code]] = code
    elif code in _OFF:
        for kind in _OFF[code]:
            on.pop(kind, None)
    elif code.isdigit() and (30 <= int(code) <= 37 or 90 <= int(code) <= 97):
        on["fore"] = code
    elif code.isdigit() and (40 <= int(code) <= 47 or 100 <= int(code) <= 107):
        on["back"] = code
