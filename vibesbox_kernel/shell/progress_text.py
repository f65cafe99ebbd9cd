"""How far a session has come, in words and as a bar of characters."""

from __future__ import annotations

import math

from vibesbox_kernel.models import Progress, ProgressState

BAR_COLUMNS = 10
_TOLD_AS = {ProgressState.ERROR: "error", ProgressState.PAUSED: "paused"}


def progress_words(progress: Progress | None) -> str:
    """``40 % epoch 3``, ``40 % error: disk full``, ``paused``; nothing where nothing is known."""
    if progress is None:
        return ""
    percent = "" if progress.fraction is None else f"{_percent(progress.fraction)} %"
    state = _TOLD_AS.get(progress.state, "")
    said = ": ".join(filter(None, (state, progress.text)))
    if progress.state is ProgressState.INDETERMINATE and not said:
        said = "working"
    return " ".join(filter(None, (percent, said)))


def progress_bar(progress: Progress | None) -> str:
    """The words behind a bar: ``[####------] 40 % epoch 3``; without a fraction the bar says so: ``[??????????]``."""
    if progress is None:
        return ""
    return f"[{_bar(progress)}] {progress_words(progress)}".rstrip()


def _bar(progress: Progress) -> str:
    if progress.fraction is None:
        return "?" * BAR_COLUMNS
    done = math.floor(_percent(progress.fraction) * BAR_COLUMNS / 100)
    return "#" * done + "-" * (BAR_COLUMNS - done)


def _percent(fraction: float) -> int:
    """Rounded down, so that what is not complete never says 100; 0.29 is 29 % all the same."""
    return math.floor(fraction * 100 + 1e-9)
