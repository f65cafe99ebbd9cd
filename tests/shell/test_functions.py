"""The functions of a shell, told apart."""

from __future__ import annotations

from tests.shell.bench import Bench
from vibesbox_kernel.shell.functions import split_functions


def test_every_function_has_its_own_text(bench: Bench) -> None:
    """Bash: `declare -f` shows them one after another, by name."""
    bench.run("f() { echo f; }; function a-b { cat <<X\n}\nX\n}; g() ( : ) >/dev/null; export -f f; function if { :; }")
    split = bench.state.functions_by_name
    assert list(split) == [b"a-b", b"f", b"g", b"if"]
    assert b"".join(split.values()) == bench.state.functions
    assert split[b"f"].startswith(b"f () \n{ \n    echo f\n}\n")


def test_functions_that_can_not_be_told_apart_are_not(bench: Bench) -> None:
    """Ours: a here-document may look like another function; then nothing is said rather than something wrong."""
    bench.run("f() { cat <<X\n}\ng () \n{ \nX\n}\ng() { :; }")
    assert bench.state.functions_by_name == {}
    assert bench.run("f").text == "}\ng () \n{ \n"


def test_no_functions_are_no_texts() -> None:
    assert split_functions(b"", ()) == {}
