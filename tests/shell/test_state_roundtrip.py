"""Whatever bytes a shell's variables, arrays, functions, aliases and traps hold, the next cell has them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shell.bench import Bench
from vibesbox_kernel.shell.quoting import quote

# Any bytes but NUL, and often those that mean something to a shell.
SPICY = st.sampled_from(
    [b"'", b'"', b"\\", b"$x", b"`", b"\n", b"\x01", b"\x7f", b"\xff", b"!", b"=(", b"\t", b" ", b"}\n"]
)
WORDS = st.lists(
    st.one_of(SPICY, st.binary(min_size=1, max_size=8).map(lambda b: b.replace(b"\0", b"0"))), max_size=6
).map(b"".join)
KEYS = WORDS.filter(bool)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bench") / "root", io="pipe")
    yield made
    made.close()


NUMBERS = itertools.count()


def run(bench: Bench, script: bytes) -> bytes:
    ran = bench.run(os.fsdecode(script))
    assert ran.committed
    return ran.output


def dumped(bench: Bench, path: Path, names: bytes) -> list[bytes]:
    """The values of variables, as bash itself writes them down byte for byte."""
    run(bench, b"for v in " + names + b"; do printf '%s\\0' \"$v\"; done >|" + quote(os.fsencode(path)))
    return path.read_bytes().split(b"\0")[:-1]


roundtrip = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@roundtrip
@given(value=WORDS, elements=st.lists(WORDS, max_size=4), pairs=st.dictionaries(KEYS, WORDS, max_size=4))
def test_variables_and_arrays_keep_every_byte(
    bench: Bench, isolation: Path, value: bytes, elements: list[bytes], pairs: dict[bytes, bytes]
) -> None:
    set_pairs = b"\n".join(b"k=" + quote(key) + b"; h[$k]=" + quote(item) for key, item in pairs.items())
    run(
        bench,
        b"unset v a h; declare -A h\nexport v="
        + quote(value)
        + b"\na=("
        + b" ".join(map(quote, elements))
        + b")\n"
        + set_pairs,
    )
    out = isolation / f"out{next(NUMBERS)}"
    assert dumped(bench, out, b'"$v" "${a[@]}"') == [value, *elements]
    both = dumped(bench, out, b'"${!h[@]}" "${h[@]}"')
    assert dict(zip(both[: len(pairs)], both[len(pairs) :], strict=True)) == pairs


@roundtrip
@given(word=WORDS, document=WORDS)
def test_functions_keep_every_byte_that_bash_can_print(
    bench: Bench, isolation: Path, word: bytes, document: bytes
) -> None:
    # Of a here-document `declare -f` itself loses these two: bash uses them for marks of its own.
    lines = document.replace(b"\nEND\n", b"\n").translate(None, b"\x01\x7f")
    body = b"printf '%s\\0' " + quote(word) + b"; cat <<'END'\n" + lines + b"\nEND\n"
    run(bench, b"f() {\n" + body + b"}\n")
    out = isolation / f"out{next(NUMBERS)}"
    run(bench, b"f >|" + quote(os.fsencode(out)))
    assert out.read_bytes() == word + b"\0" + lines + b"\n"


@roundtrip
@given(text=WORDS, parameters=st.lists(WORDS, max_size=4))
def test_traps_and_parameters_keep_every_byte(
    bench: Bench, isolation: Path, text: bytes, parameters: list[bytes]
) -> None:
    command = b"printf '%s\\0' " + quote(text) + b' >|"$out"'
    out = isolation / f"out{next(NUMBERS)}"
    run(
        bench,
        b"out="
        + quote(os.fsencode(out))
        + b"\ntrap "
        + quote(command)
        + b" USR1\nset -- "
        + b" ".join(map(quote, parameters)),
    )
    run(bench, b"kill -USR1 $$")
    assert out.read_bytes() == text + b"\0"
    assert dumped(bench, out, b'"$@"') == parameters


@roundtrip
@given(text=WORDS)
def test_a_state_does_not_change_by_being_carried(bench: Bench, text: bytes) -> None:
    run(bench, b"v=" + quote(text) + b"; alias q=" + quote(b"echo " + text.replace(b"\n", b"")))
    before = bench.state
    run(bench, b":")
    assert bench.state.variables.get(b"v") == before.variables.get(b"v")
    assert bench.state.aliases == before.aliases
    assert bench.state.functions == before.functions
