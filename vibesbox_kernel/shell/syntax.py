"""How to look for syntax errors in a cell before anything of it runs.

Bash reads and runs a script line by line, so a line can change how the next ones are read: ``shopt -s extglob``
allows more patterns, an alias can stand for any syntax. A look at the whole cell beforehand cannot know that; where it
might be wrong it must not refuse a cell that bash would run.
"""

from __future__ import annotations

import re
from enum import StrEnum

_RESERVED = r"case|coproc|do|done|elif|else|esac|fi|for|function|if|select|then|time|until|while"
# Each stops at the first thing that it finds, and none looks at a line twice: a cell may be a mebibyte long.
_VALUE = r"\$\w+|\$\{\w+\}|\$\(\([\w\s+*/%<>=-]*+\)\)"
_PLAIN = re.compile(
    rf"""(?:
        \b(?!(?:{_RESERVED})\b)\w++
        | [\s./=:,@%+*~-]++
        | {_VALUE}
        | "(?:[^"\\`$]++|{_VALUE})*+"
        | '[^']*+'
        | (?<!\S)\#.*+
    )*+""",
    re.VERBOSE,
)
"""Words, quoted or not, values and comments: whatever stands where, bash can read it."""
_READS_A_FILE = re.compile(r"\n[ \t]*(?:\.|source)[ \t]")  # a newline is found faster than the beginning of a line
# By line: its first `alias`, the first `=` behind it. What is atomic is not tried again.
_ALIAS = re.compile(rf"(?m)^(?>.*?\balias[ \t])(?>.*?=).*?(?:[(){{}};&|]|\b(?:{_RESERVED})\b)")


class Check(StrEnum):
    """What ``bash/prepare.sh`` does before the cell."""

    STRICT = "strict"
    EXTGLOB = "extglob"
    NONE = "none"


def check_for(script: str) -> Check:
    """The strictest look that refuses no cell that bash would run, and none where nothing can be wrong."""
    if _PLAIN.fullmatch(script):
        return Check.NONE  # plain words: it saves a fork, which is a good part of what a short cell costs
    if "alias" in script and _ALIAS.search(script):
        return Check.NONE
    lenient = "extglob" in script or _READS_A_FILE.search(f"\n{script}")
    return Check.EXTGLOB if lenient else Check.STRICT
