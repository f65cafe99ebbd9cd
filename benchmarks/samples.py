"""Times that were measured, and what is said of them."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Measure = Callable[[], float]


@dataclass
class Sample:
    """Times of one thing, in seconds."""

    seconds: list[float] = field(default_factory=list)

    @property
    def minimum(self) -> float:
        """The shortest, which noise has lengthened the least."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p90(self) -> float:
        """Nine of ten took at most so long."""
        ordered = sorted(self.seconds)
        return ordered[math.ceil(0.9 * len(ordered)) - 1]

    def __len__(self) -> int:
        return len(self.seconds)


def in_random_order(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Every name once in each round: what disturbs the machine for a while disturbs all alike."""
    chance = random.Random(rounds)
    for _ in range(rounds):
        yield from chance.sample(names, len(names))


def interleave(measures: Mapping[str, Measure], *, rounds: int, warm_up: int = 0) -> dict[str, Sample]:
    """Measure several things in turns.

    Args:
        measures: Does one of them once, and says how many seconds it took.
        rounds: How often each.
        warm_up: How often each before it counts.
    """
    samples = {name: Sample() for name in measures}
    for name in in_random_order(tuple(measures), warm_up):
        measures[name]()
    for name in in_random_order(tuple(measures), rounds):
        samples[name].seconds.append(measures[name]())
    return samples


def busiest_second(events: Iterable[tuple[float, int]]) -> tuple[int, int]:
    """The most that fell into any one second: how many events, and how much in all (not of the same second).

    Args:
        events: Times in seconds, with what each brought.
    """
    ordered = sorted(events)
    most, largest, first, inside = 0, 0, 0, 0
    for last, (at, size) in enumerate(ordered):
        inside += size
        while at - ordered[first][0] >= 1.0:
            inside -= ordered[first][1]
            first += 1
        most, largest = max(most, last - first + 1), max(largest, inside)
    return most, largest
