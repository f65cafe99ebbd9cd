"""Everything known of one session, as text and as HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape

from vibesbox_kernel.models import (
    EndReason,
    InputKind,
    ListeningPort,
    OnFull,
    OnLeftovers,
    SessionInfo,
    SessionPolicy,
    SessionStatus,
)
from vibesbox_kernel.shell.human import format_bytes, format_duration
from vibesbox_kernel.shell.progress_text import progress_bar
from vibesbox_kernel.shell.references import label
from vibesbox_kernel.shell.table_text import how_it_ended, one_line

_LONGEST_COMMAND = 2000

_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")
_VERBATIM = frozenset({"name", "directory", "command"})


def describe(
    info: SessionInfo, now: datetime, *, where: str = "here", ports: Sequence[ListeningPort] = ()
) -> tuple[str, str]:
    """The facts of a session, one a line, as text and as an HTML table.

    Args:
        info: The session.
        now: The time at which times that go on are taken.
        where: Where it is from, in words.
        ports: On which it listens.
    """
    known = list(facts(info, now, where, ports))
    width = max(len(name) for name, _ in known)
    indent = "\n" + " " * (width + 2)
    text = "".join(f"{name:<{width}}  {value.replace(chr(10), indent)}\n" for name, value in known)
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left;white-space:pre-wrap">{_shown(name, value)}</td></tr>'
        for name, value in known
    )
    html = f'<table class="vibesbox-info"><caption>Session {escape(label(info))}</caption><tbody>{rows}</tbody></table>'
    return text, html


def _shown(name: str, value: str) -> str:
    """A value as HTML; as code where it is the user's text, which JupyterLab would else take for TeX at a ``$``."""
    if name == "listens on":
        return _ADDRESS.sub(r'<a href="\g<0>" target="_blank" rel="noopener">\g<0></a>', escape(value))
    return f"<code>{escape(value)}</code>" if name in _VERBATIM else escape(value)


def address_of(port: ListeningPort) -> str:
    """Where a browser on this machine finds what listens there, if that speaks HTTP."""
    return f"http://127.0.0.1:{port.port}/"


def facts(
    info: SessionInfo, now: datetime, where: str = "here", ports: Sequence[ListeningPort] = ()
) -> Iterator[tuple[str, str]]:
    """What is known of a session, each fact with its name; see ``describe``."""
    yield "name", info.name or "none"
    yield "pid", str(info.pid or ("none yet" if info.ended_at is None else "none"))
    yield "session", info.session_id
    yield "status", how_it_ended(info, now)
    if info.progress is not None:
        yield "progress", one_line(progress_bar(info.progress))
    if info.input_kind is not None:
        yield "input", _input(info)
    if info.problem and info.end_reason is not EndReason.CANCELLED:
        yield "problem", info.problem
    yield from _times(info, now)
    if info.restarts:
        yield "restarted", f"{info.restarts} times so far"
    yield from _usage(info)
    yield "output", _output(info)
    if ports:
        yield "listens on", "\n".join(f"{address_of(one)} ({one.address}, pid {one.pid})" for one in ports)
    yield "directory", info.cwd
    yield "streams", str(info.io)
    yield "from", where
    yield "owner", _owner(info)
    yield "program", info.instance or "unknown"
    yield "durable", "yes: it outlives the program that owns it" if info.durable else "no"
    if info.where != "local":
        yield "machine", info.where
    yield from _limits(info.policy)
    if info.leftovers:
        yield "left over", ", ".join(f"pid {pid}" for pid in info.leftovers)
    yield "command", _command(info.command)


def _input(info: SessionInfo) -> str:
    """What it waits for, and how it is given that."""
    ref = info.name or info.pid
    if info.input_kind is InputKind.PASSWORD:
        return f"waits for a password: %send {ref} --secret asks you for it"
    if info.input_kind in (InputKind.KEY, InputKind.KEYS):
        return f"takes single keys: %send {ref} -n TEXT types them, without Enter"
    return f"waits for a line: %send {ref} TEXT types one, %send {ref} --eof ends the input"


def _times(info: SessionInfo, now: datetime) -> Iterator[tuple[str, str]]:
    """When it was what; what has not run has no start and takes no time."""
    if info.status is SessionStatus.QUEUED or info.end_reason is EndReason.CANCELLED:
        yield "submitted", _moment(info.started_at)
        if info.ended_at is not None:
            yield "cancelled", _moment(info.ended_at)
        return
    yield "started", _moment(info.started_at)
    if info.ended_at is not None:
        yield "ended", _moment(info.ended_at)
    yield "elapsed", format_duration(info.elapsed(now).total_seconds())


def _usage(info: SessionInfo) -> Iterator[tuple[str, str]]:
    if info.cpu is not None:
        yield "CPU", format_duration(info.cpu)
    memory = [] if info.rss is None else [f"{format_bytes(info.rss)} now"]
    memory += [f"{format_bytes(info.peak_rss)} at most"] if info.peak_rss else []
    if memory:
        yield "memory", ", ".join(memory)
    if info.processes is not None:
        yield "processes", str(info.processes)
    if info.read_bytes is not None and info.written_bytes is not None:
        yield "storage", f"{format_bytes(info.read_bytes)} read, {format_bytes(info.written_bytes)} written"


def _limits(policy: SessionPolicy) -> Iterator[tuple[str, str]]:
    """What was asked for, where it is not the usual."""
    times = {"time limit": policy.timeout, "idle limit": policy.idle_timeout}
    yield from ((name, format_duration(limit)) for name, limit in times.items() if limit is not None)
    if policy.nice:
        yield "nice", str(policy.nice)
    if policy.max_cpu_seconds is not None:
        yield "CPU limit", f"{format_duration(policy.max_cpu_seconds)} for each process"
    if policy.max_memory_bytes is not None:
        yield "memory limit", f"{format_bytes(policy.max_memory_bytes)} for the whole tree"
    if policy.max_output_bytes is not None:
        yield "output limit", format_bytes(policy.max_output_bytes)
    if policy.on_full is OnFull.BLOCK:
        yield "when full", "it waits until output is discarded"
    if policy.on_leftovers is OnLeftovers.KILL:
        yield "leftovers", "are killed"
    if policy.max_restarts:
        yield "restarts", f"up to {policy.max_restarts} in a row after failures"
    if policy.group is not None:
        yield "group", policy.group
    if policy.after:
        yield "after", ", ".join(session_id[:8] for session_id in policy.after)


def _owner(info: SessionInfo) -> str:
    if info.ended_at is not None or info.owned:
        return info.owner
    return f"nobody since {info.owner} is gone; %adopt takes it over"


def _output(info: SessionInfo) -> str:
    dropped = f", of which {info.dropped_bytes:,} were dropped" if info.dropped_bytes else ""
    return f"{format_bytes(info.output_bytes)} ({info.output_bytes:,} bytes{dropped})"


def _command(command: str) -> str:
    shown = command.rstrip("\n")
    return shown if len(shown) <= _LONGEST_COMMAND else f"{shown[:_LONGEST_COMMAND]}…"


def _moment(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
