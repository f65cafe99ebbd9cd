"""Text on its way to a front-end that tells stdout and stderr apart."""

from __future__ import annotations

from vibesbox_kernel.models import StreamName
from vibesbox_kernel.shell.overwrite import drop_overwritten

EXACT_RUNS = 30
"""As many times a cell's output may go from one stream to the other; JupyterLab hides what is beyond fifty outputs."""

COLLAPSE_CHARS = 2_000


class Outgoing:
    """Text in runs, each of one stream, that waits for its turn to be sent.

    The runs keep the order of the output, until a session goes to and fro so often that a page would not show it all:
    then what waits is gathered, so that a turn is a message of each stream at most.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[StreamName, list[str]]] = []
        self._switches = 0
        self._last = StreamName.STDOUT

    def add(self, stream: StreamName, text: str) -> None:
        """Append text to what waits."""
        if not text:
            return
        if not self._runs or self._runs[-1][0] is not stream:
            self._runs.append((stream, []))
        self._runs[-1][1].append(text)

    def take(self) -> list[tuple[StreamName, str]]:
        """All that waits, in the messages that are to be sent now."""
        runs, self._runs = self._runs, []
        if self._switches + len(runs) > EXACT_RUNS:
            runs = self._gathered(runs)
        self._switches += len(runs) - (bool(runs) and runs[0][0] is self._last)
        if runs:
            self._last = runs[-1][0]
        return [(stream, _joined(texts)) for stream, texts in runs]

    def take_back(self, stream: StreamName, lines: int) -> int | None:
        """Take out the end of a stream's text: the last line, if it is not ended, and so many before.

        Returns:
            How many of those lines are not here but were sent before; None if all were here.
        """
        if not self._runs or self._runs[-1][0] is not stream:
            return lines
        text = "".join(self._runs.pop()[1])
        at = len(text)
        for _ in range(lines + 1):
            at = text.rfind("\n", 0, at)
            if at < 0:
                return lines - text.count("\n")
        self.add(stream, text[: at + 1])
        return None

    def _gathered(self, runs: list[tuple[StreamName, list[str]]]) -> list[tuple[StreamName, list[str]]]:
        """One run of each stream; first goes on what was shown last."""
        streams = sorted({stream for stream, _ in runs}, key=lambda stream: stream is not self._last)
        return [(one, [text for stream, texts in runs if stream is one for text in texts]) for one in streams]


def _joined(texts: list[str]) -> str:
    text = "".join(texts)
    return drop_overwritten(text) if len(text) > COLLAPSE_CHARS else text
