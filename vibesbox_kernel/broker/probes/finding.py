"""What a probe says: whether a promise holds, what was seen, and what that means for a user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

YES = "yes"
WEAKER = "weaker"
NO = "no"


@dataclass(frozen=True, slots=True)
class Finding:
    """How it stands with one promise.

    Attributes:
        id: A word for programs.
        promise: What is promised, in words for a user.
        ok: ``yes``, ``weaker`` (kept in part, or with a bound) or ``no``.
        found: What the probe saw.
        means: What follows for the user; empty when the promise holds.
        advice: What the user can do about it; empty when that is nothing.
    """

    id: str
    promise: str
    ok: str
    found: str
    means: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise that a probe looks into."""

    id: str
    text: str

    def yes(self, found: str) -> Finding:
        """It holds."""
        return Finding(self.id, self.text, YES, found)

    def weaker(self, found: str, means: str, advice: str = "") -> Finding:
        """It holds in part only."""
        return Finding(self.id, self.text, WEAKER, found, means, advice)

    def no(self, found: str, means: str, advice: str = "") -> Finding:
        """It can not be kept."""
        return Finding(self.id, self.text, NO, found, means, advice)


@dataclass(frozen=True, slots=True)
class Probe:
    """One experiment, and every promise that it says something of."""

    promises: tuple[Promise, ...]
    look: Callable[[], Iterator[Finding]]

    def run(self) -> Iterator[Finding]:
        """Do the experiment; what can not be found out is said as such, promise by promise."""
        unknown = {promise.id: promise for promise in self.promises}
        try:
            for finding in self.look():
                unknown.pop(finding.id, None)
                yield finding
        except Exception as error:  # noqa: BLE001 - a system that refuses one experiment must not hide the others
            for promise in unknown.values():
                found = f"could not be found out: {type(error).__name__}: {error}"
                yield promise.weaker(found, "Nobody knows whether this holds here.")


def in_words(error: OSError) -> str:
    """Why the system refused, with its first letter small."""
    why = error.strerror or str(error)
    return why[:1].lower() + why[1:]


def size(count: int) -> str:
    """A number of bytes to three digits: ``64 MB``, ``4.3 GB``."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f} {unit}" if amount < 9.95 and unit != "B" else f"{amount:.0f} {unit}"
