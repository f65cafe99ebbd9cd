"""``--expand``: Python's values in the text of a session.

``{x}`` is the value of a Python expression, and ``$x`` that of a Python variable, as IPython has it for its own magics;
``{{``, ``}}`` and ``$$`` are a brace and a dollar for the shell. A ``$x`` that Python does not know is the shell's.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from typing import Any

from IPython.utils.text import FullEvalFormatter

from vibesbox_kernel.errors import MagicError

_DOLLAR = re.compile(r"\$(?:\$|([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*))")
_BRACES = "{{ and }} stand for the shell's own braces"
_MAGIC = "%session --expand"


class Expansion:
    """Puts values into texts.

    Args:
        names: The variables that a text may use.
    """

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def __call__(self, text: str) -> str:
        """The text with values in the place of expressions.

        Raises:
            MagicError: A variable is missing, or an expression is none.
        """
        return "".join(self._pieces(text))

    def _pieces(self, text: str) -> Iterator[str]:
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise MagicError(f"{_MAGIC}: {error}; {_BRACES}", magic=_MAGIC) from None
        for literal, field, spec, conversion in parsed:
            yield _DOLLAR.sub(self._of_dollar, literal)
            if field is not None:
                more = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                yield self._value_of(f"{field}{more}")

    def _of_dollar(self, match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        if match[1] not in self._names:
            return match[0]
        known = match[1] + match[2]
        try:
            return self._value_of(known)
        except MagicError:  # `$name.txt` is a variable and a suffix
            return self._value_of(match[1]) + match[2]

    def _value_of(self, expression: str) -> str:
        try:
            value: str = FullEvalFormatter().vformat(f"{{{expression}}}", (), dict(self._names))
        except NameError as error:
            raise MagicError(
                f"{_MAGIC}: there is no Python variable {error.name!r}, which {{{expression}}} asks for; {_BRACES}",
                magic=_MAGIC,
            ) from error
        except SyntaxError:
            raise MagicError(f"{_MAGIC}: {{{expression}}} is no Python expression; {_BRACES}", magic=_MAGIC) from None
        except Exception as error:  # whatever the user's own expression comes to
            raise MagicError(f"{_MAGIC}: {{{expression}}}: {type(error).__name__}: {error}", magic=_MAGIC) from error
        return value
