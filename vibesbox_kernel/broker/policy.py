"""The limits of a session, as the broker keeps them: what a client may ask for, and the defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

GRACE_SECONDS = 1.0
"""Between the two stages of an end: SIGINT, and SIGKILL of the tree."""


@dataclass(frozen=True, slots=True)
class Policy:
    """See ``SessionPolicy`` in ``models``, which has the same fields and explains each."""

    timeout: float | None = None
    idle_timeout: float | None = None
    nice: int = 0
    max_cpu_seconds: int | None = None
    max_memory_bytes: int | None = None
    max_output_bytes: int | None = None
    on_full: str = "drop_oldest"
    on_leftovers: str = "keep"
    max_restarts: int = 0
    group: str | None = None
    after: tuple[str, ...] = ()

    def given(self) -> dict[str, Any]:
        """The fields that are not at their defaults: most sessions have none, and events stay small."""
        return {name: value for name, default in _DEFAULTS.items() if (value := getattr(self, name)) != default}


_DEFAULTS = {one.name: one.default for one in fields(Policy)}
