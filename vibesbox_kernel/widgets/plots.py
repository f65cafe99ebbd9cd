"""A session's figures over its life as lines to be drawn: CPU, memory and output rate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypedDict

from vibesbox_kernel.models import Usage

MOST_POINTS = 240
"""As many as can be told apart in a plot."""
SPARK_SECONDS = 60
_STEP_SECONDS = 1.0


class Plot(TypedDict):
    """Points in time, and the value of each line there.

    Attributes:
        at: Seconds since the session's start.
        cpu: Percent of one core, on average since the point before.
        rss: Resident bytes.
        output: Bytes of output a second, on average since the point before.
    """

    at: list[float]
    cpu: list[float]
    rss: list[int]
    output: list[float]


def plot(points: Sequence[Usage], *, most: int = MOST_POINTS) -> Plot:
    """The lines of a session's history.

    Args:
        points: As ``SessionManager.usage`` gives them: one stands until the next.
        most: At most so many points are kept; of the memory the highest of those that are merged.
    """
    merged = _merge(_with_quiet_times(points), most)
    found = Plot(at=[], cpu=[], rss=[], output=[])
    for before, after in pairwise(merged):
        took = max(after.at - before.at, 1e-3)
        found["at"].append(round(after.at, 1))
        found["cpu"].append(round(max(0.0, 100 * (after.cpu - before.cpu) / took), 1))
        found["rss"].append(after.rss)
        found["output"].append(round(max(0, after.output_bytes - before.output_bytes) / took, 1))
    return found


def spark(points: Sequence[Usage], now: float) -> tuple[list[int], list[int]]:
    """CPU in percent and memory in bytes, one value for each of the last seconds, the newest last.

    Args:
        points: As ``SessionManager.usage`` gives them.
        now: Seconds since the session's start.
    """
    lines = plot([point for point in points if point.at >= now - 2 * SPARK_SECONDS], most=len(points) + 1)
    cpu: list[int] = []
    rss: list[int] = []
    first = max(0, int(now) - SPARK_SECONDS)
    index = 0
    for second in range(first, int(now)):
        while index + 1 < len(lines["at"]) and lines["at"][index] < second:
            index += 1
        cpu.append(round(lines["cpu"][index]) if lines["at"] else 0)
        rss.append(lines["rss"][index] if lines["at"] else 0)
    return cpu, rss


def _with_quiet_times(points: Sequence[Usage]) -> list[Usage]:
    """Where nothing changed for long, there is a point before the change: what came in a second was not used in ten."""
    start = Usage(at=0.0, cpu=0.0, rss=0, processes=0, read_bytes=0, written_bytes=0, output_bytes=0)
    found = [start]
    for point in points:
        last = found[-1]
        if point.at - last.at > 2 * _STEP_SECONDS and len(points) < 2 * SPARK_SECONDS:
            found.append(last.model_copy(update={"at": point.at - _STEP_SECONDS}))
        found.append(point)
    return found


def _merge(points: Sequence[Usage], most: int) -> list[Usage]:
    """Every n-th point, so that few enough are left, each with the most memory of those that it stands for."""
    step = -(-len(points) // most) if points else 1
    merged = []
    for end in range(len(points) - 1, -1, -step):
        group = points[max(0, end - step + 1) : end + 1]
        merged.append(points[end].model_copy(update={"rss": max(one.rss for one in group)}))
    return merged[::-1]
