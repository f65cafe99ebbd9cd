"""``python -m tests.reliability.report``: put the measured figures into RELIABILITY.md, between its two marks."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.reliability.figures import STORE, Figure, load, table

BEGIN = "<!-- figures: written by `make soak` -->"
END = "<!-- end of figures -->"
DOCUMENT = Path("RELIABILITY.md")
_NEW = f"# Reliability\n\nWhat the tests in `tests/reliability` measured last.\n\n{BEGIN}\n{END}\n"


def markdown(figures: list[Figure]) -> str:
    """The table, and on what it was measured."""
    heading, *rows = table(figures)
    lines = [_line(heading), _line(["---:", "---", "---", "---:", "---"]), *map(_line, rows)]
    places = sorted({f"{one.at} on {one.machine}" for one in figures})
    return "\n".join([f"Measured {'; '.join(places)}.", "", *lines])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def rewritten(document: str, figures: list[Figure]) -> str:
    """The document with a new table.

    Raises:
        ValueError: It lacks one of the two marks.
    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{DOCUMENT} has no {BEGIN!r} … {END!r}")
    return f"{head}{begin}\n{markdown(figures)}\n{end}{tail}"


def main(root: Path) -> int:
    """Rewrite the table; returns the exit status."""
    figures = load(root / STORE)
    if not figures:
        sys.stderr.write(f"{STORE} has no figures: run the tests in tests/reliability first\n")
        return 1
    document = root / DOCUMENT
    text = document.read_text("utf-8") if document.exists() else _NEW
    document.write_text(rewritten(text, figures), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
