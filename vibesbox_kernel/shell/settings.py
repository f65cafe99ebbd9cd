"""The settings of a notebook's shell: what there is, what each means, its value now, and where that comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

from vibesbox_kernel.errors import InvalidOptionError, UnknownSettingError
from vibesbox_kernel.models import IoMode
from vibesbox_kernel.shell.magic_parser import nearest

Value = bool | int | float | str
_T = TypeVar("_T", bound=Value)
_KEY = "setting"
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Setting(Generic[_T]):
    """One setting.

    Attributes:
        default: Its value when nobody has set it; its type is that of every other value.
        meaning: In one line.
        low: The least that it can be.
        high: The most.
        choices: What it can be; empty if it may be anything of its kind.
        at_start: It is looked at when the shell starts; the others hold from the next cell on.
        named_by_notebook: What a notebook's own metadata may set it to must be a plain name.
    """

    default: _T
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    at_start: bool = False
    named_by_notebook: bool = False

    @property
    def wanted(self) -> str:
        """What it must be, in words."""
        if self.choices:
            return " or ".join(self.choices)
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return "a name or a path"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind}, {self.low:.10g} to {self.high:.10g}"

    def check(self, name: str, value: object) -> _T:
        """A value as it is kept; text is read as a person would write it.

        Raises:
            InvalidOptionError: It can not be.
        """
        found = self._read(value)
        if found is None or not self._allows(found):
            raise InvalidOptionError(name, value, self.wanted)
        return cast("_T", found)

    def _read(self, value: object) -> Value | None:
        kind = type(self.default)
        if kind is str:
            return value.strip() if isinstance(value, str) and value.strip() and "\0" not in value else None
        if kind is bool:
            word = str(value).strip().lower()
            return True if word in _TRUE else False if word in _FALSE else None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        try:
            number = float(str(value).replace("_", ""))
        except ValueError:
            return None
        if kind is float:
            return number
        return int(number) if math.isfinite(number) and number.is_integer() else None

    def _allows(self, value: Value) -> bool:
        if isinstance(value, str):
            return not self.choices or value in self.choices
        return isinstance(value, bool) or self.low <= value <= self.high


def _setting(default: _T, meaning: str, **rules: Any) -> _T:
    return field(default=default, metadata={_KEY: Setting(default, meaning, **rules)})


@dataclass(frozen=True)
class Values:
    """The value of every setting; this is also the list of them."""

    default_shell: str = _setting(
        "bash",
        "the shell of cells that name none; zsh and fish carry a state too, others none",
        named_by_notebook=True,
    )
    io: str = _setting(
        str(IoMode.PTY), "the streams of cells that name none", choices=tuple(str(mode) for mode in IoMode)
    )
    interrupt_grace: float = _setting(
        10.0,
        "seconds that a cell has to end by itself after an interrupt, before it is ended by force",
        low=0,
        high=3600,
    )
    rows: int = _setting(24, "the height of a cell's terminal", low=1, high=1000)
    columns: int = _setting(100, "the width of a cell's terminal", low=1, high=1000)
    head_lines: int = _setting(1000, "lines of a long output that are shown before only its end is", low=1, high=20_000)
    head_bytes: int = _setting(200_000, "the same in bytes", low=1_000, high=1_000_000)
    tail_lines: int = _setting(200, "lines of a long output's end that are shown", low=1, high=2_000)
    quiet_after: float = _setting(
        10.0, "seconds without output after which a cell says how long it runs; 0 for never", low=0, high=86_400
    )
    history_enabled: bool = _setting(
        True, "remember cells for the up-arrow of consoles; one that begins with a blank never is"
    )
    rc_files: bool = _setting(True, "read your start-up files (~/.bashrc), once", at_start=True)
    startup_timeout: float = _setting(
        5.0, "seconds that your start-up files have; without an end they are left out", low=0.1, high=600, at_start=True
    )
    errexit: bool = _setting(False, "begin with set -e: a failing command ends its cell", at_start=True)
    pipefail: bool = _setting(
        False, "begin with set -o pipefail: a pipeline fails with any of its commands", at_start=True
    )


SETTINGS: Mapping[str, Setting[Any]] = MappingProxyType({one.name: one.metadata[_KEY] for one in fields(Values)})


class Source(IntEnum):
    """Who has set a value; of two, the later in this list is heard."""

    DEFAULT = 0
    CONFIGURATION = 1
    NOTEBOOK = 2
    MAGIC = 3

    @property
    def words(self) -> str:
        """As it is shown to the user."""
        return ("default", "configuration", "this notebook", "%vibesbox config")[self]


class Settings:
    """The settings of one shell. May be read from any thread: what is read is replaced, never changed.

    Attributes:
        now: The values that hold.
    """

    def __init__(self, **configured: Value) -> None:
        self._layers: dict[Source, dict[str, Value]] = {source: {} for source in Source}
        self.now = Values()
        for name, value in configured.items():
            self.set(name, value, source=Source.CONFIGURATION)

    def set(self, name: str, value: object, *, source: Source = Source.MAGIC) -> None:
        """Set one.

        Raises:
            UnknownSettingError: There is no such setting.
            InvalidOptionError: It can not have that value.
        """
        setting = find_setting(name)
        checked = setting.check(name, value)
        if source is Source.NOTEBOOK and setting.named_by_notebook and "/" in str(checked):
            # Whoever opens a notebook has not read its metadata: it must not choose which file is run.
            raise InvalidOptionError(name, value, "a plain name when a notebook sets it")
        self._layers[source][name] = checked
        self._settle()

    def reset(self, names: Iterable[str] = ()) -> None:
        """Forget what was set by magic: of some settings, or of all.

        Raises:
            UnknownSettingError: There is no such setting; nothing has changed.
        """
        chosen = list(names)
        for name in chosen:
            find_setting(name)
        for name in chosen or SETTINGS:
            self._layers[Source.MAGIC].pop(name, None)
        self._settle()

    def value(self, name: str) -> Value:
        """The value of one."""
        return cast("Value", getattr(self.now, name))

    def source(self, name: str) -> Source:
        """Who has set it."""
        return max((source for source, layer in self._layers.items() if name in layer), default=Source.DEFAULT)

    def _settle(self) -> None:
        values: dict[str, Any] = {}
        for source in Source:
            values |= self._layers[source]
        self.now = Values(**values)


def find_setting(name: str) -> Setting[Any]:
    """The setting of this name.

    Raises:
        UnknownSettingError: There is none; names the nearest.
    """
    if name not in SETTINGS:
        raise UnknownSettingError(name, tuple(SETTINGS), nearest(name, SETTINGS))
    return SETTINGS[name]
