"""The figures that reliability tests measure, and the file that keeps them from run to run."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

STORE = Path("test-results") / "reliability.json"


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        number: Of the test in the list of thirty.
        what: What was measured, in words that stay the same from run to run.
        target: What it should be, in words; empty for a figure that is only told.
        scale: How much of it there was: ``500 sessions × 3``.
        soak: Whether the full form measured it.
    """

    number: int
    what: str
    value: float
    unit: str
    target: str
    scale: str
    soak: bool
    at: str
    machine: str

    def row(self) -> list[str]:
        """The cells of its line in a table."""
        return [str(self.number), self.what, self.scale, shown(self.value, self.unit), self.target]


def measured(
    number: int, what: str, value: float, unit: str, *, target: str = "", scale: str = "", soak: bool = False
) -> Figure:
    """A figure of now and here."""
    now = f"{datetime.now(UTC):%Y-%m-%d}"
    return Figure(number, what, float(value), unit, target, scale, soak, now, describe_machine())


def describe_machine() -> str:
    """On what it was measured, in a few words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{cores} cores, {system}, Python {platform.python_version()}"


def shown(value: float, unit: str) -> str:
    """A value with three significant digits; whole numbers stay whole."""
    text = f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def load(store: Path) -> list[Figure]:
    """What earlier runs have measured; nothing when there was none."""
    try:
        return [Figure(**facts) for facts in json.loads(store.read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def save(store: Path, new: list[Figure]) -> None:
    """Keep the newest of each figure, the full form's beside the short form's."""
    kept = {(one.number, one.what, one.soak): one for one in [*load(store), *new]}
    ordered = sorted(kept.values(), key=lambda one: (one.number, one.what, one.soak))
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(json.dumps([asdict(one) for one in ordered], indent=1) + "\n", "utf-8")


def table(figures: list[Figure]) -> list[list[str]]:
    """Rows for people, the heading first; of a figure's two forms the full one."""
    best = {(one.number, one.what): one for one in sorted(figures, key=lambda one: one.soak)}
    rows = [best[key].row() for key in sorted(best)]
    return [["test", "figure", "scale", "measured", "target"], *rows]
