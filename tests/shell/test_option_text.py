"""What a manual page says of one option."""

from __future__ import annotations

import pytest

from vibesbox_kernel.shell.option_text import option_text

PAGE = """\
SYNOPSIS
       ls [OPTION]... [FILE]...

DESCRIPTION
       Here a sentence is about
       -name and what it does.

       With --all in a sentence nothing is introduced.

       -a, --all
              do not ignore entries starting with .

       -l     use a long listing format
       --color[=WHEN]
              color the output WHEN;
              more info below

                  an example
       -I, --ignore=PATTERN
              do not list
   Tests

       -name pattern
              Base of file name
"""


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--all", "-a, --all\n       do not ignore entries starting with ."),
        ("-a", "-a, --all\n       do not ignore entries starting with ."),
        ("-l", "-l     use a long listing format"),
        ("--color", "--color[=WHEN]\n       color the output WHEN;\n       more info below\n\n           an example"),
        (
            "--color=auto",
            "--color[=WHEN]\n       color the output WHEN;\n       more info below\n\n           an example",
        ),
        ("--ignore=x", "-I, --ignore=PATTERN\n       do not list"),
        ("-la", "-l     use a long listing format\n-a, --all\n       do not ignore entries starting with ."),
        ("-name", "-name pattern\n       Base of file name"),
        ("--al", None),
        ("--no-such", None),
        ("-z", None),
        ("-", None),
        ("--", None),
    ],
)
def test_an_option_is_found_where_it_is_introduced(word: str, text: str | None) -> None:
    """Ours: manual pages as GNU, git and find write them."""
    assert option_text(PAGE, word) == text


def test_a_long_text_is_cut() -> None:
    """Ours: the page has the rest."""
    page = "       -x\n" + "              more\n" * 500
    text = option_text(page, "-x")
    assert text is not None
    assert text.count("\n") == 40
