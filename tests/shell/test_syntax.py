"""How strictly a cell is looked at before it is run, decided from its text alone."""

from __future__ import annotations

import random
import subprocess
import time

import pytest

from vibesbox_kernel.shell.syntax import Check, check_for


@pytest.mark.parametrize(
    ("script", "check"),
    [
        ("echo a b /c", Check.NONE),
        ("echo 'a' \"b $c ${d} $((e + 1))\" ~/*.f # don't if", Check.NONE),
        ("echo 'a", Check.STRICT),
        ('echo "a $(b)"', Check.STRICT),
        ("echo a#'b", Check.STRICT),
        ("echo $'a'", Check.STRICT),
        ("if true", Check.STRICT),
        ("do", Check.STRICT),
        ("shopt -s extglob\necho !(a)", Check.EXTGLOB),
        (". ./lib\necho !(a)", Check.EXTGLOB),
        ("x=1\n  source 'lib'\necho !(a)", Check.EXTGLOB),
        ("echo 'End. Of' )", Check.STRICT),
        ("alias begin='{'\nbegin echo; }", Check.NONE),
        ("x; alias a=b c=if\na", Check.NONE),
        ("alias a=b\necho (", Check.STRICT),
        ("alias (\ny='{'", Check.STRICT),
    ],
)
def test_a_cell_is_looked_at_as_strictly_as_never_refuses_what_bash_would_run(script: str, check: Check) -> None:
    assert check_for(script) is check


def test_what_is_not_looked_at_can_be_read_by_bash():
    """Bash: `bash -n`. Texts of pieces that are quotes, comments and values, in any order."""
    pieces = [
        "'",
        '"',
        " # ",
        "#",
        "\n",
        " ",
        "$((",
        "))",
        "${x}",
        "$x",
        "a",
        "if",
        "1+2",
        "=",
        "$",
        "(",
        "}",
        "\\",
        "`",
        "*",
    ]
    chance = random.Random(1)
    plain: set[str] = set()
    while len(plain) < 200:
        script = "".join(chance.choices(pieces, k=chance.randint(1, 12)))
        if check_for(script) is Check.NONE:
            plain.add(script)
    for script in plain:
        assert subprocess.run(["bash", "-n", "-c", script], check=False).returncode == 0, script


@pytest.mark.parametrize("piece", ["alias a=b ", "alias ", "= ", "if x; ", "' ", "extglob", ". "])
def test_the_decision_takes_no_longer_on_one_long_line_than_on_many(piece: str) -> None:
    """Ours: it is made on the thread that serves every session."""
    began = time.process_time()
    check_for("'" + piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 5
