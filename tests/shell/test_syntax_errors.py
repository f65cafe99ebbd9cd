"""Cells that bash can not read: nothing of them is run, and the message points at the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.bench import Bench
from vibesbox_kernel.shell.dump import Way

_OPEN = "syntax error: unexpected end of file; the command that begins here is not complete"
_UNEXPECTED = "syntax error near unexpected token `{}'"
_UNMATCHED = "unexpected EOF while looking for matching `{}'"


@pytest.mark.parametrize(
    ("script", "line", "column", "message"),
    [
        ("foo )", 1, 5, _UNEXPECTED.format(")")),
        ("echo '(' \"a)\" )", 1, 15, _UNEXPECTED.format(")")),
        ("; echo", 1, 1, _UNEXPECTED.format(";")),
        ("echo !(a)", 1, 7, _UNEXPECTED.format("(")),
        ("a && && b", 1, 6, _UNEXPECTED.format("&&")),
        ("echo\n\n  done; done", 3, 3, _UNEXPECTED.format("done")),
        ("case x in a) echo;; b echo ;; esac", 1, 23, _UNEXPECTED.format("echo")),
        ("select", 1, 7, _UNEXPECTED.format("newline")),
        ("\techo é ; ; echo", 1, 11, _UNEXPECTED.format(";")),
        ("cat <<E )\nE", 1, 9, _UNEXPECTED.format(")")),
        ("[[ -f ]]", 1, 7, "unexpected argument `]]' to conditional unary operator"),
        ("echo 'a' 'b", 1, 10, _UNMATCHED.format("'")),
        ("echo 1\necho 2\necho 'abc\n", 3, 6, _UNMATCHED.format("'")),
        ('echo "abc', 1, 6, _UNMATCHED.format('"')),
        ('echo "a $(echo x', 1, 10, _UNMATCHED.format(")")),
        ("echo ${x", 1, 7, _UNMATCHED.format("}")),
        ("echo 1\nif true; then", 2, 1, _OPEN),
        ("x=1\nf() {\n  if true; then echo; fi\n", 2, 1, _OPEN),
        ("#\n  echo &&", 2, 3, _OPEN),
    ],
)
def test_a_syntax_error_is_shown_by_line_and_column_with_a_caret_below(
    bench: Bench, script: str, line: int, column: int, message: str
) -> None:
    """Ours: what the cell's own line is, whatever bash's reading of it was like."""
    shown = script.split("\n")[line - 1]
    below = "".join("\t" if char == "\t" else " " for char in shown[: column - 1])
    ran = bench.run(script)
    assert ran.text == f"In[1]: line {line}, column {column}: {message}\n{shown}\n{below}^\n"


def test_a_cell_with_a_syntax_error_runs_nothing(bench: Bench) -> None:
    """Ours: not even what stands before it, and the state is as before."""
    bench.run("x=1")
    before = bench.state
    ran = bench.run("touch ran; x=2\nfoo )")
    assert (ran.returncode, ran.way, bench.state) == (2, Way.SYNTAX, before)
    assert not Path.home().joinpath("ran").exists()


def test_of_a_long_line_only_the_part_around_the_place_is_shown(bench: Bench) -> None:
    place, shown, caret = bench.run(f"echo {'x' * 300} ) {'y' * 300}").text.splitlines()
    assert place.startswith("In[1]: line 1, column 307: ")
    assert shown[caret.index("^")] == ")"
    assert len(shown) < 130


def test_a_syntax_error_is_found_whatever_the_state_is(bench: Bench) -> None:
    """Ours: the user's own functions, separators and options do not get into the way."""
    bench.run(
        "set -u; IFS=e; read() { echo mine; }; shopt -s nocasematch; set -f; alias continue=false for='echo mine'"
    )
    assert bench.run("echo\nfoo )").text.splitlines()[0].startswith("In[2]: line 2, column 5: syntax error")


def test_an_alias_that_stands_for_syntax_is_known_when_the_place_is_looked_for(bench: Bench) -> None:
    bench.run("alias begin='{'")
    assert bench.run("begin echo; }\nfoo )").text.startswith("In[2]: line 2, column 5: syntax error near unexpected")


def test_a_huge_cell_with_a_syntax_error_is_refused_soon(bench: Bench) -> None:
    """Ours: however much of it bash has to be asked about."""
    ran = bench.run("if true; then\n" + "echo some more words of text in a line\n" * 25_000)
    assert ran.text.startswith("In[1]: line 25001: syntax error: unexpected end of file")
