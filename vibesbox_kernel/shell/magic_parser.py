"""An ``argparse`` parser for magic lines: it raises MagicError, never exits, and names the nearest match."""

from __future__ import annotations

import argparse
import contextlib
import difflib
from collections.abc import Iterable, Sequence
from typing import NoReturn

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.magic_args import signal_number

HELP_OPTIONS = ("-h", "--help")


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that looks most like the word, or None when none comes near."""
    found = difflib.get_close_matches(word.lower(), list(choices), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of a message about a word that is none of the choices; empty when none comes near."""
    near = nearest(word, choices)
    return f"; did you mean {near}?" if near else ""


def _fixed_width_formatter(prog: str) -> argparse.HelpFormatter:
    """Help looks the same whatever terminal the kernel was started from."""
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=28, width=100)


class MagicParser(argparse.ArgumentParser):
    """The options of one magic. ``prog`` is the magic's name with its ``%``.

    Attributes:
        numbers_are_values: A word such as ``-1`` is meant for a number, not for an option.
    """

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            add_help=False,
            allow_abbrev=False,
            formatter_class=_fixed_width_formatter,
        )
        self.numbers_are_values = False
        self.color = False  # Python 3.14 colours help by itself; ours may be shown anywhere.
        self.add_argument(*HELP_OPTIONS, action="store_true", dest="help", help="show this help")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would have printed before exiting."""
        raise MagicError(f"{self.prog}: {message}", magic=self.prog)

    def option_names(self) -> tuple[str, ...]:
        """Every option string, such as ``-n`` and ``--name``."""
        return tuple(name for action in self._actions for name in action.option_strings)

    def choices_of(self, option: str) -> tuple[str, ...]:
        """The values that an option or a positional argument is limited to; empty when it is not."""
        for action in self._actions:
            if (option in action.option_strings or option == action.dest) and action.choices:
                return tuple(str(choice) for choice in action.choices)
        return ()

    def option_help(self, option: str) -> str:
        """How one option is written and what it does; empty if there is no such option."""
        for action in self._actions:
            if option in action.option_strings:
                formatter = self._get_formatter()
                formatter.add_argument(action)
                return formatter.format_help().strip("\n")
        return ""

    def wants_value(self, option: str) -> bool | None:
        """Whether an option is followed by a value; None if there is no such option."""
        for action in self._actions:
            if option in action.option_strings:
                return action.nargs != 0
        return None

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all words, options and arguments in any order.

        Raises:
            MagicError: Something is missing, wrong or too much; the message says which.
        """
        self._refuse_unknown_options(words)
        namespace, extra = self.parse_known_intermixed_args(list(words))
        if extra:
            self.error(f"{extra[0]!r} is one argument too many")
        return namespace

    def _refuse_unknown_options(self, words: Sequence[str]) -> None:
        """Before argparse does: it would take some for values, and its message names no neighbour."""
        value_follows = False
        for word in words:
            if value_follows:
                value_follows = False
                continue
            if word == "--":
                return
            if not word.startswith("-") or word == "-" or (self.numbers_are_values and word[1:].isdecimal()):
                continue
            value_follows = self._check_option(word)

    def _check_option(self, word: str) -> bool:
        """Refuse an unknown option; say whether the next word is its value."""
        name = word.partition("=")[0] if word.startswith("--") else word
        wants = self.wants_value(name)
        if wants is not None:
            return wants and "=" not in word
        short = None if word.startswith("--") else self.wants_value(word[:2])
        if short:  # -n20: the value is part of the word
            return False
        raise MagicError(f"{self.prog} has no option {name}", magic=self.prog, suggestion=self._neighbour(name))

    def _neighbour(self, name: str) -> str | None:
        if "-s" in self.option_names():
            with contextlib.suppress(argparse.ArgumentTypeError):
                signal_number(name.lstrip("-"))
                return f"-s {name.lstrip('-')}"
        return nearest(name, self.option_names())
