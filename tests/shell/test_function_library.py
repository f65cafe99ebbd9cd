"""Many functions: read ahead by bashes that have no state yet, and written down only if they have changed."""

from __future__ import annotations

import pytest

from tests.shell.bench import Bench
from vibesbox_kernel.shell.function_library import MOST_OTHERS, WORTH_A_LIBRARY, Library

MANY = f'for i in {{1..{WORTH_A_LIBRARY + 8}}}; do eval "f$i() {{ echo f$i; }}"; done'


def library_of(bench: Bench) -> Library:
    library = bench.driver.libraries.current
    assert library is not None
    return library


@pytest.fixture
def many(bench: Bench) -> Bench:
    """A shell with so many functions that they come from a library."""
    bench.run(MANY)
    assert bench.run("f1; f40").text == "f1\nf40\n"
    library_of(bench)
    return bench


def test_functions_that_have_not_changed_are_not_written_down_again(many: Bench) -> None:
    """Ours: the text is even the very same object."""
    before = many.state
    many.run("x=1")
    many.run("f3")
    assert many.state.functions is before.functions
    assert many.run("f7; declare -F | wc -l").text == f"f7\n{WORTH_A_LIBRARY + 8}\n"


@pytest.mark.parametrize(
    ("change", "look", "found"),
    [
        ("f3() { echo new; }", "f3; f4", "new\nf4\n"),
        ("eval 'f3() { echo new; }'", "f3; f4", "new\nf4\n"),
        ("unset -f f3", "type -t f3 || echo none; f4", "none\nf4\n"),
        ("g() { echo g; }", "g; f4", "g\nf4\n"),
        ("g() { echo g; }; unset -f f5; f6() { :; }", "g; f4; type -t f5; f6", "g\nf4\n"),
        ("export -f f3", "bash -c f3; f4", "f3\nf4\n"),
        ("declare -ft f3", "declare -F | grep f3$", "declare -ft f3\n"),
        ("readonly -f f3", "(f3() { echo 2; }) 2>/dev/null; f3", "f3\n"),
        ("echo 'f3() { echo new; }' >functions; . ./functions", "f3; f4", "new\nf4\n"),
        (
            "declare() { echo mine; }; alias() { :; }; complete() { :; }; umask() { :; }",
            "x=1; f4; declare",
            "f4\nmine\n",
        ),
        (
            "shopt -s extglob\ng() { case $1 in !(a)) echo no a;; esac; }; shopt -u extglob",
            "shopt -s extglob; g b; f4",
            "no a\nf4\n",
        ),
        ("g() { cat <<X\n}\nf4 () \n{ \nX\n}", "g; f4", "}\nf4 () \n{ \nf4\n"),
        ("exit 3", "f3", "f3\n"),
        ("set -eu; f3() { echo new; }; false", "f3", "new\n"),
        ("f3() { local x=1; exit 2; }; f3", "f4", "f4\n"),
        ("trap 'f3() { echo late; }' EXIT", "f3", "late\n"),
    ],
)
def test_what_a_cell_changes_is_changed_for_the_next_ones(many: Bench, change: str, look: str, found: str) -> None:
    """Ours: as without a library; also in a cell after one that has changed nothing."""
    many.run(change)
    assert many.run(f"set +eu; {look}").text == found
    many.run("true")
    assert many.run(look).text == found


def test_few_changes_stay_beside_the_library_and_many_make_a_new_one(many: Bench) -> None:
    library = library_of(many)
    many.run("f3() { echo new; }")
    many.run("true")
    assert library_of(many) is library
    many.run(f'for i in {{1..{MOST_OTHERS + 1}}}; do eval "g$i() {{ echo g$i; }}"; done')
    assert many.run("f3; f4; g1").text == "new\nf4\ng1\n"
    assert library_of(many) is not library


def test_a_message_from_a_function_of_a_cell_names_it_and_its_line(many: Bench) -> None:
    many.run("g() {\n  true\n  nosuchcommand\n}")
    assert many.run("g").text == "g(): line 3: nosuchcommand: command not found\n"


def test_without_many_functions_there_is_no_library(many: Bench) -> None:
    many.run("unset -f $(compgen -A function f)")
    assert many.run("declare -F | wc -l").text == "0\n"
    assert many.driver.libraries.current is None
