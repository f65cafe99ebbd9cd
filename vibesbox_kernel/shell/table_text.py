"""The table of sessions as aligned text and as static HTML."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from vibesbox_kernel.models import EndReason, SessionInfo, SessionStatus
from vibesbox_kernel.shell.human import format_bytes, format_duration
from vibesbox_kernel.shell.progress_text import progress_bar, progress_words

HEADINGS = ("name", "pid", "status", "exit", "elapsed", "CPU", "memory", "output", "command")
CAPTION = "Sessions"
NO_SESSIONS = "no sessions"
_NAME_COLUMNS = 24
_COMMAND_COLUMNS = 24
"""So much of a command is worth more than all of where its session is from."""
_LEAST_FROM_COLUMNS = 16
_LONGEST_COMMAND = 1000
_RIGHT_ALIGNED = frozenset({"pid", "elapsed", "CPU", "memory", "output"})
_GAP = "  "
_FROM = "from"
_PROGRESS = "progress"
_PROGRESS_COLUMNS = 36
"""What of a progress is shown beside the rest; ``%info`` has all of it."""
_BOLD, _DIM, _RED, _GREEN, _YELLOW, _CYAN = (f"\x1b[{code}m" for code in (1, 2, 31, 32, 33, 36))
_PLAIN = "\x1b[0m"

Where = Callable[[SessionInfo], str]
"""Says in words where a session is from."""


@dataclass(frozen=True)
class SessionRow:
    """What the table says of one session, in words."""

    name: str
    pid: str
    status: str
    exit: str
    elapsed: str
    cpu: str
    memory: str
    output: str
    progress: str
    command: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The words in the order of ``HEADINGS``; progress, which few have, is none of them."""
        return (
            self.name,
            self.pid,
            self.status,
            self.exit,
            self.elapsed,
            self.cpu,
            self.memory,
            self.output,
            self.command,
        )


def session_row(info: SessionInfo, now: datetime) -> SessionRow:
    """Put one session into words."""
    over = info.ended_at is not None
    never_ran = info.status is SessionStatus.QUEUED or info.end_reason is EndReason.CANCELLED
    return SessionRow(
        name=one_line(info.name or ""),
        pid=str(info.pid or ""),
        status=status_word(info, now),
        exit=exit_word(info),
        elapsed="" if never_ran else format_duration(info.elapsed(now).total_seconds()),
        cpu="" if info.cpu is None else format_duration(info.cpu),
        memory="" if info.rss is None or over else format_bytes(info.rss),
        output=format_bytes(info.output_bytes),
        progress=one_line(progress_words(info.progress)),
        command=command_line(info.command),
    )


def status_word(info: SessionInfo, now: datetime | None = None) -> str:
    """How a session stands: ``running``, ``restarts in 4 s``, ``queued, durable``, or how it ended.

    Args:
        info: The session.
        now: The time from which a coming restart is counted.
    """
    if info.ended_at is None and info.end_reason is None:
        return f"{_word_of_the_living(info, now)}{', durable' if info.durable else ''}"
    if info.end_reason in (EndReason.TERMINATED, EndReason.KILLED):
        return "killed"  # to whoever did it both are one; the exit status tells them apart
    return str(info.end_reason or info.status)


def _word_of_the_living(info: SessionInfo, now: datetime | None) -> str:
    if info.restart_at is not None:
        seconds = math.ceil((info.restart_at - now).total_seconds()) if now is not None else 0
        return f"restarts in {seconds} s" if seconds > 0 else "restarts"
    if info.waiting_for_input:
        return "waits for input"
    return str(info.status)


def exit_word(info: SessionInfo) -> str:
    """The exit code, the signal's name, or nothing as long as there is neither."""
    status = None if info.end_reason is EndReason.CANCELLED else info.exit_status
    if status is None:
        return ""
    return str(status) if status.code is None else str(status.code)


def how_it_ended(info: SessionInfo, now: datetime | None = None) -> str:
    """Both in a few words: ``killed (SIGKILL)``, ``exited (exit 3)``, ``running``."""
    if info.end_reason is EndReason.CANCELLED:
        return f"cancelled before it could start{f': {info.problem}' if info.problem else ''}"
    status = info.exit_status
    return status_word(info, now) if status is None else f"{status_word(info, now)} ({status})"


def command_line(command: str) -> str:
    """A command on one line: its first that says something, and ``…`` if there are more."""
    lines = [line for line in command.splitlines() if line.strip()]
    first = one_line(lines[0]) if lines else ""
    return f"{first} …" if len(lines) > 1 else first


def text_table(
    sessions: Iterable[SessionInfo], *, now: datetime, width: int, where: Where | None = None, colour: bool = False
) -> str:
    """The table in a fixed-width font; every line fits into the width and none wraps.

    Args:
        sessions: The rows, in this order.
        now: The time at which elapsed times are taken.
        width: Columns of the terminal or output.
        where: Says where a session is from, for one more column; None for a table of ours alone.
        colour: Show by colours how each stands, for a terminal.
    """
    sessions = tuple(sessions)
    layout = _Layout.of(sessions, where)
    rows = [layout.cells(info, now) for info in sessions]
    if not rows:
        return f"{NO_SESSIONS}\n"
    rows = [(_cut(row[0], _NAME_COLUMNS), *row[1:]) for row in rows]
    headings = layout.headings
    widths = _widths([headings, *rows])
    if where is not None:
        rows = [(*row[:-2], _cut_inside(row[-2], _from_columns(widths, width)), row[-1]) for row in rows]
    table = [headings, *rows]
    widths = _widths(table)
    right = [heading in _RIGHT_ALIGNED for heading in headings]
    lines = [_cut(_line(row, widths, right), width) for row in table]
    if colour:
        lines = [
            _painted(line, row, widths, colour)
            for line, row, colour in zip(lines, table, _colours(sessions), strict=True)
        ]
    return "".join(f"{line}\n" for line in lines)


def html_table(
    sessions: Iterable[SessionInfo], *, now: datetime, caption: str = CAPTION, where: Where | None = None
) -> str:
    """The table as HTML that needs no script and no style sheet, for pages and front-ends without widgets."""
    sessions = tuple(sessions)
    layout = _Layout.of(sessions, where)
    headings = layout.headings
    head = "".join(f'<th scope="col" style="{_alignment(name)}">{escape(name)}</th>' for name in headings)
    body = "".join(_html_row(info, now, layout) for info in sessions)
    body = body or f'<tr><td colspan="{len(headings)}" style="text-align:left">{NO_SESSIONS}</td></tr>'
    return (
        f'<table class="vibesbox-sessions"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def columns(text: str) -> int:
    """How many columns a text takes in a fixed-width font."""
    if text.isascii():
        return len(text)
    return sum(_char_columns(char) for char in text)


def _char_columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


@dataclass(frozen=True)
class _Layout:
    """Which columns a table has besides the usual: of its sessions some may have more to say.

    Attributes:
        where: Says where a session is from, for a column before that of the commands.
        progress: Whether any of them reports its progress, for a column before these.
    """

    where: Where | None
    progress: bool

    @classmethod
    def of(cls, sessions: Iterable[SessionInfo], where: Where | None) -> _Layout:
        return cls(where, any(info.progress is not None for info in sessions))

    @property
    def headings(self) -> tuple[str, ...]:
        more = (*((_PROGRESS,) if self.progress else ()), *((_FROM,) if self.where else ()))
        return (*HEADINGS[:-1], *more, HEADINGS[-1])

    def cells(self, info: SessionInfo, now: datetime) -> tuple[str, ...]:
        """A row's words in the order of the headings."""
        cells = list(session_row(info, now).cells)
        if self.progress:
            cells.insert(-1, _cut(one_line(progress_bar(info.progress)), _PROGRESS_COLUMNS))
        if self.where is not None:
            cells.insert(-1, one_line(self.where(info)))
        return tuple(cells)


def _html_row(info: SessionInfo, now: datetime, layout: _Layout) -> str:
    cells = []
    for heading, text in zip(layout.headings, layout.cells(info, now), strict=True):
        title, shown = "", escape(text)
        if heading == "name":
            cells.append(f'<th scope="row" style="{_alignment(heading)}">{shown}</th>')
            continue
        if heading == "command":
            title, shown = (
                f' title="{escape(info.command[:_LONGEST_COMMAND])}"',
                f"<code>{escape(_cut(text, 80))}</code>",
            )
        font = ";font-family:monospace" if heading == _PROGRESS else ""  # or its bars would differ in length
        cells.append(f'<td style="{_alignment(heading)}{font}"{title}>{shown}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    return [max(columns(row[number]) for row in table) for number in range(len(table[0]))]


def _from_columns(widths: Sequence[int], width: int) -> int:
    """What the column before the commands may take, for some of these to be seen."""
    *others, wanted, command = widths
    room = width - sum(others) - len(_GAP) * (len(widths) - 1) - min(command, _COMMAND_COLUMNS)
    return max(_LEAST_FROM_COLUMNS, min(wanted, room))


def _alignment(heading: str) -> str:
    # Figures in one line: a page that is too narrow shall break commands instead.
    side = "right" if heading in _RIGHT_ALIGNED else "left"
    return f"text-align:{side}" if heading == "command" else f"text-align:{side};white-space:nowrap"


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (_pad(text, width, right=is_right) for text, width, is_right in zip(row, widths, right, strict=True))
    return _GAP.join(padded).rstrip()


def _colours(sessions: Iterable[SessionInfo]) -> Iterable[str]:
    """Of the headings' line, and of each session's status."""
    yield _BOLD
    for info in sessions:
        if info.ended_at is not None:
            yield _DIM if info.end_reason is EndReason.EXITED and info.exit_code == 0 else _RED
        elif info.waiting_for_input or info.restart_at is not None:
            yield _YELLOW
        else:
            yield _GREEN if info.is_running else _CYAN


def _painted(line: str, row: Sequence[str], widths: Sequence[int], colour: str) -> str:
    """A line with its status in a colour; of the headings' all of it."""
    if colour == _BOLD:
        return f"{_BOLD}{line}{_PLAIN}"
    before = _GAP.join((_pad(row[0], widths[0], right=False), _pad(row[1], widths[1], right=True), ""))
    start, end = len(before), len(before) + len(row[2])
    return f"{line[:start]}{colour}{line[start:end]}{_PLAIN}{line[end:]}" if len(line) > start else line


def _pad(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def _cut(text: str, width: int) -> str:
    """The text if it fits, else its beginning and ``…``."""
    if columns(text) <= width:
        return text
    taken, kept = 0, []
    for char in text:
        taken += _char_columns(char)
        if taken > width - 1:
            break
        kept.append(char)
    return f"{''.join(kept).rstrip()}…" if width > 0 else ""


def _cut_inside(text: str, width: int) -> str:
    """The text if it fits, else its beginning, ``…`` and its end, which tells one instance from another."""
    if columns(text) <= width:
        return text
    end = 2 * width // 3
    while columns(text[-end:]) > 2 * width // 3:
        end -= 1
    return f"{_cut(text, width - columns(text[-end:]))}{text[-end:]}"


def one_line(text: str) -> str:
    """Blanks of any kind become one, what does not print is shown as ``?``."""
    text = " ".join(text[:_LONGEST_COMMAND].split())
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
