"""The settings as a table: what each means, what it is, and who says so."""

from __future__ import annotations

from html import escape

from vibesbox_kernel.shell.settings import SETTINGS, Settings, Source

_LATER = "at the next start"
_LEFT = 'style="text-align:left"'


def describe_settings(settings: Settings, names: tuple[str, ...] = ()) -> tuple[str, str]:
    """Some settings, or all: as text, and as HTML.

    Args:
        settings: Whose values are shown.
        names: Which; all of them if none are named.
    """
    rows = [_row(settings, name) for name in names or SETTINGS]
    return _text(rows), _html(rows)


def written(value: object) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _row(settings: Settings, name: str) -> tuple[str, ...]:
    setting, source = SETTINGS[name], settings.source(name)
    told = source.words if source is Source.DEFAULT else f"{source.words}; default {written(setting.default)}"
    when = f" [{_LATER}]" if setting.at_start else ""
    return name, written(settings.value(name)), told, f"{setting.meaning} ({setting.wanted}){when}"


def _text(rows: list[tuple[str, ...]]) -> str:
    width = max(len(name) + len(value) + 1 for name, value, _, _ in rows)
    shown = (f"{f'{name}={value}':<{width}}  {meaning}\n{'':<{width}}  {told}" for name, value, told, meaning in rows)
    return "\n".join(shown) + "\n"


def _html(rows: list[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col" {_LEFT}>{one}</th>' for one in ("setting", "value", "from", "meaning"))
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: tuple[str, ...]) -> str:
    return "".join(f"<td {_LEFT}>{escape(one)}</td>" for one in row)
