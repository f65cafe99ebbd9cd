"""How many descriptors may still be opened."""

from __future__ import annotations

import os
import resource


def descriptors_left() -> int:
    """How many there are from the lowest that is free up to the limit; a few of these may be open already."""
    lowest_free = os.dup(0)
    os.close(lowest_free)
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - lowest_free
