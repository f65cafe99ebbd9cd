"""``--secret-env``: variables whose values are asked for, and given to one session's environment alone.

The values go to the cell's bash on its control pipe, through the broker's memory: they are in no file, on no command
line and in no record. What the cell hands on is without these variables (``bash/finish.sh``), whatever it has made of
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import MagicError

if TYPE_CHECKING:
    from vibesbox_kernel.shell.cell import Cell

MAX_SECRET_BYTES = 3072
"""Of all of a cell's together: the control pipe takes little more."""

_MAGIC = "%%session --secret-env"


def questions(cell: Cell) -> Iterator[tuple[str, str]]:
    """What is to be asked for: each variable, and the words to ask with."""
    for name in cell.options.secret_env:
        yield name, f"Secret {name}: "


def with_secrets(cell: Cell, answers: Mapping[str, str | None]) -> Cell:
    """The cell with the values that were given.

    Raises:
        MagicError: One is missing, or can not be a variable's value; nothing is run.
    """
    missing = [name for name in cell.options.secret_env if answers.get(name) is None]
    if missing:
        raise MagicError(f"{_MAGIC}: no value was given for {', '.join(missing)}; nothing is run", magic=_MAGIC)
    values = {name: str(answers[name]) for name in cell.options.secret_env}
    for name, value in values.items():
        if "\0" in value:
            raise MagicError(f"{_MAGIC}: the value of {name} has a NUL character in it; nothing is run", magic=_MAGIC)
    if sum(len(part) for part in _pairs(values)) > MAX_SECRET_BYTES:
        raise MagicError(f"{_MAGIC}: these are more than {MAX_SECRET_BYTES} bytes; nothing is run", magic=_MAGIC)
    return replace(cell, secrets=values)


def check_secrets(cell: Cell) -> None:
    """Refuse a cell whose secrets nobody was asked for.

    Raises:
        MagicError: Names them.
    """
    with_secrets(cell, cell.secrets)


def without_values(cell: Cell) -> Cell:
    """The cell as it is remembered while its session lives."""
    return replace(cell, secrets={}) if cell.secrets else cell


def control_text(secrets: Mapping[str, str], word: bytes) -> bytes:
    """What ``bash/prepare.sh`` reads from the control pipe.

    Args:
        secrets: The values by name.
        word: Stands before each pair.
    """
    return b"".join(word + pair for pair in _pairs(secrets))


def _pairs(secrets: Mapping[str, str]) -> list[bytes]:
    return [f"{name}={value}\0".encode("utf-8", "surrogateescape") for name, value in secrets.items()]
