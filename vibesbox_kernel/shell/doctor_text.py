"""A diagnosis of this machine, for people: first what holds, then what is weaker, why, and what helps."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from vibesbox_kernel.sessions.doctor import Diagnosis, Finding, Standing
from vibesbox_kernel.shell.table_text import columns

MAX_WIDTH = 100
_MIN_WIDTH = 40
_GAP = "  "
_MARK_COLUMNS = max(len(one) for one in Standing)
_INDENT = " " * (_MARK_COLUMNS + len(_GAP))


def describe(diagnosis: Diagnosis, *, width: int = MAX_WIDTH) -> str:
    """The diagnosis in lines of at most ``width`` columns; a longer word, such as a path, is not broken.

    Args:
        diagnosis: What was found.
        width: Columns there are; no more than 100 are used.
    """
    width = max(_MIN_WIDTH, min(width, MAX_WIDTH))
    lines = [*_kept(diagnosis.of(Standing.YES), width)]
    for standing in (Standing.WEAKER, Standing.NO):
        for finding in diagnosis.of(standing):
            lines += ["", *_degraded(finding, width)]
    return "".join(f"{line}\n" for line in [*lines, "", *_wrap(_summary(diagnosis), width)])


def _kept(findings: Sequence[Finding], width: int) -> Iterator[str]:
    """One line each, if the width allows it."""
    promises = max((columns(finding.promise) for finding in findings), default=0)
    for finding in findings:
        blanks = " " * (promises - columns(finding.promise))
        head = f"{_mark(finding)}{finding.promise}{blanks}{_GAP}"
        if columns(head) + columns(finding.found) <= width:
            yield f"{head}{finding.found}"
        elif columns(head) + _MIN_WIDTH <= width:
            yield from _wrap(finding.found, width, first=head, further=" " * columns(head))
        else:
            yield from _wrap(f"{finding.promise}: {finding.found}", width, first=_mark(finding), further=_INDENT)


def _degraded(finding: Finding, width: int) -> Iterator[str]:
    yield from _wrap(finding.promise, width, first=_mark(finding), further=_INDENT)
    for name, text in (("found", finding.found), ("means", finding.means), ("to do", finding.advice)):
        if text:
            yield from _wrap(text, width, first=f"{_INDENT}{name}:{_GAP}", further=" " * (len(_INDENT) + 8))


def _summary(diagnosis: Diagnosis) -> str:
    kept, weaker, broken = (len(diagnosis.of(standing)) for standing in Standing)
    if not weaker and not broken:
        return f"All {kept} promises hold on this machine."
    rest = [f"{weaker} {'is' if weaker == 1 else 'are'} weaker"] if weaker else []
    rest += [f"{broken} can not be kept"] if broken else []
    return (
        f"{kept} {'promise holds' if kept == 1 else 'promises hold'} on this machine; {' and '.join(rest)}, see above."
    )


def _mark(finding: Finding) -> str:
    return f"{finding.ok:<{_MARK_COLUMNS}}{_GAP}"


def _wrap(text: str, width: int, *, first: str = "", further: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
