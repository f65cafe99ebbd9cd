"""Two forms of each long test: a short one for `make test`, the full one for `make soak`."""

from __future__ import annotations

from typing import Any

import pytest

SOAK_SECONDS = 3600


def scaled(names: str, *, short: Any, soak: Any) -> pytest.MarkDecorator:
    """Parametrise a test by its size: ``short`` always runs, ``soak`` with ``-m soak`` only."""
    marks = [pytest.mark.soak, pytest.mark.timeout(SOAK_SECONDS)]
    return pytest.mark.parametrize(names, [pytest.param(short, id="short"), pytest.param(soak, id="soak", marks=marks)])
