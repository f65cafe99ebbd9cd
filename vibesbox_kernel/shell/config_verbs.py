"""``%vibesbox config``: the settings shown, changed and taken back."""

from __future__ import annotations

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.config_text import describe_settings
from vibesbox_kernel.shell.magic_args import ConfigArgs
from vibesbox_kernel.shell.settings import SETTINGS, Settings, find_setting
from vibesbox_kernel.shell.verb_result import VerbResult


def tend_settings(settings: Settings, args: ConfigArgs) -> VerbResult:
    """Show settings, or change them; all changes are checked before any is made.

    Raises:
        UnknownSettingError: There is no such setting; names the nearest.
        InvalidOptionError: It can not have that value.
    """
    for name in args.names:
        find_setting(name)
    for name, value in args.changes:
        _check(name, value)
    if args.reset:
        settings.reset(args.names)
    for name, value in args.changes:
        settings.set(name, value)
    changed = tuple(name for name, _ in args.changes)
    text, html = describe_settings(settings, (*args.names, *changed))
    return VerbResult(text, html=html, data={name: settings.value(name) for name in SETTINGS})


def _check(name: str, value: str) -> None:
    setting = find_setting(name)
    setting.check(name, value)
    if setting.at_start:
        raise MagicError(
            f"%vibesbox config: {name} is looked at when the shell starts; set it in the notebook's metadata"
            f' ("vibesbox": {{"{name}": …}}) or in your configuration, and restart',
            magic="%vibesbox",
        )
