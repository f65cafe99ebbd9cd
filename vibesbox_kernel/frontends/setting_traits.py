"""The settings of the shell as traits, for configuration files and command lines: ``c.VibesboxKernel.rows = 40``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets
from traitlets.config import Configurable

from vibesbox_kernel.errors import InvalidOptionError
from vibesbox_kernel.shell.settings import SETTINGS, Setting, Settings, Source


def _trait(name: str, setting: Setting[Any]) -> traitlets.TraitType[Any, Any]:
    """One setting as a trait: any value is let in that the setting itself can read."""

    def check(value: object) -> Any:
        try:
            return setting.check(name, value)
        except InvalidOptionError as error:
            raise traitlets.TraitError(str(error)) from None

    return _SettingTrait(check, setting.default, help=f"{setting.meaning} ({setting.wanted})").tag(config=True)


class _SettingTrait(traitlets.TraitType[Any, Any]):
    def __init__(self, check: Any, default: Any, **options: Any) -> None:
        super().__init__(default, **options)
        self._check = check

    def validate(self, obj: Any, value: Any) -> Any:
        return self._check(value)

    def from_string(self, s: str) -> Any:
        return self._check(s)


class _Base(Configurable):
    """The traits are those of the table; ``settings`` has their values."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = Settings()
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if value != setting.default:
                self.settings.set(name, value, source=Source.CONFIGURATION)
        self.observe(self._take, names=list(SETTINGS))

    def _take(self, change: Any) -> None:
        self.settings.set(change["name"], change["new"], source=Source.CONFIGURATION)


if TYPE_CHECKING:
    ConfiguredSettings = _Base
else:
    ConfiguredSettings = type(
        "ConfiguredSettings", (_Base,), {name: _trait(name, setting) for name, setting in SETTINGS.items()}
    )
