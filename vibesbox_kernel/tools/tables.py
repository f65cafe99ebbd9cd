"""CSV as a table: HTML for a page, and aligned columns where there is only text."""

from __future__ import annotations

import csv
import html
import io
import itertools
from dataclasses import dataclass

MAX_ROWS = 100
MAX_COLUMNS = 30
MAX_CELL_CHARACTERS = 200
_SAMPLE_CHARACTERS = 1 << 14
_TEXT_CELL_CHARACTERS = 30

# Only what a theme can not know: numbers to the right; JupyterLab styles the rest of a table.
_NUMBER = ' style="text-align: right"'
_TEXT = ' style="text-align: left"'


@dataclass(frozen=True)
class Table:
    """The beginning of a table.

    Attributes:
        header: The names of the columns.
        rows: The first rows, each as long as the header.
        more_rows: How many rows follow.
        more_columns: How many columns are left out.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more_rows: int
    more_columns: int

    @property
    def note(self) -> str:
        """What is left out; empty if nothing is."""
        left = [f"{self.more_rows:,} more rows"] if self.more_rows else []
        left += [f"{self.more_columns:,} more columns"] if self.more_columns else []
        return f"… {' and '.join(left)}" if left else ""

    def to_html(self) -> str:
        """For a page."""
        numeric = [_is_numeric(column) for column in zip(*self.rows, strict=True)] or [False] * len(self.header)
        head = _html_row(self.header, numeric, 'th scope="col"')
        body = "".join(f"<tr>{_html_row(row, numeric, 'td')}</tr>" for row in self.rows)
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"

    def to_text(self) -> str:
        """For a terminal."""
        lines = [[_short(cell) for cell in row] for row in (self.header, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([*text, self.note] if self.note else text)


def read_table(text: str, *, delimiter: str | None = None) -> Table:
    """Read CSV, its first row as the header.

    Args:
        text: The file.
        delimiter: What is between two cells; found out if none is given.

    Raises:
        ValueError: There is nothing in it, or it is not CSV.
    """
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text))
        header = next(rows, None)
        first = list(itertools.islice(rows, MAX_ROWS))
        more = sum(1 for row in rows if row)
    except csv.Error as error:
        raise ValueError(f"it is not CSV: {error}") from None
    if not header:
        raise ValueError("it is empty")
    shown = [row for row in first if row]
    columns = max(map(len, (header, *shown)))
    return Table(
        header=_cells(header, min(columns, MAX_COLUMNS)),
        rows=tuple(_cells(row, min(columns, MAX_COLUMNS)) for row in shown),
        more_rows=more,
        more_columns=max(0, columns - MAX_COLUMNS),
    )


def _delimiter(text: str) -> str:
    try:
        return csv.Sniffer().sniff(text[:_SAMPLE_CHARACTERS], delimiters=",;\t|").delimiter
    except csv.Error:  # one column, most likely
        return ","


def _cells(row: list[str], count: int) -> tuple[str, ...]:
    cells = [cell if len(cell) <= MAX_CELL_CHARACTERS else f"{cell[:MAX_CELL_CHARACTERS]}…" for cell in row[:count]]
    return (*cells, *[""] * (count - len(cells)))


def _html_row(row: tuple[str, ...], numeric: list[bool], tag: str) -> str:
    pairs = zip(row, numeric, strict=True)
    end = tag.partition(" ")[0]
    return "".join(f"<{tag}{_NUMBER if number else _TEXT}>{html.escape(cell)}</{end}>" for cell, number in pairs)


def _is_numeric(column: tuple[str, ...]) -> bool:
    said = [cell for cell in column if cell]
    try:
        return bool([float(cell) for cell in said])
    except ValueError:
        return False


def _short(cell: str) -> str:
    line = " ".join(cell.split())
    return line if len(line) <= _TEXT_CELL_CHARACTERS else f"{line[: _TEXT_CELL_CHARACTERS - 1]}…"
