"""Everything known of one session, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from html import escape

from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell.human import format_bytes, format_duration
from vibesbox_kernel.shell.references import label
from vibesbox_kernel.shell.table_text import how_it_ended

_LONGEST_COMMAND = 2000


def describe(info: SessionInfo, now: datetime) -> tuple[str, str]:
    """The facts of a session, one a line, as text and as an HTML table."""
    facts = list(_facts(info, now))
    width = max(len(name) for name, _ in facts)
    indent = "\n" + " " * (width + 2)
    text = "".join(f"{name:<{width}}  {value.replace(chr(10), indent)}\n" for name, value in facts)
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left;white-space:pre-wrap">{escape(value)}</td></tr>'
        for name, value in facts
    )
    html = f'<table class="vibesbox-info"><caption>Session {escape(label(info))}</caption><tbody>{rows}</tbody></table>'
    return text, html


def _facts(info: SessionInfo, now: datetime) -> Iterator[tuple[str, str]]:
    yield "name", info.name or "none"
    yield "pid", str(info.pid or "none yet")
    yield "session", info.session_id
    yield "status", how_it_ended(info)
    yield "started", _moment(info.started_at)
    if info.ended_at is not None:
        yield "ended", _moment(info.ended_at)
    yield "elapsed", format_duration(info.elapsed(now).total_seconds())
    if info.cpu is not None:
        yield "CPU", format_duration(info.cpu)
    if info.rss is not None:
        yield "memory", format_bytes(info.rss)
    yield "output", _output(info)
    yield "directory", info.cwd
    yield "streams", str(info.io)
    yield "where", info.where
    if info.leftovers:
        yield "left over", ", ".join(f"pid {pid}" for pid in info.leftovers)
    yield "command", _command(info.command)


def _output(info: SessionInfo) -> str:
    dropped = f", of which {info.dropped_bytes:,} were dropped" if info.dropped_bytes else ""
    return f"{format_bytes(info.output_bytes)} ({info.output_bytes:,} bytes{dropped})"


def _command(command: str) -> str:
    shown = command.rstrip("\n")
    return shown if len(shown) <= _LONGEST_COMMAND else f"{shown[:_LONGEST_COMMAND]}…"


def _moment(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
