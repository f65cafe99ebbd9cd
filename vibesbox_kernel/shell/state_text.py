"""What cells hand on to the next, as text and as HTML: names and counts, never a value that may be a secret."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from textwrap import fill

from vibesbox_kernel.shell.generations import Generation, Generations
from vibesbox_kernel.shell.state import ShellState

_BACK_SHOWN = 8
_NAMES_SHOWN = 60
_RESTLESS = frozenset({"SECONDS"})


def describe_state(generations: Generations, *, jobs: Sequence[str] = (), width: int) -> tuple[str, str]:
    """The newest state, compared with the first, and those to which one can go back.

    Args:
        jobs: Sessions of which only background jobs are left.
        width: Columns that the text may take.
    """
    caption = f"State {generations.newest.number}, from {generations.newest.origin}"
    facts = [*_facts(generations), *([("background jobs", f"of {_listed(jobs)}")] if jobs else [])]
    indent = max(len(name) for name, _ in facts) + 4
    text = "".join(f"{_line(name, value, indent=indent, width=width)}\n" for name, value in facts)
    # As code: JupyterLab would take what stands between two `$` for TeX.
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top">{escape(name)}</th>'
        f'<td style="text-align:left;white-space:pre-wrap"><code>{escape(value)}</code></td></tr>'
        for name, value in facts
    )
    html = f'<table class="vibesbox-state"><caption>{escape(caption)}</caption><tbody>{rows}</tbody></table>'
    return f"{caption}\n{text}", html


def state_data(generations: Generations) -> dict[str, object]:
    """The same as plain values, with every name."""
    newest = generations.newest
    state = newest.state
    return {
        "number": newest.number,
        "origin": newest.origin,
        "directory": state.cwd,
        "variables": list(state.variable_names),
        "functions": list(state.function_names),
        "aliases": list(state.alias_names),
        "options": _decoded(state.options),
        "shopts": _decoded(state.shopts),
        "traps": _decoded(state.traps),
        "descriptors": [] if generations.descriptors is None else list(generations.descriptors.numbers),
        "earlier": [{"number": one.number, "origin": one.origin} for one in generations.earlier],
    }


def short(generation: Generation) -> str:
    """A state in a few words."""
    return f"{generation.number} (from {generation.origin})"


def _facts(generations: Generations) -> Iterator[tuple[str, str]]:
    state, first = generations.newest.state, generations.first.state
    yield "directory", state.cwd
    yield "variables", _compared(_by_name(state.variables), _by_name(first.variables))
    yield "functions", _compared(_functions(state), _functions(first))
    yield "aliases", _compared(dict.fromkeys(state.alias_names), dict.fromkeys(first.alias_names))
    yield "options", _switched(" ".join(_decoded(state.options)), state.options, first.options)
    yield "shopts", _switched(f"{len(state.shopts)} on", state.shopts, first.shopts)
    if state.traps:
        yield "traps", _listed(_decoded(state.traps))
    yield from _rest(state)
    if generations.descriptors is not None:
        yield "descriptors", _listed(map(str, generations.descriptors.numbers))
    yield "to go back to", _earlier(generations)


def _rest(state: ShellState) -> Iterator[tuple[str, str]]:
    if state.stack:
        yield "directory stack", f"{len(state.stack)} below the directory"
    if state.parameters:
        yield "parameters", f"$1 to ${len(state.parameters)}" if len(state.parameters) > 1 else "$1"
    if state.umask:
        yield "umask", os.fsdecode(state.umask.split()[-1])


def _compared(now: Mapping[str, object], before: Mapping[str, object]) -> str:
    """How many there are, and the names of those that have come, changed or gone since the first state."""
    came = [name for name in now if name not in before]
    changed = [name for name in now if name in before and now[name] != before[name] and name not in _RESTLESS]
    gone = [name for name in before if name not in now]
    return _counted(len(now), {"new": came, "changed": changed, "unset": gone})


def _switched(which: str, now: frozenset[bytes], before: frozenset[bytes]) -> str:
    return _counted(which, {"new": _decoded(now - before), "off": _decoded(before - now)})


def _counted(count: int | str, named: Mapping[str, Sequence[str]]) -> str:
    return "; ".join((str(count), *(f"{word}: {_listed(names)}" for word, names in named.items() if names)))


def _earlier(generations: Generations) -> str:
    known = generations.earlier
    if not known:
        return "none yet"
    shown = ", ".join(short(one) for one in known[:_BACK_SHOWN])
    return f"{shown} and {len(known) - _BACK_SHOWN} more" if len(known) > _BACK_SHOWN else shown


def _line(name: str, value: str, *, indent: int, width: int) -> str:
    return fill(
        value,
        width=max(width, indent + 20),
        initial_indent=f"  {name:<{indent - 2}}",
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    shown = " ".join(every[:_NAMES_SHOWN])
    return f"{shown} and {len(every) - _NAMES_SHOWN} more" if len(every) > _NAMES_SHOWN else shown


def _functions(state: ShellState) -> Mapping[str, object]:
    return _by_name(state.functions_by_name) or dict.fromkeys(state.function_names)


def _by_name(values: Mapping[bytes, bytes]) -> dict[str, bytes]:
    return {os.fsdecode(name): value for name, value in values.items()}


def _decoded(names: Iterable[bytes]) -> list[str]:
    return sorted(os.fsdecode(name) for name in names)
