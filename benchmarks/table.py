"""Plain tables, and numbers in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Some rows under a heading; the first column is words, the others are numbers.

    Attributes:
        notes: Lines below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.columns))]
        parts = [self.title, _line(self.columns, widths), "  ".join("-" * width for width in widths)]
        parts += [_line(row, widths) for row in self.rows]
        return "\n".join([*parts, *self.notes]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}"


def times(ratio: float) -> str:
    return f"{ratio:.2f} x"


def verdict(met: bool) -> str:
    return "met" if met else "NOT met"
