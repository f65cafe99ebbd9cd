"""An EXIT trap of the cell's own: it is run, and the state is handed on all the same."""

from __future__ import annotations

import signal

import pytest

from tests.shell.bench import Bench
from vibesbox_kernel.shell.exit_trap import sets_exit_trap
from vibesbox_kernel.shell.state import ShellState


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("exit 3", 3),
        ("exit", 0),
        ("f() { exit 4; }; f", 4),
        ("set -e; false; x=no", 1),
        ("set -u; : $nothing; x=no", 127),
        (": ${nothing:?}; x=no", 127),
        ("return 5", 5),
        ("(exit 6)", 6),
        ("kill -TERM $$; x=no", -signal.SIGTERM),
    ],
)
@pytest.mark.parametrize("setting", ["trap 'echo bye $?; y=9' EXIT", "trap -- 'echo bye $?; y=9' 0", "trap bye EXIT"])
def test_however_a_cell_ends_its_trap_is_run_and_its_state_is_the_next_ones(
    bench: Bench, setting: str, end: str, code: int
) -> None:
    """Ours: a cell is a process, so the trap is run at its end, and is not the next cell's."""
    ran = bench.run(f"bye() {{ echo bye $?; y=9; }}; x=1; {setting}\n{end}")
    shown = [line for line in ran.text.splitlines() if not line.startswith("In[")]
    assert shown == [f"bye {code}"] or (code < 0 and shown[0].startswith("bye"))
    assert ran.returncode == code
    assert ran.committed
    assert bench.run("set +eu; echo $x $y; trap -p | grep -c bye; type -t trap").text == "1 9\n0\nbuiltin\n"


def test_a_trap_that_is_taken_back_is_not_run(bench: Bench) -> None:
    assert bench.run("trap 'echo bye' EXIT; x=1; trap - EXIT; exit 2").text == ""
    assert bench.run("echo $? $x").text == "2 1\n"


def test_a_trap_that_is_replaced_is_replaced(bench: Bench) -> None:
    assert bench.run("trap 'echo one' EXIT; trap 'echo two' EXIT; trap 'echo x' USR1; kill -USR1 $$; exit").text == (
        "x\ntwo\n"
    )
    assert bench.run("trap -p USR1; trap -p | grep -c two").text == "trap -- 'echo x' SIGUSR1\n0\n"


def test_a_trap_of_a_subshell_is_its_own(bench: Bench) -> None:
    assert bench.run("(trap 'echo sub' EXIT; exit 1); x=$(trap 'echo in' EXIT); echo $x; exit 4").text == "sub\nin\n"
    assert bench.run("echo $? $x").text == "4 in\n"


def test_set_x_shows_the_users_commands_only(bench: Bench) -> None:
    ran = bench.run("set -x; trap 'echo bye' EXIT; true; exit 3")
    assert "__vb" not in ran.text
    assert ran.text == "++ trap 'echo bye' EXIT\n++ true\n++ exit 3\nbye\n"
    assert bench.run("case $- in *x*) echo on;; esac").text.endswith("on\n")


def test_an_error_of_trap_is_the_users(bench: Bench) -> None:
    ran = bench.run("trap 'echo bye' EXIT NONSENSE || echo failed; exit 0")
    assert "NONSENSE: invalid signal specification" in ran.text
    assert "failed\n" in ran.text


@pytest.mark.parametrize(
    ("script", "wraps"),
    [
        ("trap 'rm -f x' EXIT", True),
        ("trap cleanup EXIT INT TERM", True),
        ("trap cleanup 0", True),
        ('trap "rm" exit', True),
        ("echo trap", False),
        ("trap 'echo' USR1", False),
        ("trap 'echo' ERR; trap x EXIT", False),
        ("trap() { :; }; trap x EXIT", False),
    ],
)
def test_only_cells_that_set_one_are_looked_after(script: str, wraps: bool) -> None:
    assert sets_exit_trap(script, ShellState(directory=b"/")) is wraps


def test_a_shell_with_a_debug_trap_is_left_alone() -> None:
    state = ShellState(directory=b"/", traps={b"DEBUG": b"'echo'"})
    assert not sets_exit_trap("trap x EXIT", state)
